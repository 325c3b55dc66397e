//! The decision cache that outlives a process.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// Where a decision is kept: by whom it was asked for, and by the whole question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionKey {
    /// Names the subject, without telling who it is: lower-case hexadecimal.
    pub subject: String,
    /// Names question and policy revision: lower-case hexadecimal.
    pub question: String,
}

/// A cache of decisions. What it gives back is bytes that the node sealed and will check.
#[async_trait]
pub trait DecisionStore: Send + Sync {
    /// What was kept under `key`, if it is still there.
    ///
    /// # Errors
    /// [`StoreError`] when the cache cannot be asked.
    async fn get(&self, key: &DecisionKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps `sealed` for `ttl`.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known to be kept.
    async fn put(&self, key: &DecisionKey, sealed: &[u8], ttl: Duration) -> Result<(), StoreError>;

    /// Forgets what was kept for a subject.
    ///
    /// # Errors
    /// [`StoreError`] when some of it may still be there.
    async fn forget(&self, subject: &str) -> Result<(), StoreError>;
}
