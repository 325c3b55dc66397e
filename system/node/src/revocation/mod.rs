//! The revocations this node knows of, and how it keeps knowing them.
//!
//! ```text
//!  enforcement ──refuses──► Revocations (a local copy, never waits) ◄──learns── follower ──► RevocationStore
//!  POST revoke ──revoke───►      │  └──► the store, or the queue of what it has still to be told ──┘
//!                                └──► on news: the decisions about that user are forgotten
//! ```
//!
//! What holds
//! - Whether a token is refused is answered from the local copy alone: it costs no call, and it goes on while the
//!   store is away.
//! - Something put into the store reaches the copy by the feed at once; if the feed lost it, by the next whole
//!   reading, which ends within two intervals of [`RevocationSettings::reread`] (4 s by default).
//! - While the store is away what was known before still holds. What is revoked here meanwhile holds here at once and
//!   is told to the store when it is back.
//! - A node that starts while the store is away knows nothing and refuses nothing for being revoked: it keeps
//!   answering, and its health says that the store is down. To refuse everyone would make the store critical.
//!
//! [`RevocationSettings::reread`]: crate::settings::RevocationSettings::reread

mod follower;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dive_resilience::revocation::{self as copy, Learned};
use dive_runtime::{Monotonic, Runtime, Wall};
use parking_lot::Mutex;

pub use dive_resilience::revocation::Refusal;

use crate::ports::{Revocation, RevocationStore, StoreError};
use crate::settings::RevocationSettings;

/// How many revocations can wait for a store that is away.
const UNTOLD: usize = 10_000;

/// Called for each revocation that refuses more than before, whoever asked for it. It must not block.
pub type OnNews = Box<dyn Fn(&Revocation) + Send + Sync>;

/// The local copy and its way to the store.
pub struct Revocations {
    store: Arc<dyn RevocationStore>,
    runtime: Arc<dyn Runtime>,
    reread: Duration,
    on_news: OnNews,
    copy: Mutex<copy::Revocations>,
    known: Mutex<Known>,
    /// What was revoked here and is not known to be in the store.
    untold: Mutex<VecDeque<Revocation>>,
}

/// How well the copy stands for the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// When the last whole reading that succeeded began; `None`: the store was never read.
    pub read_at: Option<Monotonic>,
    /// Whether the feed is being listened to and the last whole reading succeeded.
    pub following: bool,
}

/// What became of a revocation that this node was asked for. It holds here in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It is in the store: every node will know.
    Everywhere,
    /// The store is away, or does not take it: it will be told as soon as it is back, if this node lives so long.
    HereOnly(StoreError),
}

/// Too many revocations wait for the store already: this one holds here, and nobody else will be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{UNTOLD} revocations wait for their store already: {0}")]
pub struct TooManyUntold(StoreError);

impl Revocations {
    /// Knows nothing until [`follow`](Self::follow) has read the store.
    pub fn new(
        store: Arc<dyn RevocationStore>,
        settings: &RevocationSettings,
        runtime: Arc<dyn Runtime>,
        on_news: OnNews,
    ) -> Self {
        Self {
            store,
            runtime,
            reread: settings.reread,
            on_news,
            copy: Mutex::new(copy::Revocations::new(settings.entries)),
            known: Mutex::default(),
            untold: Mutex::default(),
        }
    }

    /// Whether a token is refused now, and why. `iat` is in whole seconds since the Unix epoch; a token issued in the
    /// second of its user's revocation is refused. One without `jti` can be refused for its user only.
    pub fn refuses(&self, jti: Option<&str>, unique_id: &str, iat: i64) -> Option<Refusal> {
        let now = self.runtime.wall().since_epoch();
        self.copy.lock().refuses(jti, unique_id, iat, now)
    }

    /// Revokes: here at once, and everywhere through the store. Whether who asks may, is asked before.
    ///
    /// # Errors
    /// [`TooManyUntold`]; it then holds here only.
    pub async fn revoke(&self, revocation: Revocation) -> Result<Revoked, TooManyUntold> {
        self.learn(&revocation);
        let put = self.runtime.timeout(self.reread, self.store.put(&revocation)).await;
        let Err(why) = put.unwrap_or_else(|elapsed| Err(elapsed.into())) else {
            return Ok(Revoked::Everywhere);
        };
        let mut untold = self.untold.lock();
        if untold.len() >= UNTOLD {
            return Err(TooManyUntold(why));
        }
        untold.push_back(revocation);
        Ok(Revoked::HereOnly(why))
    }

    /// How well the copy stands for the store.
    pub fn known(&self) -> Known {
        *self.known.lock()
    }

    /// The number of revocations kept here.
    pub fn len(&self) -> usize {
        self.copy.lock().len()
    }

    /// Whether none is kept here.
    pub fn is_empty(&self) -> bool {
        self.copy.lock().is_empty()
    }

    fn learn(&self, revocation: &Revocation) {
        let now = self.runtime.wall().since_epoch();
        let learned = self.copy.lock().learn(&as_copied(revocation), now);
        if learned == Learned::News || learned == Learned::NoRoom {
            (self.on_news)(revocation);
        }
    }
}

fn as_copied(revocation: &Revocation) -> copy::Revocation {
    match revocation {
        Revocation::Token { jti, until } => {
            copy::Revocation::Token { jti: jti.as_str().into(), until: Wall::since_epoch(*until) }
        }
        Revocation::User { unique_id, issued_until, until } => copy::Revocation::User {
            user: unique_id.as_str().into(),
            issued_until: *issued_until,
            until: Wall::since_epoch(*until),
        },
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revocations").field("known", &self.known()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod over_redis_tests;
#[cfg(test)]
mod tests;
