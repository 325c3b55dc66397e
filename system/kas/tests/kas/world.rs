//! What the tests stand on.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dive_authz::Resource;
use dive_authz::ztdf::key_wrap::{self, PrivateKey, Purpose};
use dive_authz::ztdf::{self, Dek, KeyAccess, Object, Policy};
use dive_kas::Kas;
use dive_kas::client::{InProcess, KasClient, Opener};
use dive_kas::protocol::{KeyRequest, ReleasedKey};
use dive_node::{Node, Ports, Settings, rfc3339};
use dive_resilience::State;
use dive_runtime::{Monotonic, Runtime, Task, TokioRuntime, Wall};
use http_body_util::BodyExt as _;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::ports::{Engine, Issuers, Store, Told, Trail};

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
pub(crate) static ISSUER_KEY: LazyLock<(EncodingKey, Jwk)> = LazyLock::new(|| signing_key(105, 179));
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
