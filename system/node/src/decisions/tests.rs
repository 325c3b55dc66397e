//! The cache that outlives the process: what survives, what may not, and what its absence costs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dive_runtime::Runtime as _;

use crate::ports::SealingKey;
use crate::testing::{FakeDecisions, Manner, World, claims, token};
use crate::{NodeError, Settings};

/// A node that shares `cache`, has found it and knows its policy.
async fn sharing(cache: &Arc<FakeDecisions>) -> World {
    let world = World::with(&Settings::default(), |ports| cache.join(ports));
    world.engine.set_revision("r1");
    world.node.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world
}

/// The status, whether it was cached, how often the engine was asked so far.
async fn ask(world: &World) -> (u16, bool, usize) {
    let answer = world.authorize(&token(), "secret-1").await;
    // Whatever is to be written in the background is written.
    tokio::task::yield_now().await;
    (answer.status.as_u16(), answer.json()["cached"] == true, world.engine.asked())
}

fn kept(cache: &FakeDecisions) -> usize {
    cache.kept.lock().len()
}

#[tokio::test(start_paused = true)]
async fn a_later_life_is_served_what_an_earlier_one_decided_for_the_rest_of_its_time_to_live_only() {
    let cache = Arc::new(FakeDecisions::default());
    let first = sharing(&cache).await;
    assert_eq!(ask(&first).await, (200, false, 1));
    assert_eq!(kept(&cache), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;

    let second = sharing(&cache).await;
    second.runtime.step_wall(21);
    second.engine.set(Manner::Unreachable);
    assert_eq!(ask(&second).await, (200, true, 0), "21 s of 30 have passed");
    let hits = "dive_v3_cache_operations_total{cache_type=\"shared_decision\",hit=\"true\"}";
    assert_eq!(second.metric(hits).await, Some(1.0));
    tokio::time::sleep(Duration::from_millis(8_900)).await;
    assert_eq!(ask(&second).await, (200, true, 0), "now from this process");
    assert_eq!(second.metric(hits).await, Some(1.0));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ask(&second).await, (503, false, 1), "30 s have passed");
}

#[tokio::test(start_paused = true)]
async fn whoever_writes_to_the_cache_cannot_allow() {
    let cache = Arc::new(FakeDecisions::default());
    let world = sharing(&cache).await;
    ask(&world).await;
    let forger = SealingKey::from_bytes(&[8; 32]);
    let allow = dive_authz::Decision::new(dive_authz::Checks::all_held(), vec![]);
    for (place, sealed) in cache.kept.lock().iter_mut() {
        let place = crate::ports::DecisionKey { subject: place.0.clone(), question: place.1.clone() };
        let expires = world.runtime.wall().since_epoch() + Duration::from_secs(29);
        *sealed = forger.seal(&place, &allow, dive_runtime::Wall::from_epoch(expires));
    }
    let next = sharing(&cache).await;
    next.engine.set(Manner::Deny);
    assert_eq!(ask(&next).await, (403, false, 1));
}

#[tokio::test(start_paused = true)]
async fn another_policy_another_subject_or_another_key_finds_nothing() {
    let cache = Arc::new(FakeDecisions::default());
    ask(&sharing(&cache).await).await;

    let other_policy = World::with(&Settings::default(), |ports| cache.join(ports));
    other_policy.engine.set_revision("r2");
    other_policy.node.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&other_policy).await, (200, false, 1));

    let other_key = World::with(&Settings::default(), |ports| {
        cache.join(ports);
        ports.sealing_key = Some(SealingKey::random().unwrap());
    });
    other_key.engine.set_revision("r1");
    other_key.node.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&other_key).await, (200, false, 1));

    let same = sharing(&cache).await;
    let mut bob = claims();
    bob["uniqueID"] = "bob".into();
    same.authorize(&crate::testing::KEY.sign(&bob), "secret-1").await;
    assert_eq!(same.engine.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_known_policy_nothing_is_shared() {
    let cache = Arc::new(FakeDecisions::default());
    let world = World::with(&Settings::default(), |ports| cache.join(ports));
    world.node.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&world).await, (200, false, 1));
    assert_eq!(ask(&world).await, (200, true, 1), "this process remembers it");
    assert_eq!((kept(&cache), cache.asked.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn while_the_cache_is_away_nothing_is_remembered_and_everything_is_decided() {
    let cache = Arc::new(FakeDecisions::default());
    let world = sharing(&cache).await;
    assert_eq!(ask(&world).await, (200, false, 1));
    *cache.away.lock() = true;
    tokio::time::sleep(Duration::from_secs(10)).await;
    for asked in 2..5 {
        assert_eq!(ask(&world).await, (200, false, asked));
    }
    let health = world.get("/health/detailed").await;
    let body = health.json();
    assert_eq!((health.status.as_u16(), &body["status"]), (200, &"degraded".into()));
    assert_eq!(body["services"]["cache"]["status"], "down");
    assert_eq!(cache.asked.load(Ordering::Relaxed), 1, "it is not asked while it is known to be away");

    *cache.away.lock() = false;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&world).await, (200, true, 4), "what was shared before is served again in its time");
    assert_eq!(ask(&world).await, (200, true, 4));
    assert_eq!(world.get("/health/detailed").await.json()["services"]["cache"]["status"], "up");
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_hangs_costs_one_request_its_bound_and_no_other() {
    let cache = Arc::new(FakeDecisions::default());
    let world = sharing(&cache).await;
    *cache.hangs.lock() = true;
    let before = world.now();
    assert_eq!(ask(&world).await.0, 200);
    assert_eq!(world.now().saturating_since(before), Duration::from_millis(250));
    for _ in 0..20 {
        assert_eq!(ask(&world).await.0, 200);
    }
    assert_eq!(world.now().saturating_since(before), Duration::from_millis(250));
}

#[tokio::test(start_paused = true)]
async fn a_shared_cache_without_a_key_is_refused() {
    let cache = Arc::new(FakeDecisions::default());
    let world = World::new();
    let mut ports = world.ports();
    cache.join(&mut ports);
    ports.sealing_key = None;
    let error = crate::Node::new(Settings::default(), ports, world.runtime.clone()).unwrap_err();
    assert_eq!(error, NodeError::NoSealingKey);
}
