//! How the node finds out whether a dependency is there.

use async_trait::async_trait;

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
