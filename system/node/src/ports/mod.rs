//! Where a node meets its world: one trait for each thing outside it.
//!
//! An implementation may speak a protocol or read a file ([`crate::adapters`]), or be a stand-in within the
//! same process. The node bounds every call in time itself; an implementation that is dropped half-way must
//! leave nothing behind.
//!
//! | trait | what is behind it |
//! |---|---|
//! | [`PolicyEngine`] | OPA |
//! | [`IssuerRegistry`], [`ResourceStore`], [`Audit`] | MongoDB, or files |
//! | [`AuditSource`] | the trail's file, to be copied to MongoDB |
//! | [`IdentityProvider`] | Keycloak, or a file |
//! | [`RevocationStore`] | the blacklist Redis |
//! | [`RevocationJournal`] | a file, for what that Redis has not taken yet |
//! | [`DecisionStore`] | the cache Redis |
//! | [`Probe`] | any of them, asked whether it is there |
//! | [`EventSink`], [`ProcessStats`], [`ConnectionStats`] | logs and observers; the process itself |

mod decision_store;
mod engine;
mod events;
mod identity;
mod probe;
mod revocation;
mod shipping;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dive_resilience::{Breaker, BreakerSettings, CircuitBreaker};

pub use decision_store::{DecisionKey, DecisionStore};
pub use engine::{EngineError, PolicyEngine};
pub use events::{ConnectionStats, Connections, EventSink, ProcessStats};
pub use identity::{IdentityProvider, IssuerRegistry, TrustedIssuer};
pub use probe::{Probe, ProbeError};
pub use revocation::{Revocation, RevocationFeed, RevocationJournal, RevocationStore};
pub use shipping::{AuditSource, Shipping, TrailBatch};
pub use store::{Audit, ResourceStore, StoreError, StoredResource};

pub use crate::decisions::{SealingKey, SealingKeyError};
use crate::dependency::Dependency;

/// Makes the breaker of a dependency, given its name and settings.
pub type BreakerFactory = Box<dyn Fn(&str, &BreakerSettings) -> Box<dyn CircuitBreaker> + Send + Sync>;

/// Everything a node is given of its world.
pub struct Ports {
    /// Which program it is: label `app` of every metric.
    pub app: &'static str,
    /// The policy decision point.
    pub engine: Arc<dyn PolicyEngine>,
    /// The trusted issuers.
    pub issuers: Arc<dyn IssuerRegistry>,
    /// The issuers' keys.
    pub identity: Arc<dyn IdentityProvider>,
    /// The resources.
    pub resources: Arc<dyn ResourceStore>,
    /// The audit trail.
    pub audit: Arc<dyn Audit>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// The revocations that all nodes share, if there are any.
    pub revocations: Option<Arc<dyn RevocationStore>>,
    /// What keeps the revocations that their store has not taken. Without it, none is acknowledged before the
    /// store has it.
    pub revocation_journal: Option<Arc<dyn RevocationJournal>>,
    /// The decision cache that outlives the process, if there is one.
    pub decisions: Option<Arc<dyn DecisionStore>>,
    /// What seals the entries of [`decisions`](Self::decisions), which need one.
    pub sealing_key: Option<SealingKey>,
    /// From where to where the audit trail is copied, if it is.
    pub shipping: Option<Shipping>,
    /// Checks of dependencies other than the policy engine, which is checked through
    /// [`PolicyEngine::check`].
    pub probes: BTreeMap<Dependency, Arc<dyn Probe>>,
    /// Makes breakers; the product's [`Breaker`] unless another is put in its place.
    pub breakers: BreakerFactory,
    /// The connections of the stores' clients, of those that can count them.
    pub connections: BTreeMap<Dependency, Arc<dyn ConnectionStats>>,
    /// What the process takes of its machine, if that is to be shown.
    pub process: Option<Arc<dyn ProcessStats>>,
}

impl Ports {
    /// The least a node needs, with the product's breaker.
    pub fn new(
        engine: Arc<dyn PolicyEngine>,
        issuers: Arc<dyn IssuerRegistry>,
        identity: Arc<dyn IdentityProvider>,
        resources: Arc<dyn ResourceStore>,
        audit: Arc<dyn Audit>,
        events: Arc<dyn EventSink>,
    ) -> Self {
        Self {
            app: "dive-node",
            engine,
            issuers,
            identity,
            resources,
            audit,
            events,
            revocations: None,
            revocation_journal: None,
            decisions: None,
            sealing_key: None,
            shipping: None,
            probes: BTreeMap::new(),
            breakers: Box::new(|name, settings| Box::new(Breaker::new(name, settings))),
            connections: BTreeMap::new(),
            process: None,
        }
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("probes", &self.probes.keys()).finish_non_exhaustive()
    }
}
