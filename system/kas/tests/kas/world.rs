//! What the tests stand on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dive_authz::ztdf::key_wrap::{self, PrivateKey, Purpose};
use dive_authz::ztdf::{self, Dek, KeyAccess, Object, Policy};
use dive_authz::{Decision, Input, Resource, policies};
use dive_kas::Kas;
use dive_kas::client::{InProcess, KasClient, Opener};
use dive_kas::protocol::{KeyRequest, ReleasedKey};
use dive_node::audit::AuditEntry;
use dive_node::event::NodeEvent;
use dive_node::ports::{
    Audit, EngineError, EventSink, IdentityProvider, IssuerRegistry, PolicyEngine, ProbeError, ResourceStore,
    Revocation, RevocationFeed, RevocationStore, StoreError, StoredResource, TrustedIssuer,
};
use dive_node::{Node, Ports, Settings, rfc3339};
use dive_resilience::{State, Transition};
use dive_runtime::{Monotonic, Runtime, Task, TokioRuntime, Wall};
use http_body_util::BodyExt as _;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// When the wall clock starts, seconds since the Unix epoch.
pub(crate) const EPOCH: u64 = 1_750_000_000;
pub(crate) const ISSUER: &str = "https://idp.example/realms/usa";
pub(crate) const PLAINTEXT: &[u8] = b"the bridge is out; take the ford";
pub(crate) const SECRET: &str = "secret-1";
pub(crate) const KAO: &str = "kao-secret-1";

/// tokio's clock and a wall clock that goes with it.
pub(crate) struct Clocks(TokioRuntime);

impl Runtime for Clocks {
    fn now(&self) -> Monotonic {
        self.0.now()
    }

    fn wall(&self) -> Wall {
        Wall::from_epoch(Duration::from_secs(EPOCH) + self.now().since_start())
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        self.0.sleep_until(deadline)
    }

    fn spawn(&self, name: &'static str, task: Task) {
        self.0.spawn(name, task);
    }
}

/// The issuer's key. Its primes are the greatest below 2¹⁰²⁴, so it protects nothing and need not be secret.
static ISSUER_KEY: LazyLock<(EncodingKey, Jwk)> = LazyLock::new(|| signing_key(105, 179));
static FOREIGN_KEY: LazyLock<(EncodingKey, Jwk)> = LazyLock::new(|| signing_key(1397, 3177));

fn signing_key(p: u16, q: u16) -> (EncodingKey, Jwk) {
    let prime = |distance: u16| {
        let mut bytes = [0xff; 128];
        bytes[126..].copy_from_slice(&(u16::MAX - (distance - 1)).to_be_bytes());
        BigUint::from_bytes_be(&bytes)
    };
    let key = RsaPrivateKey::from_p_q(prime(p), prime(q), BigUint::from(65_537u32)).unwrap();
    let private = EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes());
    let mut public = Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap();
    public.common.key_id = Some("key-1".to_owned());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    (private, public)
}

/// Alice's claims, good for a day from when the clock starts.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "jti": "t1", "iat": EPOCH, "nbf": EPOCH, "exp": EPOCH + 86_400,
        "uniqueID": "alice", "clearance": "SECRET", "countryOfAffiliation": "USA", "acpCOI": [],
        "acr": "2", "amr": ["pwd", "otp"],
    })
}

pub(crate) fn signed(claims: &Value) -> String {
    sign(claims, &ISSUER_KEY.0)
}

/// Names the issuer's key, but is signed with another.
pub(crate) fn forged(claims: &Value) -> String {
    sign(claims, &FOREIGN_KEY.0)
}

fn sign(claims: &Value, key: &EncodingKey) -> String {
    let header = Header { kid: Some("key-1".to_owned()), ..Header::new(Algorithm::RS256) };
    encode(&header, claims, key).unwrap()
}

pub(crate) fn token() -> String {
    signed(&claims())
}

struct Issuers;

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
    fn new() -> Self {
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

struct Silence;

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

pub(crate) struct World {
    pub(crate) runtime: Arc<Clocks>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Arc<Store>,
    pub(crate) trail: Arc<Trail>,
    pub(crate) told: Arc<Told>,
    pub(crate) key: PrivateKey,
    pub(crate) dek: Dek,
    pub(crate) node: Node,
    pub(crate) kas: Kas,
    chance: Mutex<StdRng>,
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

    /// Status and reason.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["reason"].as_str().unwrap_or_default().to_owned())
    }
}

/// A request for a key, and the private key that reads the answer.
pub(crate) struct Asked {
    pub(crate) request: KeyRequest,
    own: PrivateKey,
}

impl Asked {
    /// The key in the answer.
    pub(crate) fn read(&self, answer: &Answer) -> Dek {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let released: ReleasedKey = serde_json::from_str(&answer.text).unwrap();
        let KeyRequest { resource_id, kao_id, nonce, .. } = &self.request;
        key_wrap::unwrap(&released.dek, &self.own, &Purpose::Release { resource_id, kao_id, nonce }).unwrap()
    }
}

/// SECRET, for the USA, encrypted.
pub(crate) fn metadata(id: &str) -> Resource {
    Resource {
        resource_id: id.to_owned(),
        classification: Some("SECRET".to_owned()),
        releasability_to: Some(vec!["USA".to_owned()]),
        encrypted: Some(true),
        ..Resource::default()
    }
}

/// The object of `metadata`, its key wrapped for `key`.
pub(crate) fn sealed(metadata: &Resource, dek: &Dek, key: &PrivateKey, rng: &mut StdRng) -> Object {
    let policy = Policy::of(metadata);
    let kao = format!("kao-{}", metadata.resource_id);
    let access = KeyAccess::wrap(kao, "http://kas", dek, &policy, &key.public_key(), rng).unwrap();
    ztdf::seal(PLAINTEXT, policy, dek, vec![access], rng)
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&Settings::default())
    }

    pub(crate) fn with(settings: &Settings) -> Self {
        Self::changed(settings, |_| {})
    }

    /// A service whose ports `change` has changed.
    pub(crate) fn changed(settings: &Settings, change: impl FnOnce(&mut Ports)) -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        let (key, dek) = (PrivateKey::generate(&mut rng), Dek::generate(&mut rng));
        let store = Arc::new(Store::default());
        let secret = metadata(SECRET);
        let object = sealed(&secret, &dek, &key, &mut rng);
        store.put(secret, Some(serde_json::to_vec(&object).unwrap()));
        let plain = Resource {
            classification: Some("UNCLASSIFIED".to_owned()),
            encrypted: None,
            ..metadata("plain-1")
        };
        store.put(plain, None);

        let runtime = Arc::new(Clocks(TokioRuntime::new()));
        let (engine, trail, told) = (Arc::new(Engine::new()), Arc::new(Trail::default()), Arc::default());
        let node = Node::new(
            settings.clone(),
            ports(&engine, &store, &Arc::default(), &Arc::default()),
            runtime.clone(),
        );
        let mut own = ports(&engine, &store, &trail, &told);
        change(&mut own);
        let kas = Kas::new(settings.clone(), own, key.clone(), StdRng::from_rng(&mut rng), runtime.clone());
        let (node, kas) = (node.unwrap(), kas.unwrap());
        Self { runtime, engine, store, trail, told, key, dek, node, kas, chance: Mutex::new(rng) }
    }

    /// The service's ports, for another one over the same world.
    pub(crate) fn ports(&self) -> Ports {
        ports(&self.engine, &self.store, &self.trail, &self.told)
    }

    pub(crate) fn client(&self) -> KasClient {
        let chance = StdRng::from_rng(&mut *self.chance.lock());
        let service = Arc::new(InProcess(self.kas.router()));
        KasClient::new(service, self.runtime.clone(), Duration::from_secs(10), chance)
    }

    pub(crate) fn opener(&self) -> Opener {
        let node = Arc::new(InProcess(self.node.router()));
        Opener::new(node, self.client(), self.runtime.clone(), Duration::from_secs(10))
    }

    /// A good request, made now.
    pub(crate) fn asking(&self, resource_id: &str, kao_id: &str) -> Asked {
        let mut rng = self.chance.lock();
        let own = PrivateKey::generate(&mut *rng);
        let nonce = base16ct::lower::encode_string(Dek::generate(&mut *rng).expose());
        let request = KeyRequest {
            resource_id: resource_id.to_owned(),
            kao_id: kao_id.to_owned(),
            client_public_key: own.public_key(),
            nonce,
            timestamp: rfc3339(self.runtime.wall()),
        };
        Asked { request, own }
    }

    /// Alice asks for the key of the secret.
    pub(crate) async fn ask(&self) -> Answer {
        self.send(&token(), &self.asking(SECRET, KAO).request).await
    }

    pub(crate) async fn send(&self, token: &str, request: &KeyRequest) -> Answer {
        self.send_text(token, &serde_json::to_string(request).unwrap()).await
    }

    pub(crate) async fn send_text(&self, token: &str, body: &str) -> Answer {
        let request = Request::post("/request-key")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        self.call(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.kas.router().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    }

    /// The value of one series of the service's metrics, its own labels left out.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.text;
        let own = "app=\"dive-kas\",instance=\"HUB\",region=\"local\"";
        let found = text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            assert!(name.contains(own), "every series bears the service's labels: {line}");
            let bare = name.replace(&format!("{own},"), "").replace(&format!("{{{own}}}"), "");
            (bare == series).then(|| value.parse().unwrap())
        });
        found.unwrap_or_else(|| panic!("{series} is not exported"))
    }

    pub(crate) fn audited(&self) -> Vec<Value> {
        self.trail.entries.lock().clone()
    }

    pub(crate) fn state(&self) -> State {
        self.kas.breaker().unwrap().state
    }
}

fn ports(engine: &Arc<Engine>, store: &Arc<Store>, trail: &Arc<Trail>, told: &Arc<Told>) -> Ports {
    let issuers = Arc::new(Issuers);
    Ports::new(engine.clone(), issuers.clone(), issuers, store.clone(), trail.clone(), told.clone())
}
