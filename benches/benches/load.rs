//! How many authorizations a second a node gives on this machine, with everybody on the same cores: the node,
//! who asks, and the policy engine where it is a process of its own.
//!
//! First the node as a function on two threads, each asking as fast as it is answered: what two cores give. Then
//! the node as a server, asked at fixed rates over sixteen connections: the highest rate at which the slowest of a
//! hundred answers takes less than ten milliseconds. No question is asked twice, so every answer is a decision of
//! the policy engine and an entry in the audit file.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::asking::{Asking, call, hub, kit};
use benches::hub::{Embedded, Silent, ports};
use benches::load::highest;
use benches::summary::{Goal, print, seen};
use benches::{opa, race, serve};
use dive_node::Settings;
use dive_node::adapters::{AuditFile, Opa};
use dive_node::ports::PolicyEngine;
use dive_node::serve::Server;
use scenarios::binding::kit::Kit;
use scenarios::binding::policy::options;
use scenarios::binding::requests::Kind;
use standin_opa::Options;
use tempfile::TempDir;

/// On two cores, with the engine in the node's process.
const GOAL: f64 = 15_000.0;
/// The slowest of a hundred may take no longer.
const BOUND: Duration = Duration::from_millis(10);
/// How long a rate is held.
const EACH: Duration = Duration::from_secs(1);
/// The rate tried first, requests a second.
const FIRST: f64 = 1_000.0;

fn main() {
    if !benches::wanted("load") || !benches::measuring() {
        return;
    }
    let kit = kit();
    println!("load/authorizations a second");
    as_a_function(&kit);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let embedded = Embedded::new(kit.engine());
    over_http(&kit, "engine embedded", Goal::AtLeast(GOAL), served(&kit, &folder, |_| Arc::new(embedded)));
    let options = options(kit.coalition().policy_data());
    let quiet = Options { decision_log: false, ..options.clone() };
    let standin = serve::routes(standin_opa::serve::router(quiet.api().expect("these policies compile")));
    over_http(&kit, "the engine's stand-in over HTTP", Goal::None, served_by(&kit, &folder, standin));
    if let Some(real) = opa::real(&options) {
        over_http(&kit, "real OPA over HTTP", Goal::None, served_by(&kit, &folder, real.address));
    }
    print();
}

/// Two threads that call the node's router.
#[expect(clippy::disallowed_methods, reason = "benches measure real time")]
fn as_a_function(kit: &Arc<Kit>) {
    let asking = Asking::new(kit);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let node = {
        let _inside = runtime.enter();
        hub(kit, Settings::default(), Arc::new(Embedded::new(kit.engine())), None)
    };
    let (began, lasts) = (Instant::now(), EACH * 3);
    let answers: u64 = runtime.block_on(async {
        let halves = [(); 2].map(|()| {
            let (router, asking) = (node.router(), asking.clone());
            tokio::spawn(async move {
                let mut answers = 0;
                while began.elapsed() < lasts {
                    let (status, _) = call(&router, asking.next_request(Kind::Read)).await;
                    assert_eq!(status, 200);
                    answers += 1;
                }
                answers
            })
        });
        let mut answers = 0;
        for half in halves {
            answers += half.await.expect("no request fails");
        }
        answers
    });
    let rate = answers as f64 / began.elapsed().as_secs_f64();
    println!("  as a function on two threads: {rate:.0} a second");
    seen("authorizations on two cores, engine embedded, node as a function", rate, "/s", Goal::AtLeast(GOAL));
}

/// A node on loopback that asks an engine over HTTP.
fn served_by(kit: &Arc<Kit>, folder: &TempDir, engine: SocketAddr) -> SocketAddr {
    served(kit, folder, move |settings| {
        let settings = settings.with("opa.url", &format!("http://{engine}")).expect("a setting of the node");
        Arc::new(Opa::new(&settings.opa).expect("an HTTP client"))
    })
}

/// A node on loopback, with its trail in `folder`.
fn served(
    kit: &Arc<Kit>,
    folder: &TempDir,
    engine: impl FnOnce(&Settings) -> Arc<dyn PolicyEngine> + Send + 'static,
) -> SocketAddr {
    let (kit, trail) = (kit.clone(), folder.path().join("audit.jsonl"));
    serve::apart(async move || {
        let set = [("http.listen", serve::ANY.to_string()), ("audit.path", trail.display().to_string())];
        let settings = set.into_iter().fold(Settings::default(), |settings, (key, value)| {
            settings.with(key, &value).expect("a setting of the node")
        });
        let mut ports = ports(&kit, engine(&settings), Arc::new(Silent));
        ports.audit = Arc::new(AuditFile::open(&settings.audit).expect("the folder can be written"));
        let server = Server::bind_with(settings, ports).await.expect("a port is free");
        (server.address(), server.run(std::future::pending()))
    })
}

fn over_http(kit: &Arc<Kit>, engine: &str, goal: Goal, node: SocketAddr) {
    let asking = Asking::new(kit);
    let Some(best) = highest(node, &|| asking.next_bytes(Kind::Read), 200, BOUND, EACH, FIRST) else {
        println!("  {engine}: no rate is borne, down to a hundred a second");
        return;
    };
    let [p50, p99] = [best.p50, best.p99].map(race::micros);
    println!("  {engine}: {:.0} a second, p50 {p50:.0} µs, p99 {p99:.0} µs", best.rate);
    seen(&format!("authorizations at p99 < 10 ms, {engine}, asked over HTTP"), best.rate, "/s", goal);
}
