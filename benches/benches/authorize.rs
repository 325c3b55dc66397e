//! What one request for authorization costs, from the HTTP request to its answer, and how much of that is
//! the node's own: everything that is not the policy's decision.
//!
//! In one process the router is called as a function, so what remains is the node: routing, JSON, token
//! cache, decision cache, breaker, audit entry, metrics. Over HTTP the node is a server on loopback, asks the
//! engine's stand-in over HTTP, and appends to an audit file.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use benches::exchange::{Exchange, request};
use benches::hub::{Embedded, Silent, ports};
use benches::race::{Race, race};
use benches::serve;
use criterion::{Criterion, criterion_group, criterion_main};
use dive_authz::{Input, policies};
use dive_node::adapters::{AuditFile, Opa};
use dive_node::serve::Server;
use dive_node::{Node, Settings};
use dive_runtime::TokioRuntime;
use scenarios::binding::asked::Asked;
use scenarios::binding::kit::Kit;
use scenarios::binding::policy::options;
use scenarios::binding::requests::Kind;
use scenarios::binding::session::Session;
use scenarios::binding::topology::Shape;
use standin_opa::Options;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

const UNCACHED: &str = "uncached";
const CACHED: &str = "cached";
const ENGINE: &str = "the policy's decision alone";

/// Requests of one kind, in turn.
struct Asking {
    session: Session,
    kind: Kind,
    sent: u64,
}

impl Asking {
    fn new(kit: &Arc<Kit>, kind: Kind) -> Self {
        Self { session: Session::new(kit.clone()), kind, sent: 0 }
    }

    fn next(&mut self) -> Asked {
        self.sent += 1;
        self.session.ask(self.kind, self.sent)
    }

    /// As an HTTP client puts it on the wire.
    fn next_bytes(&mut self) -> Vec<u8> {
        let asked = self.next();
        let headers: Vec<_> = asked.headers().collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        request("POST", &asked.path, &headers, &asked.body)
    }

    /// As a router takes it.
    fn next_request(&mut self) -> Request<Body> {
        let asked = self.next();
        asked
            .headers()
            .fold(Request::post(&asked.path), |request, (name, value)| request.header(name, value))
            .body(Body::from(asked.body.clone()))
            .expect("its parts are valid")
    }
}

/// What the node would ask the engine for the first of its callers.
fn question(kit: &Kit) -> Input {
    let coalition = kit.coalition();
    let (user, resource) = (&coalition.users()[0], &coalition.resources()[0]);
    coalition.input(user.id, &resource.resource_id, "read", "2026-01-01T00:00:00Z").expect("both exist")
}

fn kit() -> Arc<Kit> {
    Kit::now(Shape::HubAndOpa).expect("policies and coalition fit together")
}

/// Calls the router as a function; the status.
fn call(runtime: &Runtime, router: &Router, request: Request<Body>) -> u16 {
    runtime.block_on(async {
        let Ok(answer) = router.clone().oneshot(request).await;
        let status = answer.status().as_u16();
        to_bytes(answer.into_body(), 1 << 20).await.expect("a body of the node's own");
        status
    })
}

fn in_process(criterion: &mut Criterion) {
    let raced = race(criterion, "authorize/router, uncached", || {
        let kit = kit();
        let runtime =
            Rc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
        let router = {
            let _inside = runtime.enter();
            let engine = Arc::new(Embedded(kit.engine()));
            let ports = ports(&kit, engine, Arc::new(Silent));
            Node::new(Settings::default(), ports, Arc::new(TokioRuntime::new()))
                .expect("the ports fit")
                .router()
        };
        let arm = |kind| {
            let (runtime, router, mut asking) = (runtime.clone(), router.clone(), Asking::new(&kit, kind));
            move || assert_eq!(call(&runtime, &router, asking.next_request()), 200)
        };
        let (engine, question) = (kit.engine(), question(&kit));
        Race::new()
            .with(UNCACHED, arm(Kind::Read))
            .with(CACHED, arm(Kind::ReadAgain))
            .with(ENGINE, move || engine.answer(&question))
    });
    if let Some(race) = raced {
        report_overhead(&race);
    }
}

/// A node and its engine as servers on loopback; what must live as long as they do comes with them.
struct Served {
    node: SocketAddr,
    engine: SocketAddr,
    _audit: TempDir,
}

fn served(kit: &Arc<Kit>) -> Served {
    let options = Options { decision_log: false, ..options(kit.coalition().policy_data()) };
    let engine = serve::routes(standin_opa::serve::router(options.api().expect("these policies compile")));
    let audit = tempfile::tempdir().expect("a temporary folder");
    let trail = audit.path().join("audit.jsonl");
    let kit = kit.clone();
    let node = serve::apart(async move || {
        let set = [
            ("http.listen", serve::ANY.to_string()),
            ("opa.url", format!("http://{engine}")),
            ("audit.path", trail.display().to_string()),
        ];
        let settings = set.into_iter().fold(Settings::default(), |settings, (key, value)| {
            settings.with(key, &value).expect("a setting of the node")
        });
        let opa = Arc::new(Opa::new(&settings.opa).expect("an HTTP client"));
        let mut ports = ports(&kit, opa, Arc::new(Silent));
        ports.audit = Arc::new(AuditFile::open(&settings.audit).expect("the folder can be written"));
        let server = Server::bind_with(settings, ports).await.expect("a port is free");
        (server.address(), server.run(std::future::pending()))
    });
    Served { node, engine, _audit: audit }
}

fn over_http(criterion: &mut Criterion) {
    let raced = race(criterion, "authorize/HTTP, uncached", || {
        let kit = kit();
        let served = Rc::new(served(&kit));
        let arm = |kind| {
            let (mut asking, served) = (Asking::new(&kit, kind), served.clone());
            let mut exchange = Exchange::connect(served.node).expect("it listens");
            move || {
                let _lives = &served;
                assert_eq!(exchange.send(&asking.next_bytes()).expect("it answers").status, 200);
            }
        };
        let question = serde_json::to_string(&question(&kit)).expect("a question is JSON");
        let path = format!("/v1/data/{}", policies::ENTRYPOINT);
        let json = [("content-type", "application/json")];
        let asked = request("POST", &path, &json, &format!(r#"{{"input":{question}}}"#));
        let exchange = RefCell::new(Exchange::connect(served.engine).expect("it listens"));
        Race::new()
            .with(UNCACHED, arm(Kind::Read))
            .with(CACHED, arm(Kind::ReadAgain))
            .with(ENGINE, move || exchange.borrow_mut().send(&asked).expect("it answers").status)
    });
    if let Some(race) = raced {
        report_overhead(&race);
    }
}

fn report_overhead(race: &Race<'_>) {
    if let Some(own) = race.added(UNCACHED, ENGINE) {
        println!("  the node adds to the decision: {own} µs");
    }
}

criterion_group!(benches, in_process, over_http);
criterion_main!(benches);
