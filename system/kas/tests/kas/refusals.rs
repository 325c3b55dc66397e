//! Everything that must not lead to a key.

use std::sync::Arc;
use std::time::Duration;

use dive_node::ports::Revocation;
use dive_node::{Settings, rfc3339};
use dive_runtime::{Runtime, Wall};
use serde_json::json;

use crate::ports::Shared;
use crate::world::{EPOCH, KAO, SECRET, World, claims, forged, signed, token};

fn outcome(name: &str) -> String {
    format!("dive_v3_kas_key_requests_total{{outcome=\"{name}\"}}")
}

/// One refusal: the same in the audit trail, exactly once, and in the metrics.
async fn accounted_for(world: &World, reason: &str, ending: &str) {
    let audited = world.audited();
    assert_eq!(audited.len(), 1, "{reason}");
    assert_eq!(
        (audited[0]["decision"].as_str(), audited[0]["reason"].as_str()),
        (Some("deny"), Some(reason))
    );
    assert!((world.metric(&outcome(ending)).await - 1.0).abs() < f64::EPSILON, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_good_is_refused_before_anything_else() {
    let mut expired = claims();
    expired["exp"] = (EPOCH - 31).into();
    expired["iat"] = (EPOCH - 100).into();
    let mut foreign = claims();
    foreign["iss"] = "https://elsewhere".into();
    let bad = [String::new(), "x".to_owned(), forged(&claims()), signed(&expired), signed(&foreign)];
    for token in bad {
        let world = World::new();
        let asked = world.asking(SECRET, KAO);
        let answer = world.send(&token, &asked.request).await;
        let (status, reason) = answer.refusal();
        assert_eq!(status, 401, "{reason}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert_eq!(world.engine.asked(), 0);
        accounted_for(&world, &reason, "unauthenticated").await;
        let good = world.send(&crate::world::token(), &asked.request).await;
        assert_eq!(good.status, 200, "a stranger cannot use up a nonce");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_served_once() {
    let world = World::new();
    let asked = world.asking(SECRET, KAO);
    assert_eq!(world.send(&token(), &asked.request).await.status, 200);
    let again = world.send(&token(), &asked.request).await;
    assert_eq!(again.refusal(), (400, "the nonce was used before".to_owned()));
    assert!((world.metric(&outcome("replayed")).await - 1.0).abs() < f64::EPSILON);
    assert_eq!(world.audited().len(), 2);

    let mut later = asked.request.clone();
    later.timestamp = rfc3339(Wall::from_epoch(Duration::from_secs(EPOCH + 10)));
    assert_eq!(world.send(&token(), &later).await.status, 400, "nor with a newer timestamp");
    assert_eq!(world.ask().await.status, 200, "a fresh nonce is good");
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_another_callers_own() {
    let world = World::new();
    let asked = world.asking(SECRET, KAO);
    assert_eq!(world.send(&token(), &asked.request).await.status, 200);
    let mut bob = claims();
    bob["uniqueID"] = "bob".into();
    assert_eq!(world.send(&signed(&bob), &asked.request).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_timestamp_may_be_five_minutes_off_and_no_more() {
    for (seconds, status) in [(0i64, 200), (-300, 200), (300, 200), (-301, 400), (301, 400)] {
        let world = World::new();
        let mut asked = world.asking(SECRET, KAO);
        let at = EPOCH.saturating_add_signed(seconds);
        asked.request.timestamp = rfc3339(Wall::from_epoch(Duration::from_secs(at)));
        assert_eq!(world.send(&token(), &asked.request).await.status, status, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_no_nonce_more_can_be_remembered_nothing_is_released() {
    let world = World::with(&Settings::default().with("kas.replay.entries", "2").unwrap());
    let first = world.asking(SECRET, KAO);
    assert_eq!(world.send(&token(), &first.request).await.status, 200);
    assert_eq!(world.ask().await.status, 200);
    let refused = world.ask().await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.headers["retry-after"], "300");
    assert_eq!(world.send(&token(), &first.request).await.status, 400, "nothing was forgotten for it");
    let runtime: &dyn Runtime = &*world.runtime;
    runtime.sleep(Duration::from_secs(301)).await;
    assert_eq!(world.ask().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_there_is_not_is_not_found() {
    for (resource, kao, reason) in [
        ("nowhere", "kao-nowhere", "no such resource"),
        (SECRET, "kao-other", "no such key access object"),
        ("plain-1", "kao-plain-1", "the resource is not encrypted"),
    ] {
        let world = World::new();
        let answer = world.send(&token(), &world.asking(resource, kao).request).await;
        assert_eq!(answer.refusal(), (404, reason.to_owned()));
        accounted_for(&world, reason, "not_found").await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_engine_nothing_is_released() {
    let world = World::new();
    world.engine.set_away(true);
    let answer = world.ask().await;
    assert_eq!(answer.refusal(), (503, "policy engine unavailable".to_owned()));
    accounted_for(&world, "policy engine unavailable", "unavailable").await;
    world.engine.set_away(false);
    assert_eq!(world.ask().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn without_metadata_nothing_is_released() {
    let world = World::new();
    assert_eq!(world.ask().await.status, 200);
    *world.store.away.lock() = true;
    world.trail.entries.lock().clear();
    let answer = world.ask().await;
    assert_eq!(answer.refusal(), (503, "resource metadata unavailable".to_owned()));
    accounted_for(&world, "resource metadata unavailable", "unavailable").await;
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_gets_no_key_and_until_revocations_were_read_none_does() {
    let shared = Arc::new(Shared::default());
    *shared.away.lock() = true;
    let store = shared.clone();
    let world = World::changed(&Settings::default(), |ports| ports.revocations = Some(store));
    world.kas.start();
    let runtime: &dyn Runtime = &*world.runtime;
    runtime.sleep(Duration::from_secs(30)).await;
    let cold = world.ask().await;
    assert_eq!(cold.refusal(), (503, "revocations unavailable".to_owned()));
    assert!(cold.headers.contains_key("retry-after"));
    accounted_for(&world, "revocations unavailable", "unavailable").await;
    assert_eq!(world.engine.asked(), 0);

    *shared.away.lock() = false;
    runtime.sleep(Duration::from_secs(30)).await;
    assert_eq!(world.ask().await.status, 200);
    let until = Wall::from_epoch(Duration::from_secs(EPOCH + 86_400));
    shared.revoked.lock().push(Revocation::Token { jti: "t1".to_owned(), until });
    runtime.sleep(Duration::from_secs(5)).await;
    assert_eq!(world.ask().await.refusal(), (401, "the token was revoked".to_owned()));

    *shared.away.lock() = true;
    runtime.sleep(Duration::from_secs(30)).await;
    assert_eq!(world.ask().await.status, 401, "what was known still holds");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_audited_is_not_released() {
    let world = World::new();
    *world.trail.away.lock() = true;
    let answer = world.ask().await;
    assert_eq!(answer.refusal(), (503, "audit trail unavailable".to_owned()));
    assert!(!answer.text.contains("dek"));
    let mut poor = claims();
    poor["clearance"] = "RESTRICTED".into();
    let denied = world.send(&signed(&poor), &world.asking(SECRET, KAO).request).await;
    assert_eq!(denied.status, 403, "what is refused anyway stays refused");
}

#[tokio::test(start_paused = true)]
async fn a_client_key_that_everybody_shares_is_refused() {
    let world = World::new();
    let mut body = serde_json::to_value(&world.asking(SECRET, KAO).request).unwrap();
    body["clientPublicKey"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    let answer = world.send_text(&token(), &body.to_string()).await;
    let (status, reason) = answer.refusal();
    assert_eq!(status, 400, "{reason}");
    accounted_for(&world, &reason, "malformed").await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_request_is_refused_with_what_was_wrong() {
    let world = World::new();
    let good = serde_json::to_value(&world.asking(SECRET, KAO).request).unwrap();
    let mut with_markings = good.clone();
    with_markings["resource"] = json!({"classification": "UNCLASSIFIED"});
    let mut old = good.clone();
    old["timestamp"] = "long ago".into();
    for (body, expected) in [
        ("{".to_owned(), "EOF"),
        (with_markings.to_string(), "unknown field `resource`"),
        (old.to_string(), "timestamp must be RFC 3339"),
    ] {
        let (status, reason) = world.send_text(&token(), &body).await.refusal();
        assert_eq!(status, 400);
        assert!(reason.contains(expected), "{reason}");
    }
    assert!((world.metric(&outcome("malformed")).await - 3.0).abs() < f64::EPSILON);
    assert_eq!(world.engine.asked(), 0);
    assert_eq!(world.send_text(&token(), &good.to_string()).await.status, 200, "no nonce was used up");
}
