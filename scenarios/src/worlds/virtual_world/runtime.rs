//! The system's runtime port, on a node of the simulation.

use dive_runtime::{Monotonic, Runtime, Task, Wall};
use harness_core::time::At;
use harness_sim::Node;

/// A node's time and tasks. What it spawns ends with the node.
pub(super) struct SimRuntime(pub(super) Node);

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
