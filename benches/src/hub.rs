//! The ports of a hub on the test coalition: stores and audit in memory, events for nobody, the policy
//! engine a call away.

use std::sync::Arc;

use async_trait::async_trait;
use dive_authz::{Decision, Input};
use dive_node::audit::AuditEntry;
use dive_node::event::NodeEvent;
use dive_node::ports::{
    Audit, EngineError, EventSink, IdentityProvider, IssuerRegistry, PolicyEngine, Ports, ProbeError,
    ResourceStore, StoreError, StoredResource, TrustedIssuer,
};
use jsonwebtoken::jwk::JwkSet;
use parking_lot::Mutex;
use scenarios::binding::kit::Kit;
use scenarios::binding::policy::Authz;

/// The coalition's issuers and resources, and an audit trail that forgets.
pub struct Memory(pub Arc<Kit>);

#[async_trait]
impl IssuerRegistry for Memory {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        Ok(self.0.issuer(issuer))
    }
}

#[async_trait]
impl IdentityProvider for Memory {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        self.0.keys(&issuer.issuer).ok_or_else(|| StoreError::Refused("no such issuer".into()))
    }
}

#[async_trait]
impl ResourceStore for Memory {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        Ok(self.0.resource(resource_id))
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
impl Audit for Memory {
    async fn record(&self, _entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl EventSink for Silent {
    fn emit(&self, _event: &NodeEvent<'_>) {}
}

/// The policy engine in the node's own process: a machine for each question under way, the program shared.
pub struct Embedded {
    first: Authz,
    idle: Mutex<Vec<Authz>>,
}

impl Embedded {
    /// With the policies of this engine.
    pub const fn new(engine: Authz) -> Self {
        Self { first: engine, idle: Mutex::new(Vec::new()) }
    }
}

#[async_trait]
impl PolicyEngine for Embedded {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        let idle = self.idle.lock().pop();
        let engine = idle.unwrap_or_else(|| self.first.clone());
        let answer = engine.answer(input);
        self.idle.lock().push(engine);
        Ok(Decision::from_engine(answer.as_bytes())?)
    }

    async fn check(&self) -> Result<(), ProbeError> {
        Ok(())
    }
}

/// A hub's ports, with this policy engine and this listener to its events.
pub fn ports(kit: &Arc<Kit>, engine: Arc<dyn PolicyEngine>, events: Arc<dyn EventSink>) -> Ports {
    let memory = Arc::new(Memory(kit.clone()));
    Ports::new(engine, memory.clone(), memory.clone(), memory.clone(), memory, events)
}
