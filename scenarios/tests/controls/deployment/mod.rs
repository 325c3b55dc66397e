//! What operators deploy with, with known defects put back.

mod platform;
mod store;

use std::sync::Arc;

use dive_orchestrator::deploy::Platform;
use dive_runtime::{Monotonic, Runtime, Task, Wall};
use parking_lot::Mutex;
use scenarios::worlds::deployment::{Connect, DeploymentParts};

use platform::FaultyPlatform;
pub(crate) use platform::PlatformDefect;
use store::FaultyStore;
pub(crate) use store::StoreDefect;

/// What is wrong with a deployment's parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum DeployDefect {
    /// The store, or how it is used.
    Store(StoreDefect),
    /// The platform, or how it is used.
    Platform(PlatformDefect),
    /// Nobody is asked whether it is meant.
    AsksNobody,
    /// Nobody waits for longer than two seconds: what a loop around every call does.
    Impatient,
}

/// The parts with that defect.
pub(crate) fn parts(defect: DeployDefect) -> DeploymentParts {
    let none = DeploymentParts::default();
    match defect {
        DeployDefect::Store(defect) => {
            // Processes that know of each other, where the defect needs it.
            let others: store::Others = Arc::new(Mutex::new(Vec::new()));
            let store = move |connect: &Connect| FaultyStore::open(defect, connect, &others);
            DeploymentParts { store: Some(Arc::new(store)), ..none }
        }
        DeployDefect::Platform(defect) => {
            let around =
                move |platform| -> Arc<dyn Platform> { Arc::new(FaultyPlatform::new(defect, platform)) };
            DeploymentParts { platform: Some(Arc::new(around)), ..none }
        }
        DeployDefect::AsksNobody => DeploymentParts { asks_nobody: true, ..none },
        DeployDefect::Impatient => {
            let around = |runtime| -> Arc<dyn Runtime> { Arc::new(Impatient(runtime)) };
            DeploymentParts { runtime: Some(Arc::new(around)), ..none }
        }
    }
}

struct Impatient(Arc<dyn Runtime>);

impl Runtime for Impatient {
    fn now(&self) -> Monotonic {
        self.0.now()
    }

    fn wall(&self) -> Wall {
        self.0.wall()
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        self.0.sleep_until(deadline.min(self.0.now() + std::time::Duration::from_secs(2)))
    }

    fn spawn(&self, name: &'static str, task: Task) {
        self.0.spawn(name, task);
    }
}
