//! How long a resource is remembered, and what is made of its object.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dive_authz::Resource;
use dive_authz::ztdf::{self, Dek, Object, Policy};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;
use crate::Settings;
use crate::testing::{World, metadata, token};

fn reads(world: &World) -> usize {
    world.resources.read.load(Ordering::Relaxed)
}

async fn status(world: &World, resource: &str) -> u16 {
    world.authorize(&token(), resource).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_served_from_memory_inside_its_time_to_live_and_never_beyond() {
    let world = World::new();
    assert_eq!((status(&world, "secret-1").await, reads(&world)), (200, 1));
    *world.resources.away.lock() = true;
    tokio::time::sleep(Duration::from_millis(29_999)).await;
    assert_eq!((status(&world, "secret-1").await, reads(&world)), (200, 1));
    assert_eq!(status(&world, "secret-2").await, 503, "it was never read");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((status(&world, "secret-1").await, reads(&world)), (503, 3));
    *world.resources.away.lock() = false;
    assert_eq!(status(&world, "secret-1").await, 200);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_remembered() {
    let world = World::new();
    assert_eq!(status(&world, "new").await, 404);
    world.resources.put(metadata("new", "SECRET"), None);
    assert_eq!(status(&world, "new").await, 200);
}

#[tokio::test(start_paused = true)]
async fn a_memory_of_one_remembers_one_and_a_time_to_live_of_nothing_none() {
    let small = Settings::default().with("resources.cache_entries", "1").unwrap();
    let world = World::with(&small, |_| {});
    for resource in ["secret-1", "secret-2", "secret-1"] {
        status(&world, resource).await;
    }
    assert_eq!(reads(&world), 3);
    assert_eq!(world.metric("dive_v3_cache_size{cache_type=\"resource\"}").await, Some(1.0));
    assert_eq!(world.metric("dive_v3_cache_evictions_total{cache_type=\"resource\"}").await, Some(2.0));

    let world = World::with(&Settings::default().with("resources.ttl", "0s").unwrap(), |_| {});
    for _ in 0..3 {
        status(&world, "secret-1").await;
    }
    assert_eq!(reads(&world), 3);
}

fn sealed(metadata: &Resource) -> Object {
    let mut rng = StdRng::seed_from_u64(1);
    let dek = Dek::generate(&mut rng);
    ztdf::seal(b"the payload", Policy::of(metadata), &dek, vec![], &mut rng)
}

fn known(metadata: Resource, object: Option<Vec<u8>>, limit: usize) -> (KnownResource, Option<Payload>) {
    KnownResource::of(&StoredResource { metadata, object }, limit)
}

#[test]
fn integrity_is_found_out_and_never_believed() {
    let claims = Some(dive_authz::Ztdf { integrity_validated: true, ..dive_authz::Ztdf::default() });
    let claiming = Resource { ztdf: claims, ..metadata("r", "SECRET") };
    assert_eq!(known(claiming.clone(), None, 1 << 20).0.metadata.ztdf, None, "there is no object");

    let object = sealed(&claiming);
    let text = serde_json::to_vec(&object).unwrap();
    let (resource, payload) = known(claiming.clone(), Some(text.clone()), 1 << 20);
    let evidence = resource.metadata.ztdf.unwrap();
    assert!(evidence.integrity_validated);
    assert_eq!(evidence.payload_hash, Some(object.manifest.payload_hash.to_string()));
    assert_eq!(resource.object.unwrap().payload_bytes, payload.unwrap().0.len());

    let mut tampered = object.clone();
    tampered.payload[20] ^= 1;
    let (resource, _) = known(claiming.clone(), serde_json::to_vec(&tampered).ok(), 1 << 20);
    let evidence = resource.metadata.ztdf.unwrap();
    assert!(!evidence.integrity_validated && evidence.payload_hash.is_some());

    let (resource, payload) = known(claiming, Some(text.clone()), text.len() - 1);
    assert_eq!(resource.metadata.ztdf, Some(dive_authz::Ztdf::default()), "longer than is looked at");
    assert!(resource.object.is_none() && payload.is_none());
}

proptest! {
    #[test]
    fn an_object_that_cannot_be_read_is_not_intact_and_has_no_hashes(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let (resource, payload) = known(metadata("r", "SECRET"), Some(text), 1 << 20);
        prop_assert_eq!(resource.metadata.ztdf, Some(dive_authz::Ztdf::default()));
        prop_assert!(resource.object.is_none() && payload.is_none());
    }
}
