//! A small system: a hub that asks a policy engine.

use std::future::pending;
use std::sync::Arc;

use harness_core::event::Answer;
use harness_core::fault::{Edge, ServiceName};
use harness_core::recorder::Recorder;
use harness_core::time::{At, Span};
use harness_core::world::WorldError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ms, secs};
use crate::links::{Links, Reply};
use crate::node::Node;
use crate::{Link, SimHandle, SimSystem, Slot};

/// A hub that asks a policy engine for each request and looks every second whether it is there.
pub(super) struct Toy {
    sim: SimHandle,
    links: Links,
    to_hub: Link<Hub>,
    hub: Slot<Hub>,
    opa: Slot<()>,
    sights: Arc<Sights>,
    stuck: bool,
}

#[derive(Default)]
struct Sights {
    seen: Mutex<Vec<(At, &'static str)>>,
    more: Notify,
}

#[derive(Clone)]
struct Hub {
    node: Node,
    to_opa: Link<()>,
}

impl Hub {
    async fn ask(&self) -> &'static str {
        let call = self.to_opa.call(|()| async { "allowed" });
        match self.node.sim().timeout(ms(500), call).await {
            Some(Ok(Reply::Answer(word))) => word,
            _ => "denied",
        }
    }
}

impl Toy {
    pub(super) fn new(sim: &SimHandle, links: &Links) -> Self {
        let hub = Slot::new();
        let to_hub = links.link(&Edge::new("client", "hub"), &hub);
        let (sights, opa) = (Arc::default(), Slot::new());
        Self { sim: sim.clone(), links: links.clone(), to_hub, hub, opa, sights, stuck: false }
    }

    /// One of which no service ever comes up.
    pub(super) fn stuck(sim: &SimHandle, links: &Links) -> Self {
        Self { stuck: true, ..Self::new(sim, links) }
    }
}

impl SimSystem for Toy {
    fn services(&self) -> Vec<ServiceName> {
        vec!["opa".into(), "hub".into()]
    }

    async fn boot(&self, service: &ServiceName, node: &Node) -> Result<(), WorldError> {
        node.sim().sleep(ms(20)).await;
        if self.stuck {
            pending::<()>().await;
        }
        if service.0 == "opa" {
            self.opa.occupy(node, ());
            return Ok(());
        }
        let hub = Hub { node: node.clone(), to_opa: self.links.link(&Edge::new("hub", "opa"), &self.opa) };
        self.hub.occupy(node, hub.clone());
        let sights = Arc::clone(&self.sights);
        node.spawn(
            "watch",
            Box::pin(async move {
                loop {
                    let value = if hub.ask().await == "allowed" { "UP" } else { "DOWN" };
                    sights.seen.lock().push((hub.node.now(), value));
                    sights.more.notify_one();
                    hub.node.sim().sleep(secs(1)).await;
                }
            }),
        );
        Ok(())
    }

    async fn shut_down(&self, service: &ServiceName, node: &Node) {
        match service.0.as_str() {
            "opa" => self.opa.vacate(),
            _ => self.hub.vacate(),
        }
        node.sim().sleep(ms(5)).await;
    }

    async fn send(&self, _request: &str, _number: u64) -> Answer {
        let call = self.to_hub.call(|hub| async move { hub.ask().await });
        match self.sim.timeout(secs(2), call).await {
            Some(Ok(Reply::Answer(word))) => Answer::new(word),
            _ => Answer::new("unavailable"),
        }
    }

    async fn observe(&self, recorder: &Recorder) {
        loop {
            let seen = std::mem::take(&mut *self.sights.seen.lock());
            for (at, value) in seen {
                recorder.signal(Span::exactly(at), "hub/opa", value);
            }
            self.sights.more.notified().await;
        }
    }
}
