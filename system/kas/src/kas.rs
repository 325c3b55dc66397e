//! A key access service put together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use dive_authz::ztdf::key_wrap::{PrivateKey, PublicKey};
use dive_node::ports::BreakerFactory;
use dive_node::{Dependency, Node, NodeError, Ports, Settings};
use dive_resilience::Snapshot;
use dive_runtime::Runtime;
use parking_lot::Mutex;
use rand::rngs::StdRng;

use crate::data_keys::DataKeys;
use crate::http;
use crate::metrics::{APP, Metrics, Watched};
use crate::release::Release;
use crate::replay::ReplayGuard;

/// A key access service. Cheap to clone.
#[derive(Clone)]
pub struct Kas {
    parts: Arc<Parts>,
}

/// What the HTTP routes answer from.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) release: Release,
}

impl Kas {
    /// A service that answers at once; its checks begin with [`start`](Self::start). `key` is its own, `chance`
    /// makes the ephemeral keys that data keys are wrapped with: seeded from the system in a process.
    ///
    /// # Errors
    /// [`NodeError`] when the ports do not fit together.
    pub fn new(
        settings: Settings,
        mut ports: Ports,
        key: PrivateKey,
        chance: StdRng,
        runtime: Arc<dyn Runtime>,
    ) -> Result<Self, NodeError> {
        let metrics = Arc::new(Metrics::new(&settings.node));
        ports.app = APP;
        // It does not watch itself, and decisions that are remembered are none of its business.
        ports.probes.retain(|dependency, _| !matches!(dependency, Dependency::Kas | Dependency::Redis));
        ports.decisions = None;
        ports.events = Arc::new(Watched { metrics: Arc::clone(&metrics), sink: ports.events });
        ports.breakers = own_breaker(&settings, ports.breakers);
        let node = Node::new(settings.clone(), ports, Arc::clone(&runtime))?;
        let kas = &settings.kas;
        let started = runtime.wall().since_epoch().as_millis();
        let release = Release {
            node,
            instance: Arc::clone(&settings.node.instance),
            entry_prefix: format!("{}-{started:x}-key-", settings.node.id),
            entries: AtomicU64::new(1),
            key,
            data_keys: Mutex::new(DataKeys::new(kas.cache_ttl, kas.cache_entries)),
            replay: Mutex::new(ReplayGuard::new(kas.replay_window, kas.replay_entries)),
            chance: Mutex::new(chance),
            runtime: Arc::clone(&runtime),
            metrics: Arc::clone(&metrics),
        };
        Ok(Self { parts: Arc::new(Parts { settings, runtime, metrics, release }) })
    }

    /// The routes: `POST /request-key`, `GET /public-key`, `/health*`, `/metrics`.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.parts))
    }

    /// Begins the periodic checks of what the service depends on, and the sweep that forgets data keys whose
    /// time has passed, each as a task of the runtime. To be called once.
    pub fn start(&self) {
        self.parts.release.node.start();
        let parts = Arc::clone(&self.parts);
        let pause = (parts.settings.kas.cache_ttl / 60).max(Duration::from_millis(1));
        let sweep = async move {
            loop {
                parts.runtime.sleep(pause).await;
                parts.release.data_keys.lock().expire(parts.runtime.now());
            }
        };
        self.parts.runtime.spawn("data-keys", Box::pin(sweep));
    }

    /// The key to wrap data keys with for this service.
    pub fn public_key(&self) -> PublicKey {
        self.parts.release.key.public_key()
    }

    /// How its breaker to the policy engine stands.
    pub fn breaker(&self) -> Option<Snapshot> {
        self.node().breaker(Dependency::Opa)
    }

    /// The node that it stands around: for operators and observers.
    pub fn node(&self) -> &Node {
        &self.parts.release.node
    }

    /// Data keys remembered at this moment.
    pub fn data_keys(&self) -> usize {
        self.parts.release.data_keys.lock().len()
    }
}

/// The service's breaker to the policy engine has settings of its own.
fn own_breaker(settings: &Settings, make: BreakerFactory) -> BreakerFactory {
    let own = settings.kas.breaker;
    Box::new(move |name, configured| {
        make(name, if name == Dependency::Opa.name() { &own } else { configured })
    })
}

impl fmt::Debug for Kas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kas").field("id", &self.parts.settings.node.id).finish_non_exhaustive()
    }
}
