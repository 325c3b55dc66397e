//! The service's own breaker to the policy engine: five failures in a minute, open for 30 s, two successes.

use std::time::Duration;

use dive_resilience::State;
use dive_runtime::{Monotonic, Runtime};

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

async fn sleep(world: &World, duration: Duration) {
    let runtime: &dyn Runtime = &*world.runtime;
    runtime.sleep(duration).await;
}

/// When the breaker next stands at `state`.
async fn until(world: &World, state: State) -> Monotonic {
    for _ in 0..100_000 {
        if world.state() == state {
            return world.runtime.now();
        }
        sleep(world, Duration::from_millis(10)).await;
    }
    panic!("the breaker never became {state}");
}

#[tokio::test(start_paused = true)]
async fn the_fifth_failure_opens_it_and_not_the_fourth() {
    let world = World::new();
    world.engine.set_away(true);
    for failure in 1..=5 {
        assert_eq!(world.state(), State::Closed, "before failure {failure}");
        assert_eq!(world.ask().await.status, 503);
    }
    assert_eq!(world.state(), State::Open);
    let asked = world.engine.asked();
    let rejected = world.ask().await;
    assert_eq!((rejected.status.as_u16(), world.engine.asked()), (503, asked), "the engine is left alone");
    assert_eq!(rejected.headers["retry-after"], "30");
    assert!((world.metric("dive_v3_kas_circuit_breaker_state").await - 2.0).abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn failures_that_do_not_lie_in_one_minute_do_not_open_it() {
    let world = World::new();
    world.engine.set_away(true);
    for _ in 0..12 {
        assert_eq!(world.ask().await.status, 503);
        sleep(&world, 16 * SECOND).await;
        assert_eq!(world.state(), State::Closed);
    }
    for _ in 0..5 {
        world.ask().await;
    }
    assert_eq!(world.state(), State::Open, "the same failures, closer together");
}

#[tokio::test(start_paused = true)]
async fn a_denial_is_a_healthy_engine() {
    let world = World::new();
    world.store.tamper(crate::world::SECRET, |_, object| object.payload[0] ^= 1);
    for _ in 0..10 {
        assert_eq!(world.ask().await.status, 403);
    }
    assert_eq!(world.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn without_any_traffic_it_opens_and_recovers() {
    let world = World::new();
    world.kas.start();
    sleep(&world, SECOND).await;
    assert_eq!(world.get("/health/ready").await.status, 200);

    world.engine.set_away(true);
    let away = world.runtime.now();
    let opened = until(&world, State::Open).await.saturating_since(away);
    assert!(opened > 15 * SECOND && opened <= 30 * SECOND, "{opened:?}");
    assert_eq!(world.get("/health").await.status, 503);
    assert_eq!(world.get("/health/ready").await.status, 503);
    assert_eq!(world.get("/health/live").await.status, 200);

    world.engine.set_away(false);
    let back = world.runtime.now();
    let closed = until(&world, State::Closed).await.saturating_since(back);
    assert!(closed >= 30 * SECOND && closed <= 60 * SECOND, "{closed:?}");
    assert_eq!(world.get("/health").await.status, 200);
    assert_eq!(world.ask().await.status, 200);
    let path: Vec<State> = world.told.moves.lock().iter().map(|moved| moved.to).collect();
    assert_eq!(path, [State::Open, State::HalfOpen, State::Closed]);
    assert!(world.metric("dive_v3_kas_circuit_breaker_state").await.abs() < f64::EPSILON);
}
