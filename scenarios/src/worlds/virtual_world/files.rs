//! What is in files elsewhere: what a node reads, its audit trail, its journal of revocations.

use std::sync::Arc;

use async_trait::async_trait;
use dive_node::audit::AuditEntry;
use dive_node::ports::{
    Audit, IdentityProvider, IssuerRegistry, ResourceStore, Revocation, RevocationJournal, StoreError,
    StoredResource, TrustedIssuer,
};
use parking_lot::Mutex;

use super::feed::{Feed, Item};
use crate::binding::kit::Kit;

/// What is written is seen by the run.
pub(super) struct Files {
    pub(super) node: &'static str,
    pub(super) kit: Arc<Kit>,
    pub(super) feed: Feed,
}

#[async_trait]
impl IssuerRegistry for Files {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        Ok(self.kit.issuer(issuer))
    }
}

#[async_trait]
impl IdentityProvider for Files {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<jsonwebtoken::jwk::JwkSet, StoreError> {
        self.kit.keys(&issuer.issuer).ok_or_else(|| StoreError::Refused("no such issuer".into()))
    }
}

#[async_trait]
impl ResourceStore for Files {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        Ok(self.kit.resource(resource_id))
    }

    async fn search(
        &self,
        _text: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        Err(StoreError::Refused("this store does not search".to_owned()))
    }
}

#[async_trait]
impl Audit for Files {
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        self.feed.push(Item::Audit(self.node, entry.correlation_id.clone().into_owned()));
        Ok(())
    }
}

/// Revocations that wait for their store, on a disk that outlives the node.
#[derive(Default)]
pub(super) struct Journal(Mutex<Vec<Revocation>>);

#[async_trait]
impl RevocationJournal for Journal {
    fn left(&self) -> Vec<Revocation> {
        self.0.lock().clone()
    }

    async fn keep(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.0.lock().push(revocation.clone());
        Ok(())
    }

    fn clear(&self) {
        self.0.lock().clear();
    }
}
