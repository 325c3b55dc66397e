//! Where revocations are kept.

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::ports::{Revocation, RevocationFeed, RevocationJournal, RevocationStore, StoreError};

/// Revocations that nodes share; nothing is published, so that nodes learn by reading. And its probe.
#[derive(Default)]
pub(crate) struct FakeRevocations {
    pub(crate) held: Mutex<Vec<Revocation>>,
    pub(crate) away: Mutex<bool>,
}

impl FakeRevocations {
    fn reach(&self) -> Result<(), StoreError> {
        if *self.away.lock() { Err(StoreError::Unavailable("away".to_owned())) } else { Ok(()) }
    }
}

struct Silence;

#[async_trait]
impl RevocationFeed for Silence {
    async fn next(&mut self) -> Result<Revocation, StoreError> {
        std::future::pending().await
    }
}

#[async_trait]
impl RevocationStore for FakeRevocations {
    async fn put(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.reach()?;
        self.held.lock().push(revocation.clone());
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Revocation>, StoreError> {
        self.reach()?;
        Ok(self.held.lock().clone())
    }

    async fn feed(&self) -> Result<Box<dyn RevocationFeed>, StoreError> {
        self.reach()?;
        Ok(Box::new(Silence))
    }
}

/// A journal of revocations that outlives the node.
#[derive(Default)]
pub(crate) struct FakeJournal {
    pub(crate) kept: Mutex<Vec<Revocation>>,
    pub(crate) full: Mutex<bool>,
}

#[async_trait]
impl RevocationJournal for FakeJournal {
    fn left(&self) -> Vec<Revocation> {
        self.kept.lock().clone()
    }

    async fn keep(&self, revocation: &Revocation) -> Result<(), StoreError> {
        if *self.full.lock() {
            return Err(StoreError::Unavailable("full".to_owned()));
        }
        self.kept.lock().push(revocation.clone());
        Ok(())
    }

    fn clear(&self) {
        self.kept.lock().clear();
    }
}
