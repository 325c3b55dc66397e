//! A world for the tests of this crate: clocks, what stands behind the ports, revocations, tokens; all of it can be
//! told to misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use dive_resilience::{Snapshot, Transition};
use dive_runtime::{Monotonic, Runtime, Task, TokioRuntime, Wall};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{Dependency, Node, Ports, Settings};

mod ports;
mod revocations;
mod tokens;

pub(crate) use ports::*;
pub(crate) use revocations::*;
pub(crate) use tokens::*;

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
        let engine = Arc::new(FakeEngine::new());
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
