//! The revocations that all nodes share.

use async_trait::async_trait;
use dive_runtime::Wall;

use super::StoreError;

/// Something that was accepted and is not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One token.
    Token {
        /// Its `jti`, and nothing of its issuer: that is how the nodes have agreed to name it. Two issuers that give
        /// the same name to different tokens have both refused; none is let in for it.
        jti: String,
        /// Until when this is to be known: the token's expiry, skew included.
        until: Wall,
    },
    /// Every token of a user that was issued until an instant.
    User {
        /// The user's `uniqueID`.
        unique_id: String,
        /// Tokens whose `iat` is later are accepted: a fresh login. Whole seconds since the Unix epoch.
        issued_until: i64,
        /// Until when this is to be known: the longest life of a token after `issued_until`.
        until: Wall,
    },
}

/// Where revocations are kept for all nodes.
#[async_trait]
pub trait RevocationStore: Send + Sync {
    /// Keeps `revocation` and tells every feed of it. One that is there already is never shortened.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known to be kept.
    async fn put(&self, revocation: &Revocation) -> Result<(), StoreError>;

    /// All revocations in force.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read whole.
    async fn all(&self) -> Result<Vec<Revocation>, StoreError>;

    /// Begins to listen. What is put after this returned will come through the feed, if nothing is lost.
    ///
    /// # Errors
    /// [`StoreError`] when nothing can be listened to.
    async fn feed(&self) -> Result<Box<dyn RevocationFeed>, StoreError>;
}

/// Where a node keeps the revocations that their store has not taken, until it has.
#[async_trait]
pub trait RevocationJournal: Send + Sync {
    /// What an earlier life of the node has kept and not cleared, in that order.
    fn left(&self) -> Vec<Revocation>;

    /// Keeps one. When this returns, it survives what the implementation promises it survives.
    ///
    /// # Errors
    /// [`StoreError`] when it is not known to be kept. Nobody is then told that it is.
    async fn keep(&self, revocation: &Revocation) -> Result<(), StoreError>;

    /// Forgets all: they are in the store. What cannot be forgotten is told to the store again, which does no harm.
    fn clear(&self);
}

/// News of revocations.
#[async_trait]
pub trait RevocationFeed: Send {
    /// The next one. Cancelling the call loses none.
    ///
    /// # Errors
    /// [`StoreError`] when the feed is broken; another must be begun.
    async fn next(&mut self) -> Result<Revocation, StoreError>;
}
