//! A world for the tests of this crate: clocks, an engine, issuers, resources, an audit trail, all of which
//! can be told to misbehave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use dive_authz::{Check, Checks, Decision, Input, PolicyRevision, Resource};
use dive_resilience::{Snapshot, Transition};
use dive_runtime::{Monotonic, Runtime, Task, TokioRuntime, Wall};
use http_body_util::BodyExt as _;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::audit::AuditEntry;
use crate::event::NodeEvent;
use crate::ports::{
    Audit, DecisionKey, DecisionStore, EngineError, EventSink, IdentityProvider, IssuerRegistry,
    PolicyEngine, Probe, ProbeError, ResourceStore, Revocation, RevocationFeed, RevocationJournal,
    RevocationStore, SealingKey, StoreError, StoredResource, TrustedIssuer,
};
use crate::{ClaimMap, Dependency, Node, Ports, Settings};

/// When the tests' wall clock starts, seconds since the Unix epoch.
pub(crate) const EPOCH: i64 = 1_750_000_000;
pub(crate) const ISSUER: &str = "https://idp.example/realms/usa";

/// tokio's clock (paused in most tests) and a wall clock that goes with it and can be stepped.
pub(crate) struct TestRuntime {
    inner: TokioRuntime,
    step: AtomicI64,
}

impl TestRuntime {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: TokioRuntime::new(), step: AtomicI64::new(0) })
    }

    /// Steps the wall clock by so many seconds.
    pub(crate) fn step_wall(&self, seconds: i64) {
        self.step.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Runtime for TestRuntime {
    fn now(&self) -> Monotonic {
        self.inner.now()
    }

    fn wall(&self) -> Wall {
        let whole = u64::try_from(EPOCH + self.step.load(Ordering::Relaxed)).unwrap();
        Wall::from_epoch(Duration::from_secs(whole) + self.now().since_start())
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        self.inner.sleep_until(deadline)
    }

    fn spawn(&self, name: &'static str, task: Task) {
        self.inner.spawn(name, task);
    }
}

/// A signing key. Its primes are the greatest below 2¹⁰²⁴, so it protects nothing and need not be secret.
pub(crate) struct TestKey {
    pub(crate) kid: &'static str,
    pub(crate) private: EncodingKey,
    pub(crate) public: Jwk,
}

impl TestKey {
    /// From the distances of two primes to 2¹⁰²⁴.
    fn new(kid: &'static str, p: u16, q: u16) -> Self {
        let prime = |distance: u16| {
            let mut bytes = [0xff; 128];
            bytes[126..].copy_from_slice(&(u16::MAX - (distance - 1)).to_be_bytes());
            BigUint::from_bytes_be(&bytes)
        };
        let key = RsaPrivateKey::from_p_q(prime(p), prime(q), BigUint::from(65_537u32)).unwrap();
        let private = EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap();
        public.common.key_id = Some(kid.to_owned());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Self { kid, private, public }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.kid, claims)
    }

    /// Signs, but names another key.
    pub(crate) fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
        encode(&header, claims, &self.private).unwrap()
    }
}

pub(crate) static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::new("key-1", 105, 179));
pub(crate) static OTHER_KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::new("key-2", 1397, 3177));

/// Good claims, issued as the tests' clock starts, good for an hour.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "jti": "t1", "iat": EPOCH, "nbf": EPOCH, "exp": EPOCH + 3600,
        "uniqueID": "alice", "clearance": "SECRET", "countryOfAffiliation": "USA", "acpCOI": [],
        "acr": "2", "amr": ["pwd", "otp"],
    })
}

pub(crate) fn token() -> String {
    KEY.sign(&claims())
}

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
    clock: Mutex<Option<Arc<TestRuntime>>>,
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

/// A node in that world.
pub(crate) struct World {
    pub(crate) runtime: Arc<TestRuntime>,
    pub(crate) engine: Arc<FakeEngine>,
    pub(crate) issuers: Arc<FakeIssuers>,
    pub(crate) resources: Arc<FakeResources>,
    pub(crate) audit: Arc<FakeAudit>,
    pub(crate) events: Arc<Recorded>,
    pub(crate) node: Node,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Settings::default(), |_| {})
    }

    pub(crate) fn with(settings: &Settings, change: impl FnOnce(&mut Ports)) -> Self {
        let runtime = TestRuntime::new();
        let engine = Arc::new(FakeEngine {
            manner: Mutex::new(Manner::Allow),
            revision: Mutex::default(),
            asked: AtomicUsize::new(0),
            checked: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            last: Mutex::default(),
        });
        let issuers = Arc::new(FakeIssuers::default());
        issuers.trust(ISSUER, &[&KEY]);
        let resources = Arc::new(FakeResources::default());
        let audit = Arc::new(FakeAudit::default());
        let events = Arc::new(Recorded::default());
        *events.clock.lock() = Some(Arc::clone(&runtime));
        let mut ports = Ports::new(
            engine.clone(),
            issuers.clone(),
            issuers.clone(),
            resources.clone(),
            audit.clone(),
            events.clone(),
        );
        change(&mut ports);
        let node = Node::new(settings.clone(), ports, runtime.clone()).unwrap();
        Self { runtime, engine, issuers, resources, audit, events, node }
    }

    /// Ports to this world, for another node.
    pub(crate) fn ports(&self) -> Ports {
        let issuers = &self.issuers;
        let (engine, audit, events) = (self.engine.clone(), self.audit.clone(), self.events.clone());
        Ports::new(engine, issuers.clone(), issuers.clone(), self.resources.clone(), audit, events)
    }

    pub(crate) fn now(&self) -> Monotonic {
        self.runtime.now()
    }

    pub(crate) fn opa(&self) -> Snapshot {
        self.node.breaker(Dependency::Opa).unwrap()
    }

    pub(crate) fn moves(&self) -> Vec<(&'static str, Transition)> {
        self.events.moves.lock().clone()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.node.router().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// The same with a token.
    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Answer {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// The same, for an answer that is no text.
    pub(crate) async fn get_raw(&self, token: &str, path: &str) -> Vec<u8> {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        let response = self.node.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    /// Sends `body` as JSON with a token.
    pub(crate) async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Asks to read `resource` with `token`.
    pub(crate) async fn authorize(&self, token: &str, resource: &str) -> Answer {
        self.send(question(token, resource)).await
    }

    /// The value of one series of `/metrics`, named as it is written there, the node's own labels left out.
    pub(crate) async fn metric(&self, series: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text;
        let own = "app=\"dive-node\",instance=\"HUB\",region=\"local\"";
        text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            assert!(name.contains(own), "every series bears the node's labels: {line}");
            let bare = name.replace(&format!("{own},"), "").replace(&format!("{{{own}}}"), "");
            (bare == series).then(|| value.parse().unwrap())
        })
    }
}

pub(crate) fn question(token: &str, resource: &str) -> Request<Body> {
    Request::post("/api/authorize")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(json!({"resourceId": resource, "operation": "read"}).to_string()))
        .unwrap()
}
