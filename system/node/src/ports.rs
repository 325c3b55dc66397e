//! Where a node meets its world: one trait for each thing outside it.
//!
//! An implementation may speak HTTP or read a file ([`crate::adapters`]), or be a stand-in within the same
//! process. The node bounds every call in time itself; an implementation that is dropped half-way must
//! leave nothing behind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_authz::decision::MalformedDecision;
use dive_authz::{Decision, Input, PolicyRevision, Resource};
use dive_resilience::{Breaker, BreakerSettings, CircuitBreaker};
use jsonwebtoken::jwk::JwkSet;

use crate::audit::AuditEntry;
use crate::dependency::Dependency;
use crate::event::NodeEvent;

/// The policy decision point.
#[async_trait]
pub trait PolicyEngine: Send + Sync {
    /// Decides one question.
    ///
    /// # Errors
    /// [`EngineError`] for anything that is not exactly one well-formed decision.
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError>;

    /// Whether the engine is there and able to answer.
    ///
    /// # Errors
    /// [`ProbeError`] when it is not.
    async fn check(&self) -> Result<(), ProbeError>;

    /// Which policy decides, if the engine says so. A change flushes the decision cache.
    ///
    /// # Errors
    /// [`ProbeError`] when the engine cannot be asked; the last revision read then stands.
    async fn revision(&self) -> Result<Option<PolicyRevision>, ProbeError> {
        Ok(None)
    }
}

/// Why there is no decision.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No connection, or it broke.
    #[error("the policy engine cannot be reached: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("the policy engine did not answer within {0:?}")]
    Timeout(Duration),
    /// It answered with a server's error.
    #[error("the policy engine answered with status {0}")]
    Failed(u16),
    /// It refused the question: the fault is this node's, not the engine's.
    #[error("the policy engine refused the question with status {0}")]
    Refused(u16),
    /// It answered something that is no decision.
    #[error(transparent)]
    Malformed(#[from] MalformedDecision),
    /// Its answer is too long to be a decision.
    #[error("the policy engine's answer is longer than {limit} bytes")]
    TooLong {
        /// The greatest length, bytes.
        limit: usize,
    },
}

impl EngineError {
    /// Whether this tells that the engine is ill. A refused question does not.
    pub const fn is_the_engines_fault(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

/// Why a check of a dependency failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeError(pub String);

/// The periodic check of a dependency.
#[async_trait]
pub trait Probe: Send + Sync {
    /// Whether the dependency is there and able to work.
    ///
    /// # Errors
    /// [`ProbeError`] when it is not.
    async fn check(&self) -> Result<(), ProbeError>;
}

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The tenant it belongs to.
    pub tenant: String,
}

/// A store that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// The set of trusted issuers and their keys.
#[async_trait]
pub trait IssuerRegistry: Send + Sync {
    /// The entry of `issuer`, or `None` when it is not trusted.
    ///
    /// # Errors
    /// [`StoreError`] when the set cannot be read. The node then trusts only what it read before.
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError>;

    /// The issuer's public keys.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read. The node then uses those it read before.
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError>;
}

/// Resource metadata.
#[async_trait]
pub trait ResourceStore: Send + Sync {
    /// The metadata of a resource, or `None` when there is no such resource.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn metadata(&self, resource_id: &str) -> Result<Option<Arc<Resource>>, StoreError>;
}

/// The audit trail.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Keeps `entry`. When this returns, the entry survives what the implementation promises it survives.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be kept. The node then does not let the request through.
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError>;
}

/// Where a node tells what happens in it.
///
/// Called in the order in which things happen, sometimes under a lock: it must neither block nor call back.
pub trait EventSink: Send + Sync {
    /// Takes note of `event`.
    fn emit(&self, event: &NodeEvent<'_>);
}

/// What the node's process takes of its machine.
pub trait ProcessStats: Send + Sync {
    /// Resident memory, bytes; `None` when it cannot be told.
    fn resident_bytes(&self) -> Option<u64>;
}

/// Makes the breaker of a dependency, given its name and settings.
pub type BreakerFactory = Box<dyn Fn(&str, &BreakerSettings) -> Box<dyn CircuitBreaker> + Send + Sync>;

/// Everything a node is given of its world.
pub struct Ports {
    /// The policy decision point.
    pub engine: Arc<dyn PolicyEngine>,
    /// The trusted issuers.
    pub issuers: Arc<dyn IssuerRegistry>,
    /// The resources' metadata.
    pub resources: Arc<dyn ResourceStore>,
    /// The audit trail.
    pub audit: Arc<dyn Audit>,
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// Checks of dependencies other than the policy engine, which is checked through
    /// [`PolicyEngine::check`].
    pub probes: BTreeMap<Dependency, Arc<dyn Probe>>,
    /// Makes breakers; the product's [`Breaker`] unless another is put in its place.
    pub breakers: BreakerFactory,
    /// What the process takes of its machine, if that is to be shown.
    pub process: Option<Arc<dyn ProcessStats>>,
}

impl Ports {
    /// The least a node needs, with the product's breaker.
    pub fn new(
        engine: Arc<dyn PolicyEngine>,
        issuers: Arc<dyn IssuerRegistry>,
        resources: Arc<dyn ResourceStore>,
        audit: Arc<dyn Audit>,
        events: Arc<dyn EventSink>,
    ) -> Self {
        Self {
            engine,
            issuers,
            resources,
            audit,
            events,
            probes: BTreeMap::new(),
            breakers: Box::new(|name, settings| Box::new(Breaker::new(name, settings))),
            process: None,
        }
    }
}

impl fmt::Debug for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ports").field("probes", &self.probes.keys()).finish_non_exhaustive()
    }
}
