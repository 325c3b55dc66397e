//! How the audit trail gets from this node's disk to the store that all nodes share.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Audit, StoreError};
use crate::audit::AuditEntry;

/// Entries of a trail, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailBatch {
    /// The entries.
    pub entries: Vec<AuditEntry<'static>>,
    /// The place behind the last of them.
    pub end: u64,
}

/// A trail that is read in its order and remembers how far it was copied.
#[async_trait]
pub trait AuditSource: Send + Sync {
    /// At most `limit` entries that are not known to be copied.
    ///
    /// # Errors
    /// [`StoreError`] when the trail cannot be read.
    async fn unshipped(&self, limit: usize) -> Result<TrailBatch, StoreError>;

    /// Remembers, beyond the death of the process, that everything before `end` was copied.
    ///
    /// # Errors
    /// [`StoreError`] when that is not known to be remembered; the entries will be copied again.
    async fn shipped(&self, end: u64) -> Result<(), StoreError>;
}

/// From where to where the trail is copied.
#[derive(Clone)]
pub struct Shipping {
    /// The trail.
    pub from: Arc<dyn AuditSource>,
    /// The store. It keeps an entry once, however often it is copied.
    pub to: Arc<dyn Audit>,
}
