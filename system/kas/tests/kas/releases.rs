//! What a release is made of, and what it leaves behind.

use std::time::Duration;

use dive_authz::ztdf::key_wrap::{self, Purpose};
use dive_kas::protocol::ReleasedKey;
use dive_runtime::Runtime;

use crate::world::{KAO, SECRET, World, token};

const RELEASED: &str = "dive_v3_kas_key_requests_total{outcome=\"released\"}";

#[tokio::test(start_paused = true)]
async fn the_key_reaches_the_client_of_the_request_and_nobody_else() {
    let world = World::new();
    let (asked, other) = (world.asking(SECRET, KAO), world.asking(SECRET, KAO));
    let answer = world.send(&token(), &asked.request).await;
    assert_eq!(asked.read(&answer), world.dek);
    let body = answer.json();
    assert_eq!(body["kaoId"], KAO);
    assert_eq!(body["obligations"][0]["action"], "request_key");
    assert_eq!(answer.headers["cache-control"], "no-store");

    let released: ReleasedKey = serde_json::from_str(&answer.text).unwrap();
    let purpose = Purpose::Release { resource_id: SECRET, kao_id: KAO, nonce: &other.request.nonce };
    assert!(key_wrap::unwrap(&released.dek, &world.key, &purpose).is_err());
}

#[tokio::test(start_paused = true)]
async fn the_engine_is_asked_about_what_is_stored_by_whom_the_token_names() {
    let world = World::new();
    world.ask().await;
    let input = world.engine.last.lock().clone().unwrap();
    assert_eq!(input.action.operation, "request_key");
    assert_eq!(input.subject.unique_id.as_deref(), Some("alice"));
    assert_eq!(input.resource.classification.as_deref(), Some("SECRET"));
    let ztdf = input.resource.ztdf.unwrap();
    assert!(ztdf.integrity_validated && ztdf.policy_hash.is_some() && ztdf.payload_hash.is_some());
    assert_eq!(input.context.tenant.as_deref(), Some("USA"));
    assert_eq!(input.context.current_time, "2025-06-15T15:06:40.000Z");
}

#[tokio::test(start_paused = true)]
async fn every_release_is_authorized_anew_though_the_key_is_remembered() {
    let world = World::new();
    for release in 1..=3 {
        assert_eq!(world.ask().await.status, 200);
        assert_eq!((world.engine.asked(), world.kas.data_keys()), (release, 1));
    }
    world.engine.set_away(true);
    assert_eq!(world.ask().await.status, 503, "a remembered key is no authorization");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_key_is_gone_after_its_hour_without_anybody_asking() {
    let world = World::new();
    world.kas.start();
    world.ask().await;
    let runtime: &dyn Runtime = &*world.runtime;
    runtime.sleep(Duration::from_secs(3599)).await;
    assert_eq!(world.kas.data_keys(), 1);
    runtime.sleep(Duration::from_secs(61)).await;
    assert_eq!(world.kas.data_keys(), 0);
    assert_eq!(world.ask().await.status, 200, "and is unwrapped again");
}

#[tokio::test(start_paused = true)]
async fn a_release_leaves_exactly_one_audit_entry_and_one_decision() {
    let world = World::new();
    world.ask().await;
    let audited = world.audited();
    assert_eq!(audited.len(), 1);
    let entry = &audited[0];
    assert_eq!(entry["eventType"], "kas_key_request");
    assert_eq!(
        (entry["subject"].as_str(), entry["resource"].as_str(), entry["action"].as_str()),
        (Some("alice"), Some(SECRET), Some("request_key"))
    );
    assert_eq!((entry["decision"].as_str(), entry["reason"].as_str()), (Some("allow"), Some("allow")));
    let decisions = world.told.lines.lock().iter().filter(|line| line.starts_with("Decided")).count();
    assert_eq!(decisions, 1);
}

#[tokio::test(start_paused = true)]
async fn two_entries_are_two_even_when_the_caller_names_both_alike() {
    let world = World::new();
    for _ in 0..2 {
        world.ask().await;
    }
    let audited = world.audited();
    assert_ne!(audited[0]["id"], audited[1]["id"]);
}

#[tokio::test(start_paused = true)]
async fn every_metric_moves_with_what_it_is_called_after() {
    let world = World::new();
    let allowed = "dive_v3_kas_key_operations_total{decision=\"allow\",classification=\"SECRET\"}";
    let same = |value: f64, expected: f64| assert!((value - expected).abs() < f64::EPSILON, "{value}");
    same(world.metric(RELEASED).await, 0.0);
    same(world.metric(allowed).await, 0.0);
    world.ask().await;
    same(world.metric(RELEASED).await, 1.0);
    same(world.metric(allowed).await, 1.0);
    same(world.metric("dive_v3_kas_key_latency_seconds_count").await, 1.0);
    same(world.metric("dive_v3_audit_entries_total{event_type=\"kas_key_request\"}").await, 1.0);
    same(world.metric("dive_v3_kas_circuit_breaker_state").await, 0.0);
    let text = world.get("/metrics").await.text;
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "one exposition");
}

#[tokio::test(start_paused = true)]
async fn the_public_key_is_for_everybody() {
    let world = World::new();
    let expected = serde_json::to_value(world.key.public_key()).unwrap();
    assert_eq!(world.get("/public-key").await.json()["publicKey"], expected);
}

#[tokio::test(start_paused = true)]
async fn no_key_and_no_token_is_ever_told() {
    let world = World::new();
    let token = token();
    let asked = world.asking(SECRET, KAO);
    let answer = world.send(&token, &asked.request).await;
    world.send(&token, &asked.request).await;
    world.send(&format!("{token}x"), &world.asking(SECRET, KAO).request).await;
    let signature = token.rsplit('.').next().unwrap();
    let metrics = world.get("/metrics").await.text;
    let told = [
        world.told.lines.lock().join("\n"),
        serde_json::to_string(&world.audited()).unwrap(),
        metrics,
        format!("{:?} {:?}", world.kas, asked.request),
    ]
    .concat();
    let everything = told.clone() + &answer.text;
    assert!(!told.contains(signature) && !told.contains(&token));
    for secret in [world.dek.expose(), world.key.expose()] {
        let hex = base16ct::lower::encode_string(secret);
        let base64 = serde_json::to_value(key_wrap::PublicKey::from_bytes(*secret)).unwrap();
        let listed = format!("{secret:?}");
        for form in [hex.as_str(), base64.as_str().unwrap(), &listed] {
            assert!(!everything.contains(form));
        }
    }
}
