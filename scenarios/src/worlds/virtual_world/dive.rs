//! How DIVE's services boot, answer and are watched in the simulation.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::future::join;
use harness_core::event::Answer;
use harness_core::fault::{Edge, ServiceName};
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;
use harness_sim::links::Passing;
use harness_sim::{Link, LinkError, Links, Node, Reply, SimHandle, SimSystem};
use standin_keycloak::{Interface, Method};
use tower::ServiceExt as _;

use super::Parts;
use super::feed::{Feed, Item};
use super::kas::Way;
use super::keycloak::Keycloak;
use super::runtime::SimRuntime;
use super::services::Services;
use crate::binding::asked::{Asked, Party};
use crate::binding::kit::Kit;
use crate::binding::opening::Ways;
use crate::binding::reading::document;
use crate::binding::requests::Kind;
use crate::binding::session::Session;
use crate::binding::topology::{HUB, KAS, KEYCLOAK, OPA};
use crate::execute::{ExecuteError, Plan};
use crate::worlds::{self, settings};

/// How often the health document is read.
const LOOK: Duration = Duration::from_secs(5);
/// The greatest body that a client reads, bytes.
const BODY_LIMIT: usize = 1 << 20;

/// A topology of which every service is a node of the simulation.
pub(super) struct VirtualDive {
    sim: SimHandle,
    kit: Arc<Kit>,
    feed: Feed,
    services: Services,
    /// The callers' ways.
    client: Link<Router>,
    login: Link<Keycloak>,
    opening: Link<Router>,
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
                && (edge.from.0.as_str(), edge.to.0.as_str()) == (HUB, OPA)
            {
                taps.push(Item::InFlight(format!("{edge}/in-flight"), in_flight));
            }
        }));
        debug_assert!(told.is_ok(), "these links are tapped once");
        let shape = worlds::shape_of(plan)?;
        let kit = Kit::at(shape, sim.node("clock").wall())?;
        let services = Services::new(shape, settings::of(plan)?, kit.clone(), links, parts, feed.clone());
        Ok(Self {
            sim: sim.clone(),
            session: Session::new(kit.clone()),
            kit,
            feed,
            client: links.link(&Edge::new("client", HUB), &services.hub),
            login: links.link(&Edge::new("client", KEYCLOAK), &services.keycloak),
            opening: links.link(&Edge::new("client", KAS), &services.kas),
            services,
        })
    }

    /// What comes of a request of the run's callers.
    async fn exchange(&self, asked: &Asked) -> Result<(u16, Vec<u8>), LinkError> {
        let interface = match asked.to {
            Party::Hub | Party::Kas => {
                let headers = asked.headers();
                let request = headers
                    .fold(Request::post(&asked.path), |request, (name, value)| request.header(name, value));
                let request = request.body(Body::from(asked.body.clone())).unwrap_or_default();
                let link = if asked.to == Party::Hub { &self.client } else { &self.opening };
                return ask(link, request).await;
            }
            Party::Keycloak => Interface::Main,
            Party::KeycloakManagement => Interface::Management,
        };
        let (path, body) = (asked.path.clone(), asked.body.clone().into_bytes());
        let called = self.login.call(move |keycloak: Keycloak| async move {
            keycloak.answer(interface, Method::Post, &path, &body)
        });
        Ok(match called.await? {
            Reply::Answer(answer) | Reply::Truncated { answer, .. } => answer,
            Reply::Wrong { status, body } => (status, body.into_bytes()),
        })
    }

    /// Reads the health document again and again and tells whether it is of the documented form.
    async fn read_documents(&self, recorder: &Recorder) {
        loop {
            let sent = self.sim.now();
            let request = Request::get("/health/detailed").body(Body::empty()).unwrap_or_default();
            let asked = self.sim.timeout(LOOK, ask(&self.client, request)).await;
            let form = match asked {
                Some(Ok((code, body))) => {
                    if document(code, &body).is_some_and(|document| document.is_exact(self.services.shape)) {
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

/// What comes of an HTTP request over a link: the status and the body.
async fn ask(link: &Link<Router>, request: Request<Body>) -> Result<(u16, Vec<u8>), LinkError> {
    let reply = link
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

impl SimSystem for VirtualDive {
    fn services(&self) -> Vec<ServiceName> {
        self.services.names().iter().map(|name| ServiceName::from(*name)).collect()
    }

    async fn boot(&self, service: &ServiceName, node: &Node) -> Result<(), WorldError> {
        self.services.boot(&service.0, node).await
    }

    async fn shut_down(&self, service: &ServiceName, _node: &Node) {
        self.services.vacate(&service.0);
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        let Some(kind) = Kind::named(request) else {
            return Answer::new("error").with("error", "no such request");
        };
        let asked = self.session.ask(kind, number);
        if kind == Kind::Open {
            let ways = Ways {
                node: Arc::new(Way(self.client.clone())),
                kas: Arc::new(Way(self.opening.clone())),
                runtime: Arc::new(SimRuntime(self.sim.node("client"))),
            };
            return self.session.open(ways, number, number).await;
        }
        match self.sim.timeout(asked.patience, self.exchange(&asked)).await {
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
