//! The process over real sockets.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use dive_runtime::Runtime as _;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use super::listener::Tls;
use super::logging::JsonLines;
use super::*;
use crate::adapters::{HttpClient, LogEvents, Opa, ResourcesFile, Trust};
use crate::settings::TlsSettings;
use crate::testing::{EPOCH, FakeAudit, FakeIssuers, ISSUER, KEY, claims};

const SOON: Duration = Duration::from_secs(10);

/// A node that listens, with a stand-in of the policy engine behind it.
struct Site {
    /// One unit for each question that has reached the engine.
    asked: Arc<Semaphore>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
    audit: Arc<FakeAudit>,
    _folder: tempfile::TempDir,
}

/// A policy engine that allows everything after `delay`, and counts the questions in `asked`.
async fn engine(delay: Duration, asked: Arc<Semaphore>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let decision = dive_authz::Decision::new(dive_authz::Checks::all_held(), vec![]);
    let body = json!({"result": decision}).to_string();
    let app = axum::Router::new()
        .route(
            "/v1/data/dive/authz",
            axum::routing::post(move || async move {
                asked.add_permits(1);
                tokio::time::sleep(delay).await;
                body
            }),
        )
        .fallback(|| async { "{}" });
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn site(delay: Duration, changes: &[(&str, &str)]) -> Site {
    let asked = Arc::new(Semaphore::new(0));
    let folder = tempfile::tempdir().unwrap();
    let resources = folder.path().join("resources.json");
    let resource =
        json!([{"resourceId": "doc-1", "classification": "SECRET", "releasabilityTo": ["USA"], "COI": []}]);
    std::fs::write(&resources, resource.to_string()).unwrap();
    let mut settings = Settings::default().with("http.listen", "127.0.0.1:0").unwrap();
    settings = settings.with("opa.url", &format!("http://{}", engine(delay, asked.clone()).await)).unwrap();
    for (key, value) in changes {
        settings = settings.with(key, value).unwrap();
    }
    let issuers = Arc::new(FakeIssuers::default());
    issuers.trust(ISSUER, &[&KEY]);
    let audit = Arc::new(FakeAudit::default());
    let ports = Ports::new(
        Arc::new(Opa::new(&settings.opa).unwrap()),
        issuers.clone(),
        issuers,
        Arc::new(ResourcesFile::open(&resources).unwrap()),
        audit.clone(),
        Arc::new(LogEvents),
    );
    let server = Server::bind_with(settings, ports).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));
    Site { asked, address, stop, served, audit, _folder: folder }
}

/// A token that is good by the machine's own clock.
fn token_for_now() -> String {
    let runtime = TokioRuntime::new();
    let now = i64::try_from(runtime.wall().since_epoch().as_secs()).unwrap();
    let mut claims = claims();
    for claim in ["iat", "nbf", "exp"] {
        claims[claim] = (claims[claim].as_i64().unwrap() - EPOCH + now).into();
    }
    KEY.sign(&claims)
}

/// A client that asks nobody in between, whatever the environment says.
fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn ask(address: SocketAddr, token: &str) -> reqwest::Response {
    http()
        .post(format!("http://{address}/api/authorize"))
        .bearer_auth(token)
        .json(&json!({"resourceId": "doc-1", "operation": "read"}))
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_node_answers_over_the_network_and_stops_when_told() {
    let site = site(Duration::ZERO, &[]).await;
    let answer = ask(site.address, &token_for_now()).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().await.unwrap()["allow"], true);
    assert_eq!(site.audit.entries.lock().len(), 1);
    site.stop.send(()).unwrap();
    tokio::time::timeout(SOON, site.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(site.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_stop_waits_for_the_request_in_flight() {
    let site = site(Duration::from_millis(500), &[]).await;
    let token = token_for_now();
    let address = site.address;
    let asking = tokio::spawn(async move { ask(address, &token).await.status() });
    let _reached = site.asked.acquire().await.unwrap();
    site.stop.send(()).unwrap();
    assert_eq!(asking.await.unwrap(), 200);
    tokio::time::timeout(SOON, site.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let site = site(Duration::from_secs(60), &[("http.drain", "300ms")]).await;
    let token = token_for_now();
    let address = site.address;
    let asking = tokio::spawn(async move { drop(ask(address, &token).await) });
    let _reached = site.asked.acquire().await.unwrap();
    site.stop.send(()).unwrap();
    tokio::time::timeout(SOON, site.served).await.expect("it stops in time").unwrap();
    asking.abort();
}

#[tokio::test]
async fn a_client_that_never_ends_its_request_is_let_go() {
    let site = site(Duration::ZERO, &[("http.header_timeout", "200ms")]).await;
    let mut slow = TcpStream::connect(site.address).await.unwrap();
    slow.write_all(b"POST /api/authorize HTTP/1.1\r\nx-slow: ").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(SOON, slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is closed");
    site.stop.send(()).unwrap();
}

#[tokio::test]
async fn a_connection_that_is_kept_may_be_idle_for_as_long_as_a_head_may_take() {
    let span = Duration::from_millis(500);
    let site = site(Duration::ZERO, &[("http.header_timeout", "500ms")]).await;
    let clock = TokioRuntime::new();
    let began = clock.now();
    // The node has this thread, too: it first looks when the head is whole.
    let mut client = std::net::TcpStream::connect(site.address).unwrap();
    client.write_all(b"GET /health/live HTTP/1.1\r\nhost: node\r\n\r\n").unwrap();
    client.set_nonblocking(true).unwrap();
    let mut answer = Vec::new();
    let ended =
        tokio::time::timeout(SOON, TcpStream::from_std(client).unwrap().read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is closed");
    let kept = clock.now().saturating_since(began);
    assert!(kept >= span, "{kept:?}");
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200") && !answer.contains("connection: close"), "{answer}");
    site.stop.send(()).unwrap();
}

#[tokio::test]
async fn what_is_missing_or_taken_is_named() {
    let missing = Server::bind(Settings::default()).await.unwrap_err().to_string();
    assert_eq!(missing, "setting `audit.path` is needed: the audit trail");
    let first = site(Duration::ZERO, &[]).await;
    let settings = Settings::default().with("http.listen", &first.address.to_string()).unwrap();
    let ports = Ports::new(
        Arc::new(Opa::new(&settings.opa).unwrap()),
        Arc::new(FakeIssuers::default()),
        Arc::new(FakeIssuers::default()),
        Arc::new(ResourcesFile::default()),
        Arc::new(FakeAudit::default()),
        Arc::new(LogEvents),
    );
    let taken = Server::bind_with(settings, ports).await.unwrap_err().to_string();
    assert!(taken.contains(&first.address.to_string()) && taken.contains("http.listen"), "{taken}");
}

/// A certificate for `localhost` and its authority, as files.
fn certificate(folder: &std::path::Path) -> [std::path::PathBuf; 3] {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    let files = ["ca.pem", "server.pem", "server.key"].map(|name| folder.join(name));
    let texts = [authority_certificate.pem(), server.pem(), key.serialize_pem()];
    for (path, text) in files.iter().zip(texts) {
        std::fs::write(path, text).unwrap();
    }
    files
}

fn client(authority: &std::path::Path) -> HttpClient {
    let trust = Trust::from_pem(&std::fs::read(authority).unwrap()).unwrap();
    HttpClient::new(&trust, crate::adapters::Connections::Fresh, SOON, 1 << 20)
}

#[tokio::test]
async fn with_a_certificate_it_answers_over_tls_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [authority, chain, key] = certificate(folder.path());
    let [chain, key] = [chain.to_str().unwrap(), key.to_str().unwrap()];
    let identity = [("tls.certificate", chain), ("tls.key", key)];
    let patient = site(Duration::ZERO, &identity).await;
    let port = patient.address.port();
    let url = format!("https://localhost:{port}/health/live");
    assert!(client(&authority).get(&url).await.is_ok());

    let plain = format!("http://localhost:{port}/health/live");
    assert!(client(&authority).get(&plain).await.is_err());
    let elsewhere = tempfile::tempdir().unwrap();
    let [stranger, ..] = certificate(elsewhere.path());
    let distrusted = client(&stranger).get(&url).await.unwrap_err().to_string();
    assert!(distrusted.starts_with("tls: "), "{distrusted}");

    let brief = identity.into_iter().chain([("http.header_timeout", "300ms")]).collect::<Vec<_>>();
    let brief = site(Duration::ZERO, &brief).await;
    let mut silent = TcpStream::connect(brief.address).await.unwrap();
    let ended = tokio::time::timeout(SOON, silent.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "a handshake that never comes is not waited for");
    for site in [patient, brief] {
        site.stop.send(()).unwrap();
        tokio::time::timeout(SOON, site.served).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn half_a_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [authority, chain, key] = certificate(folder.path());
    let cases = [
        (Some(&chain), None, "setting `tls.key` is needed"),
        (None, Some(&key), "setting `tls.certificate` is needed"),
        (Some(&chain), Some(&chain), "it holds no key"),
        (Some(&key), Some(&key), "it holds no certificate"),
        (Some(&authority), Some(&key), "server"),
    ];
    for (chain, key, why) in cases {
        let path = |path: Option<&std::path::PathBuf>| path.cloned().unwrap_or_default();
        let settings =
            TlsSettings { ca_file: std::path::PathBuf::new(), certificate: path(chain), key: path(key) };
        match Tls::new(&settings) {
            // Which of the two is not the other's is for the library to say; some of it says nothing.
            Ok(_) => assert_eq!(why, "server"),
            Err(error) => assert!(why == "server" || error.to_string().contains(why), "{error}"),
        }
    }
}

/// Where nobody listens, and nobody comes to listen.
const NOBODY: &str = "127.0.0.1:1";

#[tokio::test]
async fn a_node_whose_dependencies_are_all_away_starts_says_so_and_lets_nothing_through() {
    let folder = tempfile::tempdir().unwrap();
    let away = NOBODY;
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("key"), [7; 32]).unwrap();
    let mut settings = Settings::default();
    for (key, value) in [
        ("http.listen", "127.0.0.1:0".to_owned()),
        ("audit.path", path("audit.jsonl")),
        ("cache.key_file", path("key")),
        ("opa.url", format!("http://{away}")),
        ("mongodb.url", format!("mongodb://user:mongo-secret@{away}")),
        ("keycloak.url", format!("http://{away}")),
        ("kas.url", format!("http://{away}")),
        ("redis.url", format!("redis://:redis-secret@{away}")),
        ("blacklist_redis.url", format!("redis://:redis-secret@{away}")),
    ] {
        settings = settings.with(key, &value).unwrap();
    }
    let server = Server::bind(settings.compressed(10.0)).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(server.run(async move {
        let _ = stopped.await;
    }));
    let get = async |path: &str| http().get(format!("http://{address}{path}")).send().await.unwrap();
    assert_eq!(get("/health/live").await.status(), 200);
    let all_checked = async {
        loop {
            let health: Value = get("/health/detailed").await.json().await.unwrap();
            if !health.to_string().contains("not checked yet") {
                return health;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let health = tokio::time::timeout(SOON, all_checked).await.unwrap();
    assert_eq!(health["status"], "unhealthy");
    let services = health["services"].as_object().unwrap();
    let names: Vec<_> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["blacklistRedis", "cache", "kas", "keycloak", "mongodb", "opa", "redis"]);
    assert!(services.values().all(|service| service["status"] == "down"), "{health}");
    let circuits: Vec<_> = health["circuitBreakers"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(circuits, ["kas", "keycloak", "mongodb", "opa"]);
    assert!(!health.to_string().contains("secret"), "{health}");

    assert_eq!(get("/health").await.status(), 503);
    assert_eq!(get("/api/idps/public").await.status(), 503);
    assert_eq!(ask(address, &token_for_now()).await.status(), 401, "no issuer was ever read");
    let audited = crate::adapters::read_audit(&folder.path().join("audit.jsonl")).unwrap();
    assert_eq!(audited.len(), 1);
    stop.send(()).unwrap();
    tokio::time::timeout(SOON, served).await.unwrap().unwrap();
}

/// Log lines in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn log_lines_are_json_with_stable_names_and_never_hold_a_token_or_a_claim() {
    let lines = Lines::default();
    let format = JsonLines { instance: "HUB".into() };
    let layer = tracing_subscriber::fmt::layer().event_format(format).with_writer(lines.clone());
    let subscriber = tracing_subscriber::registry().with(layer);
    let good = token_for_now();
    let mut forged = good.clone();
    forged.replace_range(forged.len() - 8..forged.len() - 4, "AAAA");
    // The most talkative level, and everything on this thread.
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let site = site(Duration::ZERO, &[("opa.token", "engine-secret")]).await;
            for token in [good.as_str(), &forged, "short", ""] {
                ask(site.address, token).await;
            }
            let client = http();
            for path in ["resources/doc-1", "resources/doc-1/payload", "resources/search?q=doc"] {
                let url = format!("http://{}/api/{path}", site.address);
                client.get(url).bearer_auth(&good).send().await.unwrap();
            }
            let logout = format!("http://{}/api/auth/logout", site.address);
            client.post(logout).bearer_auth(&good).send().await.unwrap();
            site.stop.send(()).unwrap();
            let _ = site.served.await;
        });
    });
    let text = String::from_utf8(lines.0.lock().clone()).unwrap();
    let ours: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("a line is JSON: {line}")))
        .filter(|line| line["target"].as_str().unwrap().starts_with("dive_node"))
        .collect();
    let of = |event: &str| ours.iter().filter(|line| line["event"] == event).count();
    assert_eq!((of("listening"), of("decision"), of("request"), of("stopped")), (1, 7, 8, 1), "{text}");
    assert_eq!(of("token_refused"), 3);
    let decision = ours.iter().find(|line| line["event"] == "decision").unwrap();
    let named = ["time", "level", "instance", "request_id", "allow", "reason", "status", "cached", "took_us"];
    for field in named {
        assert!(!decision[field].is_null(), "{field}");
    }
    assert_eq!((&decision["allow"], &decision["status"]), (&json!(true), &json!(200)));
    assert_eq!(decision["question"].as_str().unwrap().len(), 64);

    for secret in good.split('.').chain(forged.split('.')).chain(["engine-secret", "countryOfAffiliation"]) {
        assert!(!text.contains(secret), "{secret:.20}… is in the log");
    }
}
