//! The machine's time: its own, and the calendar of the container engine, whose clock can step.

use std::sync::Arc;

use dive_runtime::{Monotonic, Runtime, Task, Wall};
use harness_sim::Node;
use parking_lot::Mutex;

use crate::worlds::virtual_world::runtime::SimRuntime;

/// The machine's time.
#[derive(Clone)]
pub(super) struct Calendar {
    own: Arc<SimRuntime>,
    /// The engine in its latest life.
    engine: Arc<Mutex<Option<Node>>>,
}

impl Calendar {
    pub(super) fn new(own: Node) -> Self {
        Self { own: Arc::new(SimRuntime(own)), engine: Arc::default() }
    }

    /// The engine was started.
    pub(super) fn follow(&self, engine: &Node) {
        *self.engine.lock() = Some(engine.clone());
    }
}

impl Runtime for Calendar {
    fn now(&self) -> Monotonic {
        self.own.now()
    }

    fn wall(&self) -> Wall {
        let engine = self.engine.lock();
        engine.as_ref().map_or_else(|| self.own.wall(), |engine| Wall::from_epoch(engine.wall()))
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        self.own.sleep_until(deadline)
    }

    fn spawn(&self, name: &'static str, task: Task) {
        self.own.spawn(name, task);
    }
}
