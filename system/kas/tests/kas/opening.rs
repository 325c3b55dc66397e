//! Authorize, get the key, decrypt: node and key access service together.

use dive_authz::ztdf::{self, Dek};
use dive_kas::client::{OpenFailure, RequestError};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::world::{KAO, PLAINTEXT, SECRET, World, claims, metadata, sealed, signed, token};

fn refused(status: u16, reason: &str) -> RequestError {
    RequestError::Refused { status, reason: reason.to_owned(), retry_after: None }
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_resource_is_opened() {
    let world = World::new();
    assert!(!serde_json::to_string(&world.store.object(SECRET)).unwrap().contains("bridge"));
    assert_eq!(world.opener().open(&token(), SECRET).await.unwrap(), PLAINTEXT);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_encrypted_needs_no_key() {
    let world = World::new();
    assert_eq!(world.opener().open(&token(), "plain-1").await, Err(OpenFailure::NoKeyAccess));
    assert!(world.audited().is_empty(), "nobody asked for a key");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_cleared_gets_neither_object_nor_key() {
    let world = World::new();
    let mut claims = claims();
    claims["clearance"] = "CONFIDENTIAL".into();
    let token = signed(&claims);
    let opened = world.opener().open(&token, SECRET).await;
    assert_eq!(opened, Err(OpenFailure::Authorize(refused(403, "clearance"))));
    let key = world.client().request_key(&token, SECRET, KAO).await;
    assert_eq!(key, Err(refused(403, "clearance")));
}

/// What somebody with access to the store can do, and what it is called.
type Tampering = (&'static str, fn(&World));

const TAMPERINGS: [Tampering; 6] = [
    ("the payload", |world| world.store.tamper(SECRET, |_, object| object.payload[20] ^= 1)),
    ("the policy in the manifest", |world| {
        world.store.tamper(SECRET, |_, object| {
            object.manifest.policy.releasability_to = Some(vec!["USA".to_owned(), "FRA".to_owned()]);
        });
    }),
    ("the markings beside the object", |world| {
        world.store.tamper(SECRET, |metadata, _| metadata.classification = Some("UNCLASSIFIED".to_owned()));
    }),
    ("the address of the key", |world| {
        world.store.tamper(SECRET, |_, object| {
            "http://elsewhere".clone_into(&mut object.manifest.key_access[0].kas_url);
        });
    }),
    ("a hash", |world| {
        world.store.tamper(SECRET, |_, object| object.manifest.payload_hash = object.manifest.policy_hash);
    }),
    ("the whole object, unreadably", |world| world.store.put(metadata(SECRET), Some(b"{}".to_vec()))),
];

#[tokio::test(start_paused = true)]
async fn whatever_was_tampered_with_is_denied_by_both_for_its_integrity() {
    for (what, tamper) in TAMPERINGS {
        let world = World::new();
        tamper(&world);
        let opened = world.opener().open(&token(), SECRET).await;
        assert_eq!(opened, Err(OpenFailure::Authorize(refused(403, "ZTDF"))), "{what}");
        let answer = world.ask().await;
        assert_eq!(answer.refusal(), (403, "ZTDF".to_owned()), "{what}");
        assert_eq!(answer.json()["checks"]["ZTDF"], false, "{what}");
    }
}

/// Whoever lowers the markings everywhere and fixes both hashes makes an object that is intact. What he cannot
/// make is a wrapped key for it.
#[tokio::test(start_paused = true)]
async fn hashes_that_were_fixed_do_not_help() {
    let world = World::new();
    let mut rng = StdRng::seed_from_u64(3);
    let lowered = dive_authz::Resource {
        releasability_to: Some(vec!["USA".to_owned(), "FRA".to_owned()]),
        ..metadata(SECRET)
    };
    let mut forged = sealed(&lowered, &Dek::generate(&mut rng), &world.key, &mut rng);
    let before = ztdf::check_against(&forged, &lowered);
    assert_eq!(before, ztdf::Integrity::Intact, "the forgery is a good one");
    let original = world.store.object(SECRET).manifest.key_access;
    let policy = forged.manifest.policy.clone();
    forged = ztdf::seal(b"", policy, &Dek::generate(&mut rng), original, &mut rng);
    assert_eq!(ztdf::check_against(&forged, &lowered), ztdf::Integrity::Intact, "with the old key in it");
    world.store.put(lowered, Some(serde_json::to_vec(&forged).unwrap()));

    let opened = world.opener().open(&token(), SECRET).await;
    assert_eq!(opened, Err(OpenFailure::Key(refused(403, "ZTDF"))));
    assert_eq!(world.audited()[0]["decision"], "deny");
    let denied = "dive_v3_kas_key_operations_total{decision=\"deny\",classification=\"SECRET\"}";
    assert!((world.metric(denied).await - 1.0).abs() < f64::EPSILON);
}
