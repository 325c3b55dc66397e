//! What a binding tells the virtual world about its system.

use std::time::Duration;

use harness_core::event::Answer;
use harness_core::fault::ServiceName;
use harness_core::recorder::Recorder;
use harness_core::world::WorldError;

use crate::node::Node;

/// A system that can live in the virtual world: how its services boot, answer and are watched.
///
/// Everything it starts, it starts as a task of the node it was given, and everything that listens does
/// so at a [`Slot`](crate::Slot): so a crash ends all of it. Services call each other over
/// [`Link`](crate::Link)s and nothing else: so a fault on an edge concerns all that passes there. Keep
/// what survives a crash (disks) outside the node, in the system.
///
/// The futures run in the runner's own task and need not be `Send`; any of them may be dropped at any
/// await, when a run is interrupted.
#[expect(async_fn_in_trait, reason = "the futures stay on the runner's own thread")]
pub trait SimSystem {
    /// The services of the topology, in the order in which they boot.
    fn services(&self) -> Vec<ServiceName>;

    /// Boots a service into a life that has no tasks yet, and returns when it is ready.
    ///
    /// # Errors
    /// When it can't become ready. [`SimWorld`](super::SimWorld) bounds the time this may take.
    async fn boot(&self, service: &ServiceName, node: &Node) -> Result<(), WorldError>;

    /// Ends a service in good order: stops listening, lets requests under way finish. The life is ended
    /// afterwards in any case, and after a grace period without waiting any longer.
    async fn shut_down(&self, service: &ServiceName, node: &Node);

    /// See [`World::send`](harness_core::world::World::send). Must end in bounded time.
    async fn send(&self, request: &str, number: u64) -> Answer;

    /// See [`World::observe`](harness_core::world::World::observe).
    async fn observe(&self, recorder: &Recorder);

    /// See [`World::observation_lag`](harness_core::world::World::observation_lag). A millisecond by default,
    /// for systems whose events are recorded as they happen: all that happens at an instant is recorded
    /// before the clock moves on, but a bound may lie on that very instant. Others add the time between
    /// two looks.
    fn observation_lag(&self) -> Duration {
        Duration::from_millis(1)
    }
}
