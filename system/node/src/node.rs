//! A node put together: what it is made of and how the parts are wired.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dive_resilience::{Snapshot, State};
use dive_runtime::{Monotonic, Runtime};

use crate::call_path::CallPath;
use crate::circuit::Circuit;
use crate::decisions::{Decisions, Shared};
use crate::dependency::Dependency;
use crate::enforcement::{Enforcement, Trail};
use crate::events::Events;
use crate::guarded::{GuardedIdentity, GuardedRegistry};
use crate::health::HealthBoard;
use crate::http::{self, RequestIds};
use crate::idps::Idps;
use crate::ids::Sequence;
use crate::metrics::Metrics;
use crate::poller::{EngineProbe, Poller, Watch};
use crate::ports::{Ports, Probe, ProcessStats, Revocation};
use crate::resources::Resources;
use crate::revocation::{Revocations, RevocationsProbe};
use crate::settings::Settings;
use crate::shipper::Shipper;
use crate::token::Verifier;

/// Why a node could not be put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// A probe was given for what the node checks itself.
    #[error("`{0}` is checked through its own port and takes no probe")]
    ProbeNotWanted(Dependency),
    /// A shared decision cache was given without a key to seal its entries with.
    #[error("the shared decision cache needs a key that seals its entries")]
    NoSealingKey,
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
    pub(crate) idps: Idps,
    pub(crate) request_ids: RequestIds,
    pub(crate) process: Option<Arc<dyn ProcessStats>>,
    pub(crate) started: Monotonic,
    shipper: Option<Arc<Shipper>>,
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
            revocations,
            revocation_journal,
            decisions,
            sealing_key,
            shipping,
            mut probes,
            breakers,
            connections,
            process,
            ..
        } = ports;
        if probes.contains_key(&Dependency::Opa) {
            return Err(NodeError::ProbeNotWanted(Dependency::Opa));
        }
        probes.insert(Dependency::Opa, Arc::new(EngineProbe(Arc::clone(&engine))));

        let guarded: Vec<Dependency> =
            probes.keys().copied().filter(|dependency| settings.breakers.contains_key(dependency)).collect();
        let metrics = Metrics::new(app, &settings.node, &guarded)
            .watching(probes.keys().copied())
            .of_connections(connections)
            .of_process(process.clone(), &runtime);
        let events = Arc::new(Events { metrics, sink });
        let circuit = |dependency: Dependency| {
            let name = dependency.name();
            let breaker = breakers(name, &settings.breakers[&dependency]);
            Arc::new(Circuit::new(name, breaker, Arc::clone(&runtime), Arc::clone(&events)))
        };
        let circuits: BTreeMap<_, _> =
            guarded.into_iter().map(|dependency| (dependency, circuit(dependency))).collect();
        let path = |dependency: Dependency, limit| CallPath {
            dependency,
            circuit: circuits.get(&dependency).cloned(),
            limit,
            runtime: Arc::clone(&runtime),
            events: Arc::clone(&events),
        };
        let shared = match (decisions, sealing_key) {
            (None, _) => None,
            (Some(_), None) => return Err(NodeError::NoSealingKey),
            (Some(store), Some(key)) => {
                Some(Shared::new(store, key, settings.redis.timeout, Arc::clone(&runtime)))
            }
        };
        let decisions =
            Arc::new(Decisions::new(settings.cache, shared, Arc::clone(&runtime), Arc::clone(&events)));
        let board = Arc::new(HealthBoard::new(probes.keys().copied(), Arc::clone(&events)));

        let registry_timeout = settings.token.registry_timeout;
        let issuers = Arc::new(GuardedRegistry {
            registry: issuers,
            path: path(Dependency::Mongodb, registry_timeout),
        });
        let identity =
            Arc::new(GuardedIdentity { identity, path: path(Dependency::Keycloak, registry_timeout) });
        let idps = Idps::new(issuers.clone(), settings.token.trust_ttl, Arc::clone(&runtime));
        let verifier =
            Verifier::new(&settings.token, issuers, identity, Arc::clone(&runtime), Arc::clone(&events));
        let shipper = shipping.map(|shipping| {
            let path = path(Dependency::Mongodb, settings.audit.timeout);
            Arc::new(Shipper::new(shipping, &settings.audit, path))
        });
        let revocations = revocations.map(|store| {
            let decisions = Arc::clone(&decisions);
            let on_news = Box::new(move |news: &Revocation| match news {
                Revocation::User { unique_id, .. } => decisions.forget(unique_id),
                // Whose it is, is not known; it is refused before any decision is looked for.
                Revocation::Token { .. } => {}
            });
            let (journal, runtime) = (revocation_journal, Arc::clone(&runtime));
            Arc::new(Revocations::new(store, journal, &settings.revocation, runtime, on_news))
        });
        if let (Some(revocations), Some(probe)) = (&revocations, probes.get_mut(&Dependency::BlacklistRedis))
        {
            let (store, revocations) = (Arc::clone(probe), Arc::clone(revocations));
            *probe = Arc::new(RevocationsProbe { store, revocations });
        }
        let resources_path = path(Dependency::Mongodb, settings.resources.timeout);
        let enforcement = Enforcement {
            tenant: Arc::clone(&settings.node.tenant),
            verifier,
            revocations,
            revocation_hold: settings.revocation.hold,
            skew: settings.token.skew,
            resources: Resources::new(resources, settings.resources.clone(), resources_path),
            decisions,
            engine,
            engine_path: path(Dependency::Opa, settings.opa.timeout),
            trail: Trail {
                audit,
                instance: Arc::clone(&settings.node.instance),
                limit: settings.audit.timeout,
                ids: Sequence::new(&settings.node.id, "a", runtime.wall()),
                runtime: Arc::clone(&runtime),
                events: Arc::clone(&events),
            },
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
            idps,
            process,
            shipper,
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
        parts.enforcement.decisions.start();
        if let Some(revocations) = &parts.enforcement.revocations {
            let revocations = Arc::clone(revocations);
            parts.runtime.spawn("revocations", Box::pin(async move { revocations.follow().await }));
        }
        if let Some(shipper) = &parts.shipper {
            let shipper = Arc::clone(shipper);
            parts.runtime.spawn("audit shipper", Box::pin(async move { shipper.run().await }));
        }
        for (dependency, probe) in &parts.probes {
            let decisions = || Arc::clone(&parts.enforcement.decisions);
            let watch = match dependency {
                Dependency::Opa => {
                    Watch::Policy { engine: Arc::clone(&parts.enforcement.engine), decisions: decisions() }
                }
                Dependency::Redis => Watch::Cache(decisions()),
                _ => Watch::Nothing,
            };
            let poller = Poller {
                dependency: *dependency,
                settings: parts.settings.polls[dependency],
                probe: Arc::clone(probe),
                circuit: parts.circuits.get(dependency).cloned(),
                board: Arc::clone(&parts.board),
                events: Arc::clone(&parts.events),
                runtime: Arc::clone(&parts.runtime),
                watch,
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
