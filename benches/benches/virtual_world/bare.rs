//! The measured world with a plain driver: a hub, four dependencies, one caller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use benches::hub::{Silent, ports};
use dive_authz::{Decision, Input};
use dive_node::ports::{EngineError, EventSink, PolicyEngine, Probe, ProbeError};
use dive_node::{Dependency, Node as DiveNode, Settings};
use dive_runtime::{Monotonic, Runtime, Task, Wall};
use harness_core::fault::Edge;
use harness_core::time::At;
use harness_sim::{Link, LinkError, Links, Node, Reply, Sim, SimHandle, SimSettings, Slot};
use scenarios::binding::kit::Kit;
use scenarios::binding::policy::Authz;
use scenarios::binding::requests::Kind;
use scenarios::binding::session::Session;
use scenarios::binding::topology::Shape;
use tower::ServiceExt as _;

use super::LIFE;

/// When the policy engine crashes.
const OUTAGE: Duration = Duration::from_secs(120);
/// When it is back.
const BACK: Duration = Duration::from_secs(180);
/// Between two requests.
const EVERY: Duration = Duration::from_secs(1);
/// How many questions are few.
const FEW: u64 = 8;
/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the hub's callers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking {
    /// No question twice, so that none is answered from the decision cache.
    New,
    /// The same eight questions in turn.
    Again,
    /// Nobody asks anything.
    Nothing,
}

/// What came of a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How many answers had which status; 0 is no answer.
    pub(crate) statuses: BTreeMap<u16, u32>,
    /// Of the simulation: which task was polled when.
    pub(crate) fingerprint: u64,
}

/// Everything that lives in one simulation.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) hub: Node,
    pub(crate) client: Link<Router>,
    clock: SimHandle,
    kit: Arc<Kit>,
    asking: Asking,
    opa: Node,
    engine: Slot<Arc<Authz>>,
}

impl World {
    pub(crate) fn new(seed: u64, asking: Asking) -> Self {
        Self::watched(seed, asking, |_| Arc::new(Silent))
    }

    /// With somebody listening to the hub's events.
    pub(crate) fn watched(
        seed: u64,
        asking: Asking,
        events: impl FnOnce(&SimHandle) -> Arc<dyn EventSink>,
    ) -> Self {
        let sim = Sim::new(SimSettings::seeded(seed));
        let clock = sim.handle();
        let links = Links::new(&clock);
        let (hub, opa) = (clock.node("hub"), clock.node("opa"));
        let kit = Kit::at(Shape::HubAndOpa, hub.wall()).expect("policies and coalition fit together");

        let engine = Slot::new();
        engine.occupy(&opa, Arc::new(kit.engine()));
        let linked = Arc::new(Engine(links.link(&Edge::new("hub", "opa"), &engine)));
        let mut ports = ports(&kit, linked, events(&clock));
        for dependency in [Dependency::Mongodb, Dependency::Keycloak, Dependency::Kas] {
            let slot = Slot::new();
            slot.occupy(&clock.node(dependency.name()), ());
            let link = links.link(&Edge::new("hub", dependency.name()), &slot);
            ports.probes.insert(dependency, Arc::new(Standing(link)));
        }
        let runtime: Arc<dyn Runtime> = Arc::new(SimRuntime(hub.clone()));
        let node = DiveNode::new(Settings::default(), ports, runtime).expect("the ports fit");
        node.start();
        let routes = Slot::new();
        routes.occupy(&hub, node.router());
        let client = links.link(&Edge::new("client", "hub"), &routes);
        Self { sim, hub, client, clock, kit, asking, opa, engine }
    }

    /// Ten minutes.
    pub(crate) fn run(&mut self) -> Outcome {
        let Self { sim, client, clock, kit, asking, opa, engine, .. } = self;
        let end = At::from_start(LIFE);
        let session = Session::new(kit.clone());
        let requests = async {
            let mut statuses = BTreeMap::new();
            let (kind, questions) = match asking {
                Asking::New => (Kind::Read, u64::MAX),
                Asking::Again => (Kind::ReadAgain, FEW),
                Asking::Nothing => {
                    clock.sleep_until(end).await;
                    return statuses;
                }
            };
            let mut due = At::START;
            while due < end {
                clock.sleep_until(due).await;
                let number = due.since_start().as_secs() % questions;
                let status = clock.timeout(PATIENCE, ask(client, &session, kind, number)).await;
                *statuses.entry(status.and_then(Result::ok).unwrap_or_default()).or_default() += 1;
                due = due + EVERY;
            }
            clock.sleep_until(end).await;
            statuses
        };
        let outage = async {
            clock.sleep_until(At::from_start(OUTAGE)).await;
            opa.crash();
            clock.sleep_until(At::from_start(BACK)).await;
            engine.occupy(&opa.next_life(), Arc::new(kit.engine()));
        };
        let both = async { futures_util::future::join(requests, outage).await.0 };
        let statuses = sim.run(both).expect("nothing in it can fail");
        Outcome { statuses, fingerprint: sim.fingerprint() }
    }
}

/// One request over the link, handled as a task of the hub; the status.
pub(crate) async fn ask(
    client: &Link<Router>,
    session: &Session,
    kind: Kind,
    number: u64,
) -> Result<u16, LinkError> {
    let asked = session.ask(kind, number);
    let request = asked
        .headers()
        .fold(Request::post(&asked.path), |request, (name, value)| request.header(name, value))
        .body(Body::from(asked.body.clone()))
        .expect("its parts are valid");
    let handled = client.call(move |router: Router| async move {
        let Ok(answer) = router.oneshot(request).await;
        let status = answer.status().as_u16();
        (status, to_bytes(answer.into_body(), 1 << 20).await.unwrap_or_default())
    });
    match handled.await? {
        Reply::Answer((status, _))
        | Reply::Truncated { answer: (status, _), .. }
        | Reply::Wrong { status, .. } => Ok(status),
    }
}

/// The hub's clock and tasks are the simulation's.
struct SimRuntime(Node);

impl Runtime for SimRuntime {
    fn now(&self) -> Monotonic {
        Monotonic::from_start(self.0.now().since_start())
    }

    fn wall(&self) -> Wall {
        Wall::from_epoch(self.0.wall())
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        Box::pin(self.0.sleep_until(At::from_start(deadline.since_start())))
    }

    fn spawn(&self, name: &'static str, task: Task) {
        self.0.spawn(name, task);
    }
}

/// The policy engine over a link.
struct Engine(Link<Arc<Authz>>);

#[async_trait]
impl PolicyEngine for Engine {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        let input = input.clone();
        let answer = self.0.call(move |engine: Arc<Authz>| async move { engine.answer(&input) }).await;
        match answer {
            Ok(Reply::Answer(body)) => Ok(Decision::from_engine(body.as_bytes())?),
            Ok(Reply::Truncated { .. } | Reply::Wrong { .. }) => Err(EngineError::Failed(500)),
            Err(error) => Err(EngineError::Unreachable(error.to_string())),
        }
    }

    async fn check(&self) -> Result<(), ProbeError> {
        check(&self.0).await
    }
}

/// A dependency that is there or not.
struct Standing(Link<()>);

#[async_trait]
impl Probe for Standing {
    async fn check(&self) -> Result<(), ProbeError> {
        check(&self.0).await
    }
}

async fn check<S: Clone + Send + 'static>(link: &Link<S>) -> Result<(), ProbeError> {
    match link.call(|_| async {}).await {
        Ok(Reply::Answer(())) => Ok(()),
        Ok(Reply::Truncated { .. } | Reply::Wrong { .. }) => Err(ProbeError("a wrong answer".into())),
        Err(error) => Err(ProbeError(error.to_string())),
    }
}
