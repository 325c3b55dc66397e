//! Every entry of the trail is in the store exactly once and in its order, whatever dies in between.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::adapters::{AuditFile, AuditReader};
use crate::audit::AuditEntry;
use crate::ports::{Audit, AuditSource as _, Probe, ProbeError};
use crate::testing::{World, token};
use crate::{Dependency, Settings};

/// A store that keeps an entry once by its id, and fails when told to.
#[derive(Default)]
struct Store {
    kept: Mutex<Vec<String>>,
    away: Mutex<bool>,
    /// Records before the next failure, of a store that is not away.
    fails_after: AtomicU64,
}

impl Store {
    fn reliable() -> Arc<Self> {
        let store = Self::default();
        store.fails_after.store(u64::MAX, Ordering::Relaxed);
        Arc::new(store)
    }
}

#[async_trait]
impl Audit for Store {
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        let left = self.fails_after.load(Ordering::Relaxed);
        if *self.away.lock() || left == 0 {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        self.fails_after.store(left - 1, Ordering::Relaxed);
        let mut kept = self.kept.lock();
        if !kept.iter().any(|id| *id == entry.id) {
            kept.push(entry.id.to_string());
        }
        Ok(())
    }
}

#[async_trait]
impl Probe for Store {
    async fn check(&self) -> Result<(), ProbeError> {
        if *self.away.lock() { Err(ProbeError("away".to_owned())) } else { Ok(()) }
    }
}

fn entry(number: usize) -> AuditEntry<'static> {
    AuditEntry {
        id: format!("e{number}").into(),
        time: "2025-06-15T15:06:40.000Z".into(),
        event_type: "authorization_decision".into(),
        instance: "HUB".into(),
        subject: None,
        resource: "doc-1".into(),
        action: "read".into(),
        decision: "deny".into(),
        reason: "COI".into(),
        correlation_id: "r".into(),
        offline: false,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    /// A crash of the writer in the middle of a line.
    Tear(usize),
    /// One batch; the store fails after so many records.
    Ship {
        fails_after: Option<u64>,
        batch: usize,
    },
    /// The process dies after the store has the batch and before its place is remembered.
    ShipAndDie {
        batch: usize,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1usize..6).prop_map(Step::Append),
        (1usize..40).prop_map(Step::Tear),
        (prop::option::of(0u64..4), 1usize..5)
            .prop_map(|(fails_after, batch)| Step::Ship { fails_after, batch }),
        (1usize..5).prop_map(|batch| Step::ShipAndDie { batch }),
        Just(Step::Restart),
    ]
}

async fn ship(reader: &AuditReader, store: &Store, batch: usize) -> Result<usize, StoreError> {
    let batch = reader.unshipped(batch).await?;
    store.record_all(&batch.entries).await?;
    reader.shipped(batch.end).await?;
    Ok(batch.entries.len())
}

async fn play(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let settings = Settings::default().with("audit.path", path.to_str().unwrap()).unwrap();
    let open = || (AuditFile::open(&settings.audit).unwrap(), AuditReader::new(&path));
    let (mut file, mut reader) = open();
    let store = Store::reliable();
    let mut written = Vec::new();
    for step in steps {
        match step {
            Step::Append(count) => {
                for _ in 0..count {
                    let entry = entry(written.len());
                    file.record(&entry).await.unwrap();
                    written.push(entry.id.to_string());
                }
            }
            Step::Tear(bytes) => {
                let line = serde_json::to_vec(&entry(usize::MAX)).unwrap();
                let mut raw = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                std::io::Write::write_all(&mut raw, &line[..bytes]).unwrap();
                (file, reader) = open();
            }
            Step::Ship { fails_after, batch } => {
                store.fails_after.store(fails_after.unwrap_or(u64::MAX), Ordering::Relaxed);
                let _ = ship(&reader, &store, batch).await;
                store.fails_after.store(u64::MAX, Ordering::Relaxed);
            }
            Step::ShipAndDie { batch } => {
                let batch = reader.unshipped(batch).await.unwrap();
                store.record_all(&batch.entries).await.unwrap();
                (file, reader) = open();
            }
            Step::Restart => (file, reader) = open(),
        }
        let kept = store.kept.lock().clone();
        assert_eq!(kept, written[..kept.len()], "in order, none left out, none twice");
    }
    while ship(&reader, &store, 3).await.unwrap() > 0 {}
    assert_eq!(*store.kept.lock(), written);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_entry_is_in_the_store_exactly_once_and_in_order(steps in prop::collection::vec(step(), 0..30)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(play(steps));
    }
}

#[tokio::test]
async fn a_trail_that_was_replaced_is_copied_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let line = |number| serde_json::to_string(&entry(number)).unwrap() + "\n";
    std::fs::write(&path, line(0) + &line(1)).unwrap();
    let store = Store::reliable();
    assert_eq!(ship(&AuditReader::new(&path), &store, 10).await.unwrap(), 2);
    assert_eq!(ship(&AuditReader::new(&path), &store, 10).await.unwrap(), 0);
    std::fs::write(&path, line(2) + &line(3) + &line(4)).unwrap();
    assert_eq!(ship(&AuditReader::new(&path), &store, 10).await.unwrap(), 3);
    std::fs::write(folder.path().join("audit.jsonl.shipped"), "{").unwrap();
    assert_eq!(ship(&AuditReader::new(&path), &store, 10).await.unwrap(), 3, "a spoilt place is none");
    assert_eq!(*store.kept.lock(), ["e0", "e1", "e2", "e3", "e4"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_keeps_answering_while_the_store_is_away_and_catches_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let settings = Settings::default().with("audit.path", path.to_str().unwrap()).unwrap();
    let settings = settings.with("audit.ship_batch", "4").unwrap();
    let store = Store::reliable();
    let world = World::with(&settings, |ports| {
        ports.audit = Arc::new(AuditFile::open(&settings.audit).unwrap());
        ports.shipping = Some(Shipping { from: Arc::new(AuditReader::new(&path)), to: store.clone() });
        ports.probes.insert(Dependency::Mongodb, store.clone());
    });
    world.node.start();
    world.authorize(&token(), "secret-1").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(store.kept.lock().len(), 1, "within two seconds");

    *store.away.lock() = true;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(world.node.breaker(Dependency::Mongodb).unwrap().state, State::Open);
    for _ in 0..50 {
        assert_eq!(world.authorize(&token(), "secret-1").await.status, 503, "its metadata has expired");
    }
    assert_eq!(store.kept.lock().len(), 1);
    let rejects = world.node.breaker(Dependency::Mongodb).unwrap().counters.rejects;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let later = world.node.breaker(Dependency::Mongodb).unwrap().counters.rejects;
    assert_eq!(later, rejects, "the shipper has itself not turned away");

    *store.away.lock() = false;
    let back = world.now();
    while store.kept.lock().len() < 51 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(world.now().saturating_since(back) < Duration::from_mins(2), "it catches up");
    }
    assert_eq!(store.kept.lock().len(), 51);
    let told = world.events.all.lock().iter().filter(|event| event.contains("AuditNotShipped")).count();
    assert!(told <= 1, "an outage is told once");
}
