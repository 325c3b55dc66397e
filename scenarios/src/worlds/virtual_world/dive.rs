//! How DIVE's services boot, answer and are watched in the simulation.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use dive_node::audit::AuditEntry;
use dive_node::ports::{
    Audit, IdentityProvider, IssuerRegistry, Ports, ResourceStore, StoreError, StoredResource, TrustedIssuer,
};
use dive_node::{Dependency, Node as DiveNode, Settings};
use dive_runtime::Runtime;
use futures_util::future::join;
use harness_core::event::Answer;
use harness_core::fault::{Edge, ServiceName};
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;
use harness_sim::links::Passing;
use harness_sim::{Link, LinkError, Links, Node, Reply, SimHandle, SimSystem, Slot};
use tower::ServiceExt as _;

use super::Parts;
use super::engine::{LinkedEngine, Opa};
use super::feed::{Feed, Item, NodeFeed};
use super::runtime::SimRuntime;
use crate::binding::kit::Kit;
use crate::binding::reading::{Told, document};
use crate::binding::requests::Kind;
use crate::binding::session::Session;
use crate::binding::topology::Shape;
use crate::execute::{ExecuteError, Plan};
use crate::worlds::settings;

/// The hub's name.
const HUB: &str = "hub";
/// How often the health document is read.
const LOOK: Duration = Duration::from_secs(5);
/// The greatest body that a client reads, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// A hub and its policy engine, each a node of the simulation.
pub(super) struct VirtualDive {
    sim: SimHandle,
    links: Links,
    settings: Settings,
    kit: Arc<Kit>,
    parts: Parts,
    feed: Feed,
    opa: Slot<Arc<Opa>>,
    hub: Slot<Router>,
    client: Link<Router>,
    session: Session,
}

impl VirtualDive {
    pub(super) fn new(
        plan: &Plan,
        sim: &SimHandle,
        links: &Links,
        parts: Parts,
    ) -> Result<Self, ExecuteError> {
        let feed = Feed::new(sim);
        let taps = feed.clone();
        let told = links.tap(Box::new(move |edge, passing| {
            if let Passing::Began { in_flight } = passing
                && edge.from.0 == HUB
            {
                taps.push(Item::InFlight(format!("{edge}/in-flight"), in_flight));
            }
        }));
        debug_assert!(told.is_ok(), "these links are tapped once");
        let hub = Slot::new();
        let kit = Kit::at(Shape::HubAndOpa, sim.node("clock").wall())?;
        Ok(Self {
            sim: sim.clone(),
            links: links.clone(),
            settings: settings::of(plan)?,
            session: Session::new(kit.clone()),
            kit,
            parts,
            feed,
            opa: Slot::new(),
            client: links.link(&Edge::new("client", HUB), &hub),
            hub,
        })
    }

    fn boot_hub(&self, node: &Node) -> Result<(), WorldError> {
        let runtime: Arc<dyn Runtime> = Arc::new(SimRuntime(node.clone()));
        let link = self.links.link(&Edge::new(HUB, "opa"), &self.opa);
        let mut engine: Arc<dyn dive_node::ports::PolicyEngine> = Arc::new(LinkedEngine(link));
        if let Some(around) = &self.parts.engine {
            engine = around(engine);
        }
        let store = Arc::new(Store { kit: self.kit.clone(), feed: self.feed.clone() });
        let events = Arc::new(NodeFeed(HUB, self.feed.clone()));
        let mut ports = Ports::new(engine, store.clone(), store.clone(), store.clone(), store, events);
        if let Some(breakers) = &self.parts.breakers {
            ports.breakers = breakers(node);
        }
        let hub = DiveNode::new(self.settings.clone(), ports, runtime)
            .map_err(|error| WorldError::Failed(error.to_string()))?;
        if let Some(opa) = hub.breaker(Dependency::Opa) {
            self.feed.push(Item::Told(HUB, circuit(opa.state.as_str())));
        }
        let feed = self.feed.clone();
        node.at_end(move || {
            feed.push(Item::Told(HUB, circuit("unknown")));
            feed.push(Item::Told(HUB, Told::Service { dependency: "opa".into(), status: "unknown".into() }));
            feed.push(Item::Told(HUB, Told::Status { status: "down".into() }));
        });
        hub.start();
        self.hub.occupy(node, hub.router());
        Ok(())
    }

    /// What comes of an HTTP request to the hub: the status and the body.
    async fn ask(&self, request: Request<Body>) -> Result<(u16, Vec<u8>), LinkError> {
        let reply = self
            .client
            .call(move |router: Router| async move {
                let answer = match router.oneshot(request).await {
                    Ok(answer) => answer,
                    Err(never) => match never {},
                };
                let status = answer.status().as_u16();
                let body = to_bytes(answer.into_body(), BODY_LIMIT).await.unwrap_or_default();
                (status, body.to_vec())
            })
            .await?;
        Ok(match reply {
            Reply::Answer(answer) | Reply::Truncated { answer, .. } => answer,
            Reply::Wrong { status, body } => (status, body.into_bytes()),
        })
    }

    /// Reads the health document again and again and tells whether it is of the documented form.
    async fn read_documents(&self, recorder: &Recorder) {
        loop {
            let sent = self.sim.now();
            let request = Request::get("/health/detailed").body(Body::empty()).unwrap_or_default();
            let asked = self.sim.timeout(LOOK, self.ask(request)).await;
            let form = match asked {
                Some(Ok((code, body))) => {
                    if document(code, &body).is_some_and(|document| document.exact) {
                        "exact"
                    } else {
                        "wrong"
                    }
                }
                _ => "unknown",
            };
            recorder.signal(Span::between(sent, self.sim.now()), "hub/document", form);
            self.sim.sleep_until(sent + LOOK).await;
        }
    }
}

fn circuit(state: &str) -> Told {
    Told::Circuit { dependency: "opa".into(), state: state.into() }
}

impl SimSystem for VirtualDive {
    fn services(&self) -> Vec<ServiceName> {
        ["opa", HUB].map(ServiceName::from).into()
    }

    async fn boot(&self, service: &ServiceName, node: &Node) -> Result<(), WorldError> {
        if service.0 == HUB {
            return self.boot_hub(node);
        }
        self.opa.occupy(node, Arc::new(Opa::new(self.kit.engine(), self.feed.clone())));
        Ok(())
    }

    async fn shut_down(&self, service: &ServiceName, _node: &Node) {
        if service.0 == HUB { self.hub.vacate() } else { self.opa.vacate() }
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        let Some(kind) = Kind::named(request) else {
            return Answer::new("error").with("error", "no such request");
        };
        let asked = self.session.ask(kind, number);
        let request = asked
            .headers()
            .fold(Request::post(&asked.path), |request, (name, value)| request.header(name, value));
        let request = request.body(Body::from(asked.body.clone())).unwrap_or_default();
        match self.sim.timeout(asked.patience, self.ask(request)).await {
            Some(Ok((status, body))) => self.session.read(&asked, status, &body),
            Some(Err(error)) => asked.failed(error.to_string()),
            None => asked.unanswered(),
        }
    }

    async fn observe(&self, recorder: &Recorder) {
        let classification = |resource: &str| self.kit.classification(resource);
        join(self.feed.drain(recorder, classification), self.read_documents(recorder)).await;
    }
}

/// What the hub reads from files elsewhere, and its audit.
struct Store {
    kit: Arc<Kit>,
    feed: Feed,
}

#[async_trait]
impl IssuerRegistry for Store {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        Ok(self.kit.issuer(issuer))
    }
}

#[async_trait]
impl IdentityProvider for Store {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<jsonwebtoken::jwk::JwkSet, StoreError> {
        self.kit.keys(&issuer.issuer).ok_or_else(|| StoreError("no such issuer".into()))
    }
}

#[async_trait]
impl ResourceStore for Store {
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError> {
        Ok(self.kit.resource(resource_id))
    }

    async fn search(
        &self,
        _text: &str,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        Err(StoreError("this store does not search".to_owned()))
    }
}

#[async_trait]
impl Audit for Store {
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        self.feed.push(Item::Audit(HUB, entry.correlation_id.clone().into_owned()));
        Ok(())
    }
}
