//! A node put together: what it is made of and how the parts are wired.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dive_resilience::{Snapshot, State};
use dive_runtime::{Monotonic, Runtime};

use crate::circuit::Circuit;
use crate::decisions::Decisions;
use crate::dependency::Dependency;
use crate::enforcement::Enforcement;
use crate::events::Events;
use crate::health::HealthBoard;
use crate::http::{self, RequestIds};
use crate::metrics::Metrics;
use crate::poller::{EngineProbe, PolicyWatch, Poller};
use crate::ports::{Ports, Probe, ProcessStats};
use crate::settings::Settings;
use crate::token::Verifier;

/// Why a node could not be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// A probe was given for what the node checks itself.
    #[error("`{0}` is checked through its own port and takes no probe")]
    ProbeNotWanted(Dependency),
}

/// A policy enforcement point with its breakers, health and metrics. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    parts: Arc<Parts>,
}

/// What the HTTP routes answer from.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) events: Arc<Events>,
    pub(crate) board: Arc<HealthBoard>,
    pub(crate) circuits: BTreeMap<Dependency, Arc<Circuit>>,
    pub(crate) enforcement: Enforcement,
    pub(crate) request_ids: RequestIds,
    pub(crate) process: Option<Arc<dyn ProcessStats>>,
    pub(crate) started: Monotonic,
    probes: BTreeMap<Dependency, Arc<dyn Probe>>,
}

impl Node {
    /// A node that answers at once; its checks begin with [`start`](Self::start).
    ///
    /// # Errors
    /// [`NodeError`] when the ports do not fit together.
    pub fn new(settings: Settings, ports: Ports, runtime: Arc<dyn Runtime>) -> Result<Self, NodeError> {
        let Ports {
            app,
            engine,
            issuers,
            identity,
            resources,
            audit,
            events: sink,
            mut probes,
            breakers,
            process,
            ..
        } = ports;
        if probes.contains_key(&Dependency::Opa) {
            return Err(NodeError::ProbeNotWanted(Dependency::Opa));
        }
        probes.insert(Dependency::Opa, Arc::new(EngineProbe(Arc::clone(&engine))));

        let guarded: Vec<Dependency> =
            probes.keys().copied().filter(|dependency| settings.breakers.contains_key(dependency)).collect();
        let metrics = Metrics::new(app, &settings.node, &guarded).watching(probes.keys().copied());
        let events = Arc::new(Events { metrics, sink });
        let circuit = |dependency: Dependency| {
            let name = dependency.name();
            let breaker = breakers(name, &settings.breakers[&dependency]);
            Arc::new(Circuit::new(name, breaker, Arc::clone(&runtime), Arc::clone(&events)))
        };
        let circuits: BTreeMap<_, _> =
            guarded.into_iter().map(|dependency| (dependency, circuit(dependency))).collect();
        let board = Arc::new(HealthBoard::new(probes.keys().copied(), Arc::clone(&events)));
        let decisions = Arc::new(Decisions::new(settings.cache, Arc::clone(&runtime), Arc::clone(&events)));
        let verifier =
            Verifier::new(&settings.token, issuers, identity, Arc::clone(&runtime), Arc::clone(&events));
        let enforcement = Enforcement {
            tenant: Arc::clone(&settings.node.tenant),
            instance: Arc::clone(&settings.node.instance),
            engine_timeout: settings.opa.timeout,
            resources_timeout: settings.resources.timeout,
            audit_timeout: settings.audit.timeout,
            verifier,
            resources,
            decisions,
            engine,
            circuit: Arc::clone(&circuits[&Dependency::Opa]),
            audit,
            runtime: Arc::clone(&runtime),
            events: Arc::clone(&events),
        };
        let parts = Parts {
            request_ids: RequestIds::new(&settings.node.id, runtime.wall()),
            started: runtime.now(),
            settings,
            runtime,
            events,
            board,
            circuits,
            enforcement,
            process,
            probes,
        };
        Ok(Self { parts: Arc::new(parts) })
    }

    pub(crate) fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    /// The node's routes: `POST /api/authorize`, `/health*` (also under `/api`), `/metrics`.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.parts))
    }

    /// Begins the periodic checks, each as a task of the runtime. To be called once.
    pub fn start(&self) {
        let parts = &self.parts;
        for (dependency, probe) in &parts.probes {
            let policy = (*dependency == Dependency::Opa).then(|| PolicyWatch {
                engine: Arc::clone(&parts.enforcement.engine),
                decisions: Arc::clone(&parts.enforcement.decisions),
            });
            let poller = Poller {
                dependency: *dependency,
                settings: parts.settings.polls[dependency],
                probe: Arc::clone(probe),
                circuit: parts.circuits.get(dependency).cloned(),
                board: Arc::clone(&parts.board),
                runtime: Arc::clone(&parts.runtime),
                policy,
            };
            parts.runtime.spawn(dependency.name(), Box::pin(poller.run()));
        }
    }

    /// How the breaker of `dependency` stands, if it has one.
    pub fn breaker(&self, dependency: Dependency) -> Option<Snapshot> {
        self.parts.circuits.get(&dependency).map(|circuit| circuit.snapshot())
    }

    /// An operator moves the breaker of `dependency`. Returns whether it has one.
    pub fn force_breaker(&self, dependency: Dependency, to: State) -> bool {
        self.parts.circuits.get(&dependency).map(|circuit| circuit.force(to)).is_some()
    }

    /// An operator ends a forced OPEN. Returns whether `dependency` has a breaker.
    pub fn release_breaker(&self, dependency: Dependency) -> bool {
        self.parts.circuits.get(&dependency).map(|circuit| circuit.release()).is_some()
    }

    /// An operator resets the breaker of `dependency`. Returns whether it has one.
    pub fn reset_breaker(&self, dependency: Dependency) -> bool {
        self.parts.circuits.get(&dependency).map(|circuit| circuit.reset()).is_some()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.parts.settings.node.id).finish_non_exhaustive()
    }
}
