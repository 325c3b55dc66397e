//! What the periodic check alone achieves: there is no traffic in these tests.

use std::time::Duration;

use dive_resilience::{Cause, State};
use dive_runtime::{Monotonic, Runtime as _};

use crate::dependency::Dependency;
use crate::settings::Settings;
use crate::testing::{Manner, Switch, World};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// When the breaker of the policy engine entered `state` after `since`.
fn entered(world: &World, state: State, since: Monotonic) -> Option<Duration> {
    let at = |transition: dive_resilience::Transition| {
        Monotonic::from_start(transition.at.since_start()).saturating_since(since)
    };
    let later = world
        .moves()
        .into_iter()
        .map(|(_, moved)| moved)
        .filter(|moved| moved.to == state && moved.at.since_start() >= since.since_start());
    later.map(at).next()
}

/// When the policy engine's status became `status` after `since`.
fn became(world: &World, status: &str, since: Monotonic) -> Option<Duration> {
    let statuses = world.events.statuses.lock();
    let later = statuses.iter().filter(|(_, at, to)| *at >= since && to == status);
    later.map(|(_, at, _)| at.saturating_since(since)).next()
}

/// One outage that begins `offset` after a poll and lasts until `back_after` the opening.
async fn outage(manner: Manner, offset: Duration, back_after: Duration) {
    let what = format!("{manner:?}, {offset:?} after a poll, back {back_after:?} after opening");
    let world = World::new();
    world.node.start();
    tokio::time::sleep(secs(10) + offset).await;
    assert_eq!(world.opa().state, State::Closed, "{what}");
    world.engine.set(manner);
    let lost = world.now();
    tokio::time::sleep(secs(30)).await;
    let opened = entered(&world, State::Open, lost).expect("it opens");
    assert!(opened <= secs(30), "{what}: opened after {opened:?}");
    assert!(opened > secs(20), "{what}: five failures five seconds apart take over 20 s, not {opened:?}");
    let seen = became(&world, "down", lost).expect("the status follows");
    assert!(seen <= secs(10), "{what}: status after {seen:?}");

    let until = Monotonic::from_start(lost.since_start()) + opened + back_after;
    world.runtime.sleep_until(until.max(world.now())).await;
    world.engine.set(Manner::Allow);
    let back = world.now();
    tokio::time::sleep(secs(90)).await;
    let closed = entered(&world, State::Closed, back).expect("it closes");
    assert!(closed <= secs(90), "{what}: closed after {closed:?}");
    let seen = became(&world, "up", back).expect("the status follows");
    assert!(seen <= secs(10), "{what}: status after {seen:?}");
    let path: Vec<_> = world.moves().into_iter().map(|(_, moved)| moved.to).collect();
    assert_eq!(path.first(), Some(&State::Open), "{what}");
    assert_eq!(path.last(), Some(&State::Closed), "{what}");
}

#[tokio::test(start_paused = true)]
async fn without_traffic_it_opens_and_closes_in_time_whenever_the_outage_begins_and_ends() {
    for manner in [Manner::Unreachable, Manner::Fails, Manner::Hangs] {
        for offset in [1, 1_000, 2_500, 4_999] {
            for back_after in [6_000, 59_999, 60_001, 64_999, 67_001, 130_000] {
                outage(manner, Duration::from_millis(offset), Duration::from_millis(back_after)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn half_open_begins_on_time_and_not_at_the_next_poll() {
    let settings = Settings::default().with("breaker.opa.open_for", "61s").unwrap();
    let world = World::with(&settings, |_| {});
    world.node.start();
    world.engine.set(Manner::Fails);
    tokio::time::sleep(secs(95)).await;
    let moves = world.moves();
    let (opened, half_opened) = (moves[0].1, moves[1].1);
    assert_eq!(half_opened.cause, Cause::OpenElapsed);
    assert_eq!(half_opened.at.saturating_since(opened.at), secs(61));
}

#[tokio::test(start_paused = true)]
async fn while_open_the_status_is_still_looked_at_but_no_poll_is_counted_as_a_reject() {
    let world = World::new();
    world.node.start();
    world.engine.set(Manner::Fails);
    tokio::time::sleep(secs(31)).await;
    assert_eq!(world.opa().state, State::Open);
    world.engine.set(Manner::Allow);
    let back = world.now();
    tokio::time::sleep(secs(6)).await;
    assert!(became(&world, "up", back).is_some());
    let opa = world.opa();
    assert_eq!((opa.state, opa.failures, opa.counters.rejects), (State::Open, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_poll_at_half_open_while_a_probe_is_under_way_makes_no_call() {
    let world = World::new();
    world.node.start();
    tokio::time::sleep(secs(1)).await;
    world.node.force_breaker(Dependency::Opa, State::HalfOpen);
    world.engine.set(Manner::Slow(Duration::from_millis(4_900)));
    tokio::time::sleep(Duration::from_millis(3_900)).await;
    let checked = || world.engine.checked.load(std::sync::atomic::Ordering::Relaxed);
    let before = checked();
    let token = crate::testing::token();
    let probe = world.authorize(&token, "secret-1");
    let poll_comes_due = async {
        tokio::time::sleep(secs(1)).await;
        assert_eq!(world.opa().probes_in_flight, 1, "the request is still under way");
        assert_eq!(checked(), before, "a poll came due 900 ms ago and left the engine alone");
    };
    let (answer, ()) = futures_util::future::join(probe, poll_comes_due).await;
    assert_eq!(answer.status, 200);
    tokio::time::sleep(secs(5)).await;
    assert_eq!(checked(), before + 1, "the next one calls again");
}

#[tokio::test(start_paused = true)]
async fn slow_answers_degrade_and_open_nothing() {
    let world = World::new();
    world.node.start();
    world.engine.set(Manner::Slow(Duration::from_millis(1_900)));
    let slowed = world.now();
    tokio::time::sleep(secs(60)).await;
    assert!(became(&world, "degraded", slowed).is_some_and(|after| after <= secs(10)));
    assert!(world.moves().is_empty());
    assert_eq!(world.get("/health").await.json()["status"], "degraded");
}

#[tokio::test(start_paused = true)]
async fn in_quiet_times_nothing_moves() {
    let world = World::new();
    world.node.start();
    tokio::time::sleep(secs(61)).await;
    assert!(world.moves().is_empty());
    assert_eq!(
        world.engine.checked.load(std::sync::atomic::Ordering::Relaxed),
        13,
        "at once, then every 5 s"
    );
}

#[tokio::test(start_paused = true)]
async fn every_dependency_has_its_own_circuit_and_weight() {
    for dependency in Dependency::ALL {
        if dependency == Dependency::Opa {
            continue;
        }
        let switch = Switch::on();
        let world = World::with(&Settings::default(), |ports| {
            ports.probes.insert(dependency, switch.clone());
        });
        world.node.start();
        tokio::time::sleep(secs(1)).await;
        assert_eq!(world.get("/health").await.json()["status"], "healthy", "{dependency}");
        *switch.0.lock() = false;
        let lost = world.now();
        tokio::time::sleep(secs(30)).await;
        let critical = dependency == Dependency::Mongodb;
        let expected = if critical { (503, "unhealthy") } else { (200, "degraded") };
        let health = world.get("/health").await;
        let seen = (health.status.as_u16(), health.json()["status"].as_str().unwrap().to_owned());
        assert_eq!(seen, (expected.0, expected.1.to_owned()), "{dependency}");
        assert!(world.opa().state == State::Closed, "{dependency}'s outage is contained");
        let opened = world.moves().first().map(|(name, moved)| {
            assert_eq!((*name, moved.to), (dependency.name(), State::Open));
            Monotonic::from_start(moved.at.since_start()).saturating_since(lost)
        });
        match dependency {
            Dependency::Mongodb => assert!(opened.is_some_and(|after| after <= secs(30))),
            Dependency::Keycloak | Dependency::Kas => assert!(opened.is_some_and(|after| after <= secs(20))),
            _ => assert_eq!(opened, None, "{dependency} has no breaker"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_compressed_node_keeps_the_same_bounds_divided() {
    let world = World::with(&Settings::default().compressed(100.0), |_| {});
    world.node.start();
    tokio::time::sleep(Duration::from_millis(101)).await;
    world.engine.set(Manner::Hangs);
    let lost = world.now();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let opened = entered(&world, State::Open, lost).expect("it opens");
    assert!(opened <= Duration::from_millis(305) && opened > Duration::from_millis(200), "{opened:?}");
}
