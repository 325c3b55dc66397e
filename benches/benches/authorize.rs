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

use benches::asking::{Asking, call, hub, kit};
use benches::borders::BORDERS;
use benches::exchange::{Exchange, request};
use benches::hub::{Embedded, Silent, ports};
use benches::race::{Race, brief, micros, race, timed};
use benches::summary::{Goal, seen, summary};
use benches::{opa, serve};
use criterion::{Criterion, criterion_group, criterion_main};
use dive_authz::Input;
use dive_node::adapters::{AuditFile, Opa};
use dive_node::serve::Server;
use dive_node::{Node, Settings};
use scenarios::binding::kit::Kit;
use scenarios::binding::policy::options;
use scenarios::binding::requests::Kind;
use standin_opa::Options;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const UNCACHED: &str = "uncached";
const CACHED: &str = "cached";
const COLD: &str = "cold: the first request of a node";
const ENGINE: &str = "the policy's decision alone";
/// What the node may add to the policy's decision, microseconds.
const OWN: Goal = Goal::Under(60.0);

/// What the node would ask the engine for the first of its callers.
fn question(kit: &Kit) -> Input {
    let coalition = kit.coalition();
    let (user, resource) = (&coalition.users()[0], &coalition.resources()[0]);
    coalition.input(user.id, &resource.resource_id, "read", "2026-01-01T00:00:00Z").expect("both exist")
}

fn runtime() -> Rc<Runtime> {
    Rc::new(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"))
}

/// A hub with its engine in the process.
fn embedded(runtime: &Runtime, kit: &Arc<Kit>, settings: Settings) -> Node {
    let _inside = runtime.enter();
    hub(kit, settings, Arc::new(Embedded::new(kit.engine())), None)
}

fn in_process(criterion: &mut Criterion) {
    let raced = race(criterion, "authorize/router, uncached", || {
        let (kit, runtime) = (kit(), runtime());
        let router = embedded(&runtime, &kit, Settings::default()).router();
        let asking = Asking::new(&kit);
        let arm = |kind| {
            let (runtime, router, asking) = (runtime.clone(), router.clone(), asking.clone());
            move || assert_eq!(runtime.block_on(call(&router, asking.next_request(kind))).0, 200)
        };
        let (engine, question) = (kit.engine(), question(&kit));
        let cold = {
            let (runtime, kit, asking) = (runtime.clone(), kit.clone(), asking.clone());
            move || {
                let router = embedded(&runtime, &kit, Settings::default()).router();
                let asked = asking.next_request(Kind::Read);
                timed(|| assert_eq!(runtime.block_on(call(&router, asked)).0, 200))
            }
        };
        Race::new()
            .with(UNCACHED, arm(Kind::Read))
            .with(CACHED, arm(Kind::ReadAgain))
            .with_timed(COLD, cold)
            .with(ENGINE, move || engine.answer(&question))
    });
    if let Some(race) = raced {
        tell(&race, "authorization, node as a function");
    }
}

/// Each of the twenty, never cached.
fn borders(criterion: &mut Criterion) {
    let raced = race(criterion, "authorize/rule borders", || {
        let (kit, runtime) = (kit(), runtime());
        let levels = ["unclassified", "restricted", "confidential", "secret", "top_secret"];
        let never = levels.into_iter().fold(Settings::default(), |settings, level| {
            settings.with(&format!("cache.ttl.{level}"), "0s").expect("a setting of the node")
        });
        let router = embedded(&runtime, &kit, never).router();
        for border in &BORDERS {
            let (_, answer) = runtime.block_on(call(&router, border.request(&kit, 0)));
            let answer: serde_json::Value = serde_json::from_slice(&answer).expect("an answer is JSON");
            assert_eq!(answer["reason"], border.reason, "{}", border.name);
            assert_eq!(answer["cached"], false, "{}", border.name);
        }
        let mut number = 0;
        BORDERS.iter().fold(Race::new(), |race, border| {
            let (kit, runtime, router) = (kit.clone(), runtime.clone(), router.clone());
            race.with(border.name, move || {
                number += 1;
                runtime.block_on(call(&router, border.request(&kit, number))).0
            })
        })
    });
    let mut medians: Vec<f64> =
        raced.iter().flat_map(Race::standings).map(|standing| micros(standing.p50)).collect();
    medians.sort_unstable_by(f64::total_cmp);
    if let [first, .., last] = medians[..] {
        let what = "authorization, node as a function, of twenty questions on the borders of rules";
        seen(&format!("{what}: the fastest"), first, "µs", Goal::None);
        seen(&format!("{what}: the slowest"), last, "µs", Goal::None);
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
        let asking = Asking::new(&kit);
        let arm = |kind| {
            let (asking, served) = (asking.clone(), served.clone());
            let mut exchange = Exchange::connect(served.node).expect("it listens");
            move || {
                let _lives = &served;
                assert_eq!(exchange.send(&asking.next_bytes(kind)).expect("it answers").status, 200);
            }
        };
        let question = serde_json::to_string(&question(&kit)).expect("a question is JSON");
        let json = [("content-type", "application/json")];
        let asked = request("POST", &opa::path(), &json, &format!(r#"{{"input":{question}}}"#));
        let exchange = RefCell::new(Exchange::connect(served.engine).expect("it listens"));
        Race::new()
            .with(UNCACHED, arm(Kind::Read))
            .with(CACHED, arm(Kind::ReadAgain))
            .with(ENGINE, move || exchange.borrow_mut().send(&asked).expect("it answers").status)
    });
    if let Some(race) = raced {
        tell(&race, "authorization over HTTP");
    }
}

/// The median of each, and what the node adds to the decision.
fn tell(race: &Race<'_>, what: &str) {
    for standing in race.standings() {
        seen(&format!("{what}: {}", standing.name), micros(standing.p50), "µs", Goal::None);
    }
    if let Some(own) = race.added(UNCACHED, ENGINE) {
        seen(&format!("{what}: what the node adds to the decision"), own.median, "µs", OWN);
    }
}

criterion_group!(name = benches; config = brief(); targets = in_process, borders, over_http, summary);
criterion_main!(benches);
