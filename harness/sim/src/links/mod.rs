//! Links: how one node calls another, and what can go wrong between them.
//!
//! ```text
//!  caller ── up latency ──► rules ──► slot ──► handler, a task of the callee's node
//!  caller ◄── down latency, rules ◄── answer, or the drop of the handler: a reset
//! ```
//!
//! Each call is a connection of its own; there is no keep-alive to hide a fault. Rules are looked up when
//! a request arrives at the callee's end and when its answer arrives at the caller's: what is already
//! past is not concerned.

mod probe;
mod rule;
mod traffic;
mod wire;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use harness_core::fault::Edge;
use parking_lot::Mutex;
use thiserror::Error;

pub use probe::{Probe, ProbeEnd};
pub use rule::Rule;
pub use traffic::{Ending, Passing, Tap, Traffic};
pub use wire::Wire;
use wire::{Purpose, serve};

use crate::chance;
use crate::node::SimHandle;
use crate::slot::Slot;

/// How long a request and an answer are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// From caller to callee.
    pub up: Duration,
    /// From callee to caller.
    pub down: Duration,
}

impl Default for Latency {
    /// 200 µs each way: machines in one building.
    fn default() -> Self {
        Self { up: Duration::from_micros(200), down: Duration::from_micros(200) }
    }
}

/// What a caller got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// The callee's answer.
    Answer(T),
    /// An imposter's answer: an HTTP status and a body that may be anything.
    Wrong {
        /// The status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The callee's answer, of which only the first bytes came through before the connection closed. The
    /// caller's adapter knows its encoding: it must treat a shorter body as broken, and take an answer that
    /// is not longer than that as whole.
    Truncated {
        /// The whole answer.
        answer: T,
        /// How many bytes of its body came through.
        after_bytes: u64,
    },
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum LinkError {
    /// Nobody listens, or something says so.
    #[error("connection refused")]
    Refused,
    /// The connection was reset: the callee died, or something on the way broke it.
    #[error("connection reset by peer")]
    Reset,
    /// The connection was closed before the answer came.
    #[error("connection closed before the answer was complete")]
    Closed,
}

/// All edges of a simulation. Clones are the same edges.
#[derive(Clone)]
pub struct Links {
    shared: Arc<Shared>,
}

struct Shared {
    sim: SimHandle,
    latency: Latency,
    wires: Mutex<BTreeMap<Edge, Arc<Wire>>>,
    tap: Arc<OnceLock<Tap>>,
}

impl Links {
    /// No edges yet; each will have the default [`Latency`].
    pub fn new(sim: &SimHandle) -> Self {
        Self::with_latency(sim, Latency::default())
    }

    /// No edges yet; each will have this latency.
    pub fn with_latency(sim: &SimHandle, latency: Latency) -> Self {
        let shared = Shared { sim: sim.clone(), latency, wires: Mutex::default(), tap: Arc::default() };
        Self { shared: Arc::new(shared) }
    }

    /// A way for `edge.from` to call what listens at `slot`. The first link of an edge declares the edge
    /// and says where its probes go; further ones share its rules and counts.
    pub fn link<S>(&self, edge: &Edge, slot: &Slot<S>) -> Link<S>
    where
        S: Clone + Send + 'static,
    {
        let mut wires = self.shared.wires.lock();
        let wire = wires.entry(edge.clone()).or_insert_with(|| {
            let sim = self.shared.sim.clone();
            let chance = chance::stream(sim.seed(), &format!("link {edge}"));
            let tap = Arc::clone(&self.shared.tap);
            Arc::new(Wire::new(edge.clone(), sim, Box::new(slot.clone()), tap, self.shared.latency, chance))
        });
        Link { wire: Arc::clone(wire), slot: slot.clone() }
    }

    /// An edge that a link was made for.
    pub fn wire(&self, edge: &Edge) -> Option<Arc<Wire>> {
        self.shared.wires.lock().get(edge).cloned()
    }

    /// All edges, in order.
    pub fn wires(&self) -> Vec<Arc<Wire>> {
        self.shared.wires.lock().values().cloned().collect()
    }

    /// Has `tap` told of every call that begins or ends. Can be done once.
    ///
    /// # Errors
    /// The tap, when there is one already.
    pub fn tap(&self, tap: Tap) -> Result<(), Tap> {
        self.shared.tap.set(tap)
    }
}

/// A caller's way to a callee. Cheap to clone.
pub struct Link<S> {
    wire: Arc<Wire>,
    slot: Slot<S>,
}

impl<S> Clone for Link<S> {
    fn clone(&self) -> Self {
        Self { wire: Arc::clone(&self.wire), slot: self.slot.clone() }
    }
}

impl<S: Clone + Send + 'static> Link<S> {
    /// Calls: has `handler` run against the service as a task of the callee's node, and waits for what
    /// comes back. Nothing bounds the wait but the caller's own timeout.
    ///
    /// # Errors
    /// [`LinkError`], as the caller of a real connection would see it.
    pub async fn call<T, F, H>(&self, handler: H) -> Result<Reply<T>, LinkError>
    where
        H: FnOnce(S) -> F + Send + 'static,
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let dispatch = |answer_to| match self.slot.occupant() {
            Some((node, service)) => {
                serve(&self.wire, &node, "handler", async move { handler(service).await }, answer_to);
                true
            }
            None => false,
        };
        self.wire.carry(Purpose::Call, dispatch).await
    }

    /// The edge it runs over.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }
}

#[cfg(test)]
mod tests;
