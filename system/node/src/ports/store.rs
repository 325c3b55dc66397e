//! What the node reads and writes of its own.

use std::sync::Arc;

use async_trait::async_trait;
use dive_authz::Resource;
use dive_runtime::Elapsed;

use super::ProbeError;
use crate::audit::AuditEntry;

/// Why what was asked for was not read, or is not known to be kept. Its words are for logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What is asked could not be reached, broke off, took too long, failed by itself, or answered what is no
    /// answer.
    #[error("{0}")]
    Unavailable(String),
    /// It is well and said no: there is no such thing, it may not be done, or cannot be.
    #[error("{0}")]
    Refused(String),
    /// It is well; what it holds there is of no use to this node.
    #[error("{0}")]
    Invalid(String),
}

impl StoreError {
    /// Whether this tells that what was asked is ill. Only then may it count against its circuit: or else one
    /// question that nobody can answer, asked often enough, would take the answer to every other away.
    pub const fn is_the_stores_fault(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<Elapsed> for StoreError {
    fn from(elapsed: Elapsed) -> Self {
        Self::Unavailable(elapsed.to_string())
    }
}

impl From<StoreError> for ProbeError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

/// A resource as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredResource {
    /// Its metadata. What it says about integrity is not believed: the node computes that itself.
    pub metadata: Resource,
    /// Its ZTDF object, manifest and payload, as bytes of JSON; encrypted resources have one.
    pub object: Option<Vec<u8>>,
}

/// Resources.
#[async_trait]
pub trait ResourceStore: Send + Sync {
    /// A resource, or `None` when there is no such one.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn resource(&self, resource_id: &str) -> Result<Option<Arc<StoredResource>>, StoreError>;

    /// The ids of at most `limit` resources whose id contains `text`, in their order, after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    async fn search(&self, text: &str, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError>;
}

/// The audit trail.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Keeps `entry`. When this returns, the entry survives what the implementation promises it survives.
    /// An entry whose id is kept already is kept once.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be kept. The node then does not let the request through.
    async fn record(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError>;

    /// Keeps `entries` in their order. When this fails, some of them may be kept.
    ///
    /// # Errors
    /// [`StoreError`] when not all of them are known to be kept.
    async fn record_all(&self, entries: &[AuditEntry<'_>]) -> Result<(), StoreError> {
        for entry in entries {
            self.record(entry).await?;
        }
        Ok(())
    }
}
