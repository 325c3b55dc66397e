//! What stands in the place of the product's own parts in each operator's process: known defects, put back by tests.

use std::sync::Arc;

use dive_orchestrator::deploy::{Engine, Platform};
use dive_orchestrator::store::Store;
use dive_runtime::Runtime;

/// Makes connections to the store, each a session of its own.
pub type Connect = Arc<dyn Fn() -> Arc<dyn Store> + Send + Sync>;

/// Makes the store of a process, which may connect as often as it wants.
pub type Storing = Arc<dyn Fn(&Connect) -> Arc<dyn Store> + Send + Sync>;

/// Puts something around a part.
pub type Around<T> = Arc<dyn Fn(Arc<T>) -> Arc<T> + Send + Sync>;

/// What stands there.
#[derive(Clone, Default)]
pub struct DeploymentParts {
    /// The store it works with.
    pub store: Option<Storing>,
    /// The platform it works on.
    pub platform: Option<Around<dyn Platform>>,
    /// Its time.
    pub runtime: Option<Around<dyn Runtime>>,
    /// Whether what an operator says counts as confirmed, whatever it is.
    pub asks_nobody: bool,
}

impl DeploymentParts {
    /// The store of a process that connects so.
    pub(in crate::worlds) fn connected(&self, connect: &Connect) -> Arc<dyn Store> {
        self.store.as_ref().map_or_else(|| connect(), |store| store(connect))
    }

    /// The engine of a process, with what stands in the place of its own parts.
    pub(in crate::worlds) fn around(&self, engine: Engine) -> Engine {
        let Engine { platform, runtime, .. } = &engine;
        Engine {
            platform: self
                .platform
                .as_ref()
                .map_or_else(|| platform.clone(), |around| around(platform.clone())),
            runtime: self.runtime.as_ref().map_or_else(|| runtime.clone(), |around| around(runtime.clone())),
            ..engine
        }
    }
}
