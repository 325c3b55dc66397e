//! Reading and searching resources over HTTP.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dive_authz::ztdf::{self, Dek, KeyAccess, Policy, key_wrap::PrivateKey};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::json;

use crate::testing::{Manner, World, metadata, token};

#[tokio::test(start_paused = true)]
async fn a_resource_that_may_be_read_is_given_with_its_obligations() {
    let world = World::new();
    let answer = world.get_as(&token(), "/api/resources/secret-1").await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let resource =
        json!({"resourceId": "secret-1", "classification": "SECRET", "releasabilityTo": ["USA"], "COI": []});
    assert_eq!((&body["resource"], &body["obligations"]), (&resource, &json!([])));
    assert!(body.get("object").is_none());
    let entry = world.audit.entries.lock()[0].clone();
    assert_eq!((&entry["eventType"], &entry["action"]), (&json!("resource_access"), &json!("read")));
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_told_and_audited_once_and_gives_nothing_away() {
    let cases = [
        (true, Manner::Deny, "secret-1", 403, "releasability"),
        (true, Manner::Fails, "secret-1", 503, "policy engine unavailable"),
        (true, Manner::Allow, "nothing", 404, "no such resource"),
        (false, Manner::Allow, "secret-1", 401, "the token is malformed"),
    ];
    for route in ["", "/payload"] {
        for (good, manner, id, status, reason) in cases {
            let world = World::new();
            world.engine.set(manner);
            let token = if good { token() } else { "bad".to_owned() };
            let answer = world.get_as(&token, &format!("/api/resources/{id}{route}")).await;
            assert_eq!((answer.status.as_u16(), &answer.json()["reason"]), (status, &json!(reason)));
            assert!(!answer.text.contains("SECRET"), "{}", answer.text);
            let entries = world.audit.entries.lock();
            assert_eq!((entries.len(), &entries[0]["decision"]), (1, &json!("deny")), "{reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_may_hold_anything_that_is_percent_encoded() {
    let world = World::new();
    let id = "a/b c?ü%2F..";
    world.resources.put(metadata(id, "SECRET"), None);
    let encoded = percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC);
    let answer = world.get_as(&token(), &format!("/api/resources/{encoded}")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["resource"]["resourceId"]), (200, &json!(id)));
    for wrong in ["%ff", &"x".repeat(513)] {
        let answer = world.get_as(&token(), &format!("/api/resources/{wrong}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (400, &json!("bad request")),
            "{wrong:.9}"
        );
    }
}

fn put_sealed(world: &World, id: &str, spoil: impl FnOnce(&mut ztdf::Object)) -> Dek {
    let mut rng = StdRng::seed_from_u64(1);
    let kas = PrivateKey::generate(&mut rng);
    let resource = dive_authz::Resource { encrypted: Some(true), ..metadata(id, "SECRET") };
    let policy = Policy::of(&resource);
    let dek = Dek::generate(&mut rng);
    let kao = format!("kao-{id}");
    let access = KeyAccess::wrap(kao, "https://kas", &dek, &policy, &kas.public_key(), &mut rng).unwrap();
    let mut object = ztdf::seal(b"the plaintext", policy, &dek, vec![access], &mut rng);
    spoil(&mut object);
    world.resources.put(resource, serde_json::to_vec(&object).ok());
    dek
}

#[tokio::test(start_paused = true)]
async fn what_a_client_is_given_of_an_encrypted_resource_opens_with_its_key() {
    let world = World::new();
    let dek = put_sealed(&world, "plan/1", |_| {});
    let answer = world.get_as(&token(), "/api/resources/plan%2F1").await.json();
    let asked = world.engine.last.lock().clone().unwrap();
    assert!(asked.resource.ztdf.unwrap().integrity_validated);
    let object = &answer["object"];
    assert_eq!(object["manifest"]["keyAccess"][0]["kaoId"], "kao-plan/1");
    let href = object["payload"]["href"].as_str().unwrap();
    let payload = world.get_raw(&token(), href).await;
    assert_eq!(payload.len(), object["payload"]["bytes"].as_u64().unwrap() as usize);
    let manifest = serde_json::from_value(object["manifest"].clone()).unwrap();
    let opened = ztdf::open(&ztdf::Object { manifest, payload }, &dek).unwrap();
    assert_eq!(opened, b"the plaintext");
}

#[tokio::test(start_paused = true)]
async fn a_payload_changed_in_the_store_is_seen_although_the_resource_is_remembered() {
    let world = World::new();
    put_sealed(&world, "plan", |_| {});
    world.get_as(&token(), "/api/resources/plan").await;
    put_sealed(&world, "plan", |object| object.payload[20] ^= 1);
    world.get_raw(&token(), "/api/resources/plan/payload").await;
    let asked = world.engine.last.lock().clone().unwrap();
    assert!(!asked.resource.ztdf.unwrap().integrity_validated, "the policy is told");
}

#[tokio::test(start_paused = true)]
async fn a_resource_without_an_object_has_no_payload() {
    let answer = World::new().get_as(&token(), "/api/resources/secret-1/payload").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["reason"]),
        (404, &json!("the resource has no payload"))
    );
}

/// `doc-000 …`, every third of them hidden.
fn fill(world: &World, count: usize) {
    world.engine.set(Manner::DeniesHidden);
    for number in 0..count {
        let hidden = if number % 3 == 1 { "-hidden" } else { "" };
        world.resources.put(metadata(&format!("doc-{number:03}{hidden}"), "UNCLASSIFIED"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_lists_page_by_page_what_may_be_read_and_nothing_else() {
    let world = World::new();
    fill(&world, 100);
    let mut listed = Vec::new();
    let mut path = "/api/resources/search?q=doc&limit=7".to_owned();
    loop {
        let answer = world.get_as(&token(), &path).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("hidden"), "{}", answer.text);
        let body = answer.json();
        let page = body["resources"].as_array().unwrap().clone();
        assert!(page.len() <= 7 && body["cutShort"] == false);
        listed.extend(page.iter().map(|resource| resource["resourceId"].as_str().unwrap().to_owned()));
        let Some(next) = body["next"].as_str() else { break };
        assert_eq!(page.len(), 7);
        path = format!("/api/resources/search?q=doc&limit=7&after={next}");
    }
    let expected: Vec<_> = (0..100).filter(|n| n % 3 != 1).map(|n| format!("doc-{n:03}")).collect();
    assert_eq!(listed, expected);
}

#[tokio::test(start_paused = true)]
async fn every_hit_is_audited_and_the_search_as_well() {
    let world = World::new();
    fill(&world, 5);
    world.get_as(&token(), "/api/resources/search?q=doc").await;
    let entries = world.audit.entries.lock().clone();
    let of = |kind: &str| entries.iter().filter(|entry| entry["eventType"] == kind).count();
    assert_eq!((of("authorization_decision"), of("resource_access")), (5, 1));
    let denied = entries.iter().filter(|entry| entry["decision"] == "deny").count();
    assert_eq!(denied, 2);
    let search = entries.last().unwrap();
    assert_eq!((&search["action"], &search["resource"]), (&json!("search"), &json!("doc")));
}

#[tokio::test(start_paused = true)]
async fn a_search_that_could_be_wrong_is_none() {
    for manner in [Manner::Fails, Manner::Hangs] {
        let world = World::new();
        fill(&world, 5);
        world.engine.set(manner);
        let answer = world.get_as(&token(), "/api/resources/search?q=doc").await;
        assert_eq!((answer.status.as_u16(), world.audit.entries.lock().len()), (503, 1), "{manner:?}");
    }
    let world = World::new();
    *world.resources.away.lock() = true;
    assert_eq!(world.get_as(&token(), "/api/resources/search").await.status, 503);
    assert_eq!(world.get_as("bad", "/api/resources/search").await.status, 401);
    *world.resources.away.lock() = false;
    *world.audit.full.lock() = true;
    assert_eq!(world.get_as(&token(), "/api/resources/search").await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn a_search_is_bounded_and_says_where_it_stopped() {
    let world = World::new();
    world.engine.set(Manner::DeniesHidden);
    for number in 0..700 {
        world.resources.put(metadata(&format!("doc-{number:03}-hidden"), "UNCLASSIFIED"), None);
    }
    let answer = world.get_as(&token(), "/api/resources/search?q=doc").await.json();
    assert_eq!((&answer["resources"], &answer["cutShort"]), (&json!([]), &json!(true)));
    assert_eq!(world.engine.asked(), 500);
    for wrong in ["limit=0", "limit=101", "limit=x", "page=2", &format!("q={}", "x".repeat(513))] {
        let answer = world.get_as(&token(), &format!("/api/resources/search?{wrong}")).await;
        assert_eq!(answer.status, 400, "{wrong:.9}");
    }
}

#[tokio::test(start_paused = true)]
async fn trusted_issuers_are_read_from_the_registry_alone_and_the_last_reading_says_that_it_is_stale() {
    let world = World::new();
    let path = "/api/idps/public";
    world.issuers.readable(false);
    assert_eq!(world.get(path).await.status, 503, "nothing was ever read");
    world.issuers.readable(true);
    let idps = json!([{"issuer": crate::testing::ISSUER, "tenant": "USA"}]);
    assert_eq!(world.get(path).await.json(), json!({"idps": idps, "stale": false}));
    world.issuers.readable(false);
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(world.get(path).await.json(), json!({"idps": idps, "stale": true}));
    let reads = world.issuers.lists_read.load(Ordering::Relaxed);
    for _ in 0..100 {
        world.get(path).await;
    }
    assert_eq!(world.issuers.lists_read.load(Ordering::Relaxed), reads, "not once for everybody who asks");
    world.issuers.readable(true);
    world.issuers.trusted.lock().clear();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.get(path).await.json(), json!({"idps": [], "stale": false}));
}
