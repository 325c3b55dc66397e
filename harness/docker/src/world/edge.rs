//! Breaking and mending one edge, and showing both.
//!
//! Canaries go to Toxiproxy's container itself, as the services do. A published port would not do: behind one
//! stands a forwarder of the engine's, which accepts what Toxiproxy refuses.

use std::net::SocketAddr;
use std::time::Duration;

use harness_core::fault::{Edge, Fault};
use harness_core::world::{Evidence, WorldError};
use harness_local::Canary;
use harness_local::canary::Outcome;
use harness_local::clock::Clock;
use harness_proxy::Toxic;
use tokio::io::AsyncReadExt;
use tokio::time::{sleep, timeout};

use super::control::Control;
use super::interceptors::Interceptors;
use super::means::{Means, means};
use super::proof::Look;

/// How long an undisturbed canary may take.
const UNDISTURBED: Duration = Duration::from_secs(1);
/// How long a healed edge may take to carry canaries again. Toxiproxy may still be dialing a service that had
/// ended by itself, and accepts nothing until that is over.
const MENDED: Duration = Duration::from_secs(30);
/// How long a connection may outlive its cutting.
const CUT: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The name of an edge's proxy.
pub(super) fn proxy_name(edge: &Edge) -> String {
    format!("{}.to.{}", edge.from, edge.to)
}

/// The names of a fault's toxics; `number` tells it from all others of the run.
pub(super) fn named(number: u64, toxics: Vec<Toxic>) -> Vec<Toxic> {
    toxics
        .into_iter()
        .map(|toxic| {
            let name = format!("fault-{number}-{}", toxic.stream);
            toxic.named(name)
        })
        .collect()
}

/// An edge with what it takes to look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breakable<'a> {
    pub(super) edge: &'a Edge,
    pub(super) toxiproxy: &'a Control,
    /// The near end, which callers call.
    pub(super) near: SocketAddr,
    /// The far end: the called service itself.
    pub(super) far: SocketAddr,
    pub(super) canary: &'a Canary,
    pub(super) clock: &'a Clock,
}

impl Breakable<'_> {
    /// Breaks the edge as the `number`-th fault of the run.
    pub(super) async fn inject(
        &self,
        number: u64,
        fault: &Fault,
        interceptors: &Interceptors,
    ) -> Result<(), WorldError> {
        let proxy = proxy_name(self.edge);
        match means(fault, self.clock).map_err(WorldError::Failed)? {
            Means::Intercept => {
                let to = interceptors.start(number, self.edge, self.near.ip(), self.far).await?;
                self.toxiproxy.lead(&proxy, to).await?;
            }
            Means::Disable => {
                self.toxiproxy.enable(&proxy, false).await?;
            }
            Means::Toxics(toxics) => {
                for toxic in named(number, toxics) {
                    self.toxiproxy.add(&proxy, &toxic).await?;
                }
            }
        }
        Ok(())
    }

    /// What shows that the fault is in effect, if anything does.
    pub(super) async fn evidence(&self, fault: &Fault) -> Option<Evidence> {
        let direct = self.canary.send(self.far, 0, UNDISTURBED).await;
        let look = Look::for_effect(fault, self.clock, &direct);
        for _ in 0..look.tries {
            let through = self.canary.send(self.near, look.padding, look.limit).await;
            if look.shows(&direct, &through) {
                return Some(Evidence(format!("a canary over the edge: {through}; past it: {direct}")));
            }
        }
        None
    }

    /// Completes when the edge carries what goes past it: then nothing of the fault is left.
    pub(super) async fn mended(&self) -> Result<Evidence, WorldError> {
        let mut last = Outcome::Refused;
        let carried = async {
            loop {
                let direct = self.canary.send(self.far, 0, UNDISTURBED).await;
                last = self.canary.send(self.near, 0, UNDISTURBED).await;
                match (direct.answer(), last.answer()) {
                    (Some(past), Some(over))
                        if past.status == over.status && past.certificate == over.certificate =>
                    {
                        return Evidence(format!("a canary over the edge: {last}; past it: {direct}"));
                    }
                    // With nobody at the far end, that Toxiproxy takes connections is all there is to see.
                    (None, None) if last != Outcome::Refused => {
                        let service = &self.edge.to;
                        return Evidence(format!("the edge takes connections; {service} itself: {direct}"));
                    }
                    _ => sleep(LOOK_AGAIN).await,
                }
            }
        };
        if let Ok(evidence) = timeout(MENDED, carried).await {
            return Ok(evidence);
        }
        Err(WorldError::Failed(format!(
            "{} was healed {MENDED:?} ago, and a canary over it: {last}",
            self.edge
        )))
    }

    /// Ends every connection of the edge. What is shown is the end of a connection made for it.
    pub(super) async fn cut(&self) -> Result<Option<Evidence>, WorldError> {
        let witness = self.canary.keep(self.near, UNDISTURBED).await;
        let proxy = proxy_name(self.edge);
        self.toxiproxy.enable(&proxy, false).await?;
        self.toxiproxy.enable(&proxy, true).await?;
        let Some(mut witness) = witness else { return Ok(None) };
        let mut rest = Vec::new();
        let how = match timeout(CUT, witness.read_to_end(&mut rest)).await {
            Err(_) => return Ok(None),
            Ok(Ok(_)) => "closed".to_owned(),
            Ok(Err(error)) => error.to_string(),
        };
        Ok(Some(Evidence(format!("a connection on which a canary had been answered: {how}"))))
    }
}
