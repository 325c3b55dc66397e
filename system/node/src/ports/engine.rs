//! Whom the node asks.

use std::time::Duration;

use async_trait::async_trait;
use dive_authz::decision::MalformedDecision;
use dive_authz::{Decision, Input, PolicyRevision};

use super::ProbeError;

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
