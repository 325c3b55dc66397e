//! The cache that outlives the process: asked within a bound, written in the background.

use std::sync::Arc;
use std::time::Duration;

use dive_authz::{Decision, Input};
use dive_runtime::{Runtime, Wall};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::seal::SealingKey;
use crate::ports::{DecisionKey, DecisionStore, StoreError};

/// Writes that may wait; more are dropped, for a decision that is not kept is asked for again.
const QUEUE: usize = 1024;
/// A longer entry is none of ours, bytes.
const LONGEST: usize = 16 << 10;

/// The way to the shared cache.
pub(crate) struct Shared {
    store: Arc<dyn DecisionStore>,
    key: SealingKey,
    limit: Duration,
    runtime: Arc<dyn Runtime>,
    queue: mpsc::Sender<Write>,
    waiting: Mutex<Option<mpsc::Receiver<Write>>>,
}

/// The shared cache could not be asked.
pub(super) struct Away;

enum Write {
    Put { place: DecisionKey, sealed: Vec<u8>, expires: Wall },
    Forget { subject: String },
}

impl Shared {
    pub(crate) fn new(
        store: Arc<dyn DecisionStore>,
        key: SealingKey,
        limit: Duration,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self { store, key, limit, runtime, queue, waiting: Mutex::new(Some(waiting)) }
    }

    /// The decision and what is left of its time to live.
    pub(super) async fn get(
        &self,
        input: &Input,
        revision: &str,
        ttl: Duration,
    ) -> Result<Option<(Decision, Duration)>, Away> {
        let place = self.key.place(input, revision);
        let sealed = match self.runtime.timeout(self.limit, self.store.get(&place)).await {
            Ok(Ok(sealed)) => sealed.filter(|sealed| sealed.len() <= LONGEST),
            Ok(Err(_)) | Err(_) => return Err(Away),
        };
        Ok(sealed.and_then(|sealed| self.key.open(&place, &sealed, self.runtime.wall(), ttl)))
    }

    /// Puts a decision made just now.
    pub(super) fn put(&self, input: &Input, revision: &str, decision: &Decision, ttl: Duration) {
        let Ok(slot) = self.queue.try_reserve() else { return };
        let expires = Wall::from_epoch(self.runtime.wall().since_epoch() + ttl);
        let place = self.key.place(input, revision);
        let sealed = self.key.seal(&place, decision, expires);
        slot.send(Write::Put { place, sealed, expires });
    }

    /// Forgets a subject. A revoked token is refused before any cache is looked at, so what stays here for
    /// want of room stays unused.
    pub(super) fn forget(&self, unique_id: &str) {
        let subject = self.key.subject(Some(unique_id));
        // A full queue is no reason to wait.
        let _ = self.queue.try_send(Write::Forget { subject });
    }

    /// What writes; there is one.
    pub(super) fn writer(&self) -> Option<Writer> {
        let waiting = self.waiting.lock().take()?;
        let (store, runtime) = (Arc::clone(&self.store), Arc::clone(&self.runtime));
        Some(Writer { store, runtime, limit: self.limit, waiting })
    }
}

/// Writes what waits, one after the other.
pub(super) struct Writer {
    store: Arc<dyn DecisionStore>,
    runtime: Arc<dyn Runtime>,
    limit: Duration,
    waiting: mpsc::Receiver<Write>,
}

impl Writer {
    /// Writes until there is nobody left to write for; calls `failed` at every write that failed, and lets go
    /// of what waited behind it.
    pub(super) async fn run(mut self, failed: impl Fn() + Send) {
        while let Some(write) = self.waiting.recv().await {
            let done = match self.runtime.timeout(self.limit, self.write(&write)).await {
                Ok(done) => done,
                Err(elapsed) => Err(elapsed.into()),
            };
            if done.is_err() {
                while self.waiting.try_recv().is_ok() {}
                failed();
            }
        }
    }

    async fn write(&self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Put { place, sealed, expires } => {
                let left = expires.since_epoch().checked_sub(self.runtime.wall().since_epoch());
                match left.filter(|left| !left.is_zero()) {
                    Some(left) => self.store.put(place, sealed, left).await,
                    None => Ok(()),
                }
            }
            Write::Forget { subject } => self.store.forget(subject).await,
        }
    }
}
