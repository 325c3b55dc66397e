//! What stands behind the service's ports: told what to answer, and asked what they heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use dive_authz::ztdf::Object;
use dive_authz::{Decision, Input, Resource, policies};
use dive_node::audit::AuditEntry;
use dive_node::event::NodeEvent;
use dive_node::ports::{
    Audit, EngineError, EventSink, IdentityProvider, IssuerRegistry, PolicyEngine, ProbeError, ResourceStore,
    Revocation, RevocationFeed, RevocationStore, StoreError, StoredResource, TrustedIssuer,
};
use dive_resilience::Transition;
use jsonwebtoken::jwk::JwkSet;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::world::{ISSUER, ISSUER_KEY};

pub(crate) struct Issuers;

#[async_trait]
impl IssuerRegistry for Issuers {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        Ok((issuer == ISSUER).then(|| TrustedIssuer {
            issuer: ISSUER.to_owned(),
            tenant: "USA".to_owned(),
            keys_url: None,
            claim_map: None,
        }))
    }
}

#[async_trait]
impl IdentityProvider for Issuers {
    async fn keys(&self, _issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        Ok(JwkSet { keys: vec![ISSUER_KEY.1.clone()] })
    }
}

/// The real policies, run within the test.
pub(crate) struct Engine {
    rego: Mutex<regorus::Engine>,
    pub(crate) away: Mutex<bool>,
    pub(crate) asked: AtomicUsize,
    pub(crate) last: Mutex<Option<Input>>,
}

impl Engine {
    pub(crate) fn new() -> Self {
        let mut rego = regorus::Engine::new();
        for module in policies::modules() {
            rego.add_policy(module.path.to_owned(), module.source.to_owned()).unwrap();
        }
        let trust =
            json!({"trusted_issuers": {ISSUER: {"tenant": "USA", "maxClassification": "TOP_SECRET"}}});
        for data in [policies::data(), &trust] {
            rego.add_data(regorus::Value::from_json_str(&data.to_string()).unwrap()).unwrap();
        }
        Self {
            rego: Mutex::new(rego),
            away: Mutex::new(false),
            asked: AtomicUsize::new(0),
            last: Mutex::default(),
        }
    }

    pub(crate) fn set_away(&self, away: bool) {
        *self.away.lock() = away;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl PolicyEngine for Engine {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.away.lock() {
            return Err(EngineError::Unreachable("connection refused".to_owned()));
        }
        *self.last.lock() = Some(input.clone());
        let mut rego = self.rego.lock();
        let input = serde_json::to_string(input).unwrap();
        rego.set_input(regorus::Value::from_json_str(&input).unwrap());
        let entrypoint = format!("data.{}", policies::ENTRYPOINT.replace('/', "."));
        let answer = rego.eval_query(entrypoint, false).unwrap();
        let result = answer.result[0].expressions[0].value.to_json_str().unwrap();
        Ok(Decision::from_engine(format!("{{\"result\":{result}}}").as_bytes())?)
    }

    async fn check(&self) -> Result<(), ProbeError> {
        if *self.away.lock() { Err(ProbeError("connection refused".to_owned())) } else { Ok(()) }
    }
}

/// Resources in memory.
#[derive(Default)]
pub(crate) struct Store {
    resources: Mutex<BTreeMap<String, StoredResource>>,
    pub(crate) away: Mutex<bool>,
}

impl Store {
    pub(crate) fn put(&self, metadata: Resource, object: Option<Vec<u8>>) {
        self.resources.lock().insert(metadata.resource_id.clone(), StoredResource { metadata, object });
    }

    pub(crate) fn object(&self, id: &str) -> Object {
        serde_json::from_slice(self.resources.lock()[id].object.as_deref().unwrap()).unwrap()
    }

    /// Changes what is stored, as somebody with access to the database would.
    pub(crate) fn tamper(&self, id: &str, change: impl FnOnce(&mut Resource, &mut Object)) {
        let mut object = self.object(id);
        let mut resources = self.resources.lock();
        let stored = resources.get_mut(id).unwrap();
        change(&mut stored.metadata, &mut object);
        stored.object = Some(serde_json::to_vec(&object).unwrap());
    }
}

#[async_trait]
impl ResourceStore for Store {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        if *self.away.lock() {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        Ok(self.resources.lock().get(resource_id).cloned().map(Arc::new))
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

/// An audit trail in memory.
#[derive(Default)]
pub(crate) struct Trail {
    pub(crate) entries: Mutex<Vec<Value>>,
    pub(crate) away: Mutex<bool>,
}

#[async_trait]
impl Audit for Trail {
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        if *self.away.lock() {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        self.entries.lock().push(serde_json::to_value(entry).unwrap());
        Ok(())
    }
}

/// The revocations that all nodes share.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) revoked: Mutex<Vec<Revocation>>,
    pub(crate) away: Mutex<bool>,
}

#[async_trait]
impl RevocationStore for Shared {
    async fn put(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.revoked.lock().push(revocation.clone());
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Revocation>, StoreError> {
        if *self.away.lock() {
            Err(StoreError::Unavailable("away".to_owned()))
        } else {
            Ok(self.revoked.lock().clone())
        }
    }

    async fn feed(&self) -> Result<Box<dyn RevocationFeed>, StoreError> {
        if *self.away.lock() {
            Err(StoreError::Unavailable("away".to_owned()))
        } else {
            Ok(Box::new(Silence))
        }
    }
}

pub(crate) struct Silence;

#[async_trait]
impl RevocationFeed for Silence {
    async fn next(&mut self) -> Result<Revocation, StoreError> {
        std::future::pending().await
    }
}

/// Everything that the service told of, as text, and the moves of its breaker.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) moves: Mutex<Vec<Transition>>,
}

impl EventSink for Told {
    fn emit(&self, event: &NodeEvent<'_>) {
        self.lines.lock().push(format!("{event:?}"));
        if let NodeEvent::BreakerMoved { breaker: "opa", transition } = event {
            self.moves.lock().push(*transition);
        }
    }
}
