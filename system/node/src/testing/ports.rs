//! What stands behind the ports, and can be told to misbehave.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dive_authz::{Check, Checks, Decision, Input, PolicyRevision, Resource};
use dive_resilience::Transition;
use dive_runtime::{Monotonic, Runtime};
use jsonwebtoken::jwk::JwkSet;
use parking_lot::Mutex;
use serde_json::Value;

use super::{TestKey, TestRuntime};
use crate::audit::AuditEntry;
use crate::event::NodeEvent;
use crate::ports::{
    Audit, DecisionKey, DecisionStore, EngineError, EventSink, IdentityProvider, IssuerRegistry,
    PolicyEngine, Probe, ProbeError, ResourceStore, SealingKey, StoreError, StoredResource, TrustedIssuer,
};
use crate::{ClaimMap, Dependency, Ports};

/// What a stand-in does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Allow,
    Deny,
    Unreachable,
    Fails,
    Refuses,
    Malformed,
    Hangs,
    /// Denies what has `hidden` in its id.
    DeniesHidden,
    /// Answers, but only after this long.
    Slow(Duration),
}

/// The policy engine.
pub(crate) struct FakeEngine {
    manner: Mutex<Manner>,
    revision: Mutex<Option<PolicyRevision>>,
    pub(crate) asked: AtomicUsize,
    pub(crate) checked: AtomicUsize,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
    pub(crate) last: Mutex<Option<Input>>,
}

impl FakeEngine {
    pub(super) fn new() -> Self {
        Self {
            manner: Mutex::new(Manner::Allow),
            revision: Mutex::default(),
            asked: AtomicUsize::new(0),
            checked: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            last: Mutex::default(),
        }
    }

    pub(crate) fn set(&self, manner: Manner) {
        *self.manner.lock() = manner;
    }

    pub(crate) fn set_revision(&self, revision: &str) {
        *self.revision.lock() = Some(revision.into());
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn behave(&self) -> Result<bool, EngineError> {
        let manner = *self.manner.lock();
        match manner {
            Manner::Allow | Manner::DeniesHidden => Ok(true),
            Manner::Deny => Ok(false),
            Manner::Unreachable => Err(EngineError::Unreachable("connection refused".to_owned())),
            Manner::Fails => Err(EngineError::Failed(500)),
            Manner::Refuses => Err(EngineError::Refused(400)),
            Manner::Malformed => Err(Decision::from_engine(b"{}").unwrap_err().into()),
            Manner::Hangs => std::future::pending().await,
            Manner::Slow(delay) => {
                tokio::time::sleep(delay).await;
                Ok(true)
            }
        }
    }
}

struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl PolicyEngine for FakeEngine {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        let _in_flight = InFlight(&self.in_flight);
        self.most_in_flight.fetch_max(now, Ordering::Relaxed);
        *self.last.lock() = Some(input.clone());
        let checks = Checks::all_held();
        let hidden = input.resource.resource_id.contains("hidden");
        let denies = hidden && *self.manner.lock() == Manner::DeniesHidden;
        let checks =
            if self.behave().await? && !denies { checks } else { checks.failing(Check::Releasability) };
        Ok(Decision::new(checks, vec![]))
    }

    async fn check(&self) -> Result<(), ProbeError> {
        self.checked.fetch_add(1, Ordering::Relaxed);
        self.behave().await.map(drop).map_err(|error| ProbeError(error.to_string()))
    }

    async fn revision(&self) -> Result<Option<PolicyRevision>, ProbeError> {
        Ok(self.revision.lock().clone())
    }
}

/// The trusted set.
#[derive(Default)]
pub(crate) struct FakeIssuers {
    pub(crate) trusted: Mutex<BTreeMap<String, JwkSet>>,
    pub(crate) claim_map: Mutex<Option<Arc<ClaimMap>>>,
    pub(crate) unreadable: Mutex<bool>,
    pub(crate) without_keys: Mutex<Option<StoreError>>,
    pub(crate) entries_read: AtomicUsize,
    pub(crate) keys_read: AtomicUsize,
    pub(crate) lists_read: AtomicUsize,
}

impl FakeIssuers {
    pub(crate) fn trust(&self, issuer: &str, keys: &[&TestKey]) {
        let keys = JwkSet { keys: keys.iter().map(|key| key.public.clone()).collect() };
        self.trusted.lock().insert(issuer.to_owned(), keys);
    }

    pub(crate) fn readable(&self, readable: bool) {
        *self.unreadable.lock() = !readable;
    }

    pub(crate) fn keys_away(&self, away: bool) {
        self.keys_fail(away.then(|| StoreError::Unavailable("away".to_owned())));
    }

    pub(crate) fn keys_fail(&self, with: Option<StoreError>) {
        *self.without_keys.lock() = with;
    }

    fn entry(&self, issuer: &str) -> TrustedIssuer {
        let claim_map = self.claim_map.lock().clone();
        TrustedIssuer { issuer: issuer.to_owned(), tenant: "USA".to_owned(), keys_url: None, claim_map }
    }

    fn read<T>(&self, value: T) -> Result<T, StoreError> {
        if *self.unreadable.lock() {
            Err(StoreError::Unavailable("unreadable".to_owned()))
        } else {
            Ok(value)
        }
    }
}

#[async_trait]
impl IssuerRegistry for FakeIssuers {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        self.entries_read.fetch_add(1, Ordering::Relaxed);
        let known = self.trusted.lock().contains_key(issuer);
        self.read(known.then(|| self.entry(issuer)))
    }

    async fn all(&self) -> Result<Vec<TrustedIssuer>, StoreError> {
        self.lists_read.fetch_add(1, Ordering::Relaxed);
        let all = self.trusted.lock().keys().map(|issuer| self.entry(issuer)).collect();
        self.read(all)
    }
}

#[async_trait]
impl IdentityProvider for FakeIssuers {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        self.keys_read.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.without_keys.lock().clone() {
            return Err(error);
        }
        let keys = self.trusted.lock().get(&issuer.issuer).cloned();
        self.read(keys.unwrap_or(JwkSet { keys: vec![] }))
    }
}

/// Resources `secret-1`, `secret-2`, `open-1` and whatever else is put there.
pub(crate) struct FakeResources {
    pub(crate) stored: Mutex<BTreeMap<String, Arc<StoredResource>>>,
    pub(crate) away: Mutex<bool>,
    pub(crate) fails: Mutex<Option<StoreError>>,
    pub(crate) read: AtomicUsize,
}

impl Default for FakeResources {
    fn default() -> Self {
        let resources = Self {
            stored: Mutex::default(),
            away: Mutex::new(false),
            fails: Mutex::default(),
            read: AtomicUsize::new(0),
        };
        for (id, classification) in
            [("secret-1", "SECRET"), ("secret-2", "SECRET"), ("open-1", "UNCLASSIFIED")]
        {
            resources.put(metadata(id, classification), None);
        }
        resources
    }
}

impl FakeResources {
    pub(crate) fn put(&self, metadata: Resource, object: Option<Vec<u8>>) {
        let id = metadata.resource_id.clone();
        self.stored.lock().insert(id, Arc::new(StoredResource { metadata, object }));
    }

    fn reachable(&self) -> Result<(), StoreError> {
        if let Some(error) = self.fails.lock().clone() {
            return Err(error);
        }
        if *self.away.lock() { Err(StoreError::Unavailable("away".to_owned())) } else { Ok(()) }
    }
}

/// Metadata of a resource that may be released to the USA.
pub(crate) fn metadata(id: &str, classification: &str) -> Resource {
    Resource {
        resource_id: id.to_owned(),
        classification: Some(classification.to_owned()),
        releasability_to: Some(vec!["USA".to_owned()]),
        ..Resource::default()
    }
}

#[async_trait]
impl ResourceStore for FakeResources {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.reachable()?;
        Ok(self.stored.lock().get(resource_id).cloned())
    }

    async fn search(&self, text: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        self.reachable()?;
        let stored = self.stored.lock();
        let ids =
            stored.keys().filter(|id| id.contains(text) && after.is_none_or(|after| id.as_str() > after));
        Ok(ids.take(limit).cloned().collect())
    }
}

/// An audit trail in memory.
#[derive(Default)]
pub(crate) struct FakeAudit {
    pub(crate) entries: Mutex<Vec<Value>>,
    pub(crate) full: Mutex<bool>,
}

#[async_trait]
impl Audit for FakeAudit {
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        if *self.full.lock() {
            return Err(StoreError::Unavailable("full".to_owned()));
        }
        self.entries.lock().push(serde_json::to_value(entry).unwrap());
        Ok(())
    }
}

/// A cache that outlives the node, and its probe.
#[derive(Default)]
pub(crate) struct FakeDecisions {
    pub(crate) kept: Mutex<BTreeMap<(String, String), Vec<u8>>>,
    pub(crate) away: Mutex<bool>,
    pub(crate) hangs: Mutex<bool>,
    pub(crate) asked: AtomicUsize,
}

impl FakeDecisions {
    async fn reach(&self) -> Result<(), StoreError> {
        if *self.hangs.lock() {
            std::future::pending::<()>().await;
        }
        if *self.away.lock() { Err(StoreError::Unavailable("away".to_owned())) } else { Ok(()) }
    }

    /// Gives a node this cache, with the same key each time.
    pub(crate) fn join(self: &Arc<Self>, ports: &mut Ports) {
        ports.decisions = Some(self.clone());
        ports.sealing_key = Some(SealingKey::from_bytes(&[7; 32]));
        ports.probes.insert(Dependency::Redis, self.clone());
    }
}

#[async_trait]
impl DecisionStore for FakeDecisions {
    async fn get(&self, key: &DecisionKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.reach().await?;
        Ok(self.kept.lock().get(&(key.subject.clone(), key.question.clone())).cloned())
    }

    async fn put(&self, key: &DecisionKey, sealed: &[u8], _ttl: Duration) -> Result<(), StoreError> {
        self.reach().await?;
        self.kept.lock().insert((key.subject.clone(), key.question.clone()), sealed.to_vec());
        Ok(())
    }

    async fn forget(&self, subject: &str) -> Result<(), StoreError> {
        self.reach().await?;
        self.kept.lock().retain(|(kept, _), _| kept != subject);
        Ok(())
    }
}

#[async_trait]
impl Probe for FakeDecisions {
    async fn check(&self) -> Result<(), ProbeError> {
        Ok(self.reach().await?)
    }
}

/// A dependency that can be switched off.
pub(crate) struct Switch(pub(crate) Mutex<bool>);

impl Switch {
    pub(crate) fn on() -> Arc<Self> {
        Arc::new(Self(Mutex::new(true)))
    }
}

#[async_trait]
impl Probe for Switch {
    async fn check(&self) -> Result<(), ProbeError> {
        if *self.0.lock() { Ok(()) } else { Err(ProbeError("switched off".to_owned())) }
    }
}

/// Everything that happened, as debug text, and the breakers' moves as they are.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) all: Mutex<Vec<String>>,
    pub(crate) moves: Mutex<Vec<(&'static str, Transition)>>,
    pub(crate) statuses: Mutex<Vec<(Dependency, Monotonic, String)>>,
    pub(super) clock: Mutex<Option<Arc<TestRuntime>>>,
}

impl EventSink for Recorded {
    fn emit(&self, event: &NodeEvent<'_>) {
        self.all.lock().push(format!("{event:?}"));
        match event {
            NodeEvent::BreakerMoved { breaker, transition } => self.moves.lock().push((breaker, *transition)),
            NodeEvent::ServiceChanged { service, to, .. } => {
                let now = self.clock.lock().as_ref().map_or(Monotonic::START, |clock| clock.now());
                self.statuses.lock().push((*service, now, to.to_string()));
            }
            _ => {}
        }
    }
}
