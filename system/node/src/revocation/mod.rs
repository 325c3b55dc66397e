//! The revocations this node knows of, and how it keeps knowing them.
//!
//! ```text
//!  enforcement ──refuses──► Revocations (a local copy) ◄──learns── follower ──► RevocationStore
//!  POST revoke ──revoke───►      │  └──► the store, or what it has still to be told ──┘
//!                                │                 └──► RevocationJournal
//!                                └──► on news: the decisions about that user are forgotten
//! ```
//!
//! What holds
//! - Whether a token is refused is answered from the local copy alone: it costs no call, and it goes on while the
//!   store is away.
//! - Something put into the store reaches the copy by the feed at once; if the feed lost it, by the next whole
//!   reading, which ends within two intervals of [`RevocationSettings::reread`] (4 s by default).
//! - While the store is away what was known before still holds. What is revoked here meanwhile holds here at once, is
//!   kept in the journal before it is acknowledged, and is told to the store when it is back, by a later life of the
//!   node if need be.
//! - A node that starts while the store is away has no copy, only its own journal: which other tokens were revoked it
//!   can't tell, so it lets none in until it has read the store whole, and its health says that the store is down.
//!   From then on it can do without the store.
//! - A token is named by its `jti`, a user by the `uniqueID`; neither by its issuer.
//!
//! [`RevocationSettings::reread`]: crate::settings::RevocationSettings::reread

mod follower;
mod probe;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dive_resilience::revocation::{self as copy, Learned};
use dive_runtime::{Monotonic, Runtime, Wall};
use parking_lot::Mutex;
use tokio::sync::watch;

pub use dive_resilience::revocation::Refusal;
pub(crate) use probe::RevocationsProbe;

use crate::ports::{Revocation, RevocationJournal, RevocationStore, StoreError};
use crate::settings::RevocationSettings;

/// How many revocations can wait for a store that is away.
const UNTOLD: usize = 10_000;

/// Called for each revocation that refuses more than before, whoever asked for it. It must not block.
pub type OnNews = Box<dyn Fn(&Revocation) + Send + Sync>;

/// The local copy and its way to the store.
pub struct Revocations {
    store: Arc<dyn RevocationStore>,
    journal: Option<Arc<dyn RevocationJournal>>,
    runtime: Arc<dyn Runtime>,
    reread: Duration,
    on_news: OnNews,
    copy: Mutex<copy::Revocations>,
    known: watch::Sender<Known>,
    /// What was revoked here and is not known to be in the store. Held while the journal is written to, so that it is
    /// cleared of nothing that is not told.
    untold: tokio::sync::Mutex<VecDeque<Revocation>>,
}

/// How well the copy stands for the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// When the last whole reading that succeeded began; `None`: the store was never read.
    pub read_at: Option<Monotonic>,
    /// Whether the feed is being listened to and the last whole reading succeeded.
    pub following: bool,
    /// Whether a first attempt to read the store has ended.
    pub tried: bool,
}

/// What became of a revocation that this node was asked for. It holds here in every case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// It is in the store: every node will know.
    Everywhere,
    /// The store is away, or does not take it: it is kept here, and told as soon as the store is back.
    HereOnly(StoreError),
}

/// The store has not taken it, and it could not be kept for later: it holds here for as long as this node lives, and
/// nobody should count on more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the revocation is neither in the store nor kept for it: {0}")]
pub struct Unkept(StoreError);

impl Revocations {
    /// Knows what the journal has left, and nothing else until [`follow`](Self::follow) has read the store.
    pub fn new(
        store: Arc<dyn RevocationStore>,
        journal: Option<Arc<dyn RevocationJournal>>,
        settings: &RevocationSettings,
        runtime: Arc<dyn Runtime>,
        on_news: OnNews,
    ) -> Self {
        let left: VecDeque<Revocation> =
            journal.as_ref().map(|journal| journal.left().into()).unwrap_or_default();
        let revocations = Self {
            store,
            journal,
            runtime,
            reread: settings.reread,
            on_news,
            copy: Mutex::new(copy::Revocations::new(settings.entries)),
            known: watch::Sender::new(Known::default()),
            untold: tokio::sync::Mutex::new(left.clone()),
        };
        for revocation in &left {
            revocations.learn(revocation);
        }
        revocations
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
    /// [`Unkept`]; it then holds here only.
    pub async fn revoke(&self, revocation: Revocation) -> Result<Revoked, Unkept> {
        self.learn(&revocation);
        let put = self.runtime.timeout(self.reread, self.store.put(&revocation)).await;
        let Err(why) = put.unwrap_or_else(|elapsed| Err(elapsed.into())) else {
            return Ok(Revoked::Everywhere);
        };
        let mut untold = self.untold.lock().await;
        if untold.len() >= UNTOLD {
            return Err(Unkept(StoreError::Refused(format!("{UNTOLD} wait already"))));
        }
        untold.push_back(revocation.clone());
        let Some(journal) = &self.journal else {
            return Err(Unkept(StoreError::Refused("there is no journal".to_owned())));
        };
        let kept = self.runtime.timeout(self.reread, journal.keep(&revocation)).await;
        kept.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(Unkept)?;
        Ok(Revoked::HereOnly(why))
    }

    /// Whether a token that is not refused was not revoked, as far as a node can know: false until the store was read
    /// whole for the first time. While the first attempt to read it is under way, it is waited for, one interval at most.
    pub async fn are_known(&self) -> bool {
        if self.known().read_at.is_none() {
            let mut known = self.known.subscribe();
            let tried = async { known.wait_for(|known| known.tried).await.is_ok() };
            // What came of it is asked for below.
            let _ = self.runtime.timeout(self.reread, Box::pin(tried)).await;
        }
        self.known().read_at.is_some()
    }

    /// How soon it is worth asking again what could not be told.
    pub(crate) fn retry_after(&self) -> Duration {
        self.reread
    }

    /// How well the copy stands for the store.
    pub fn known(&self) -> Known {
        *self.known.borrow()
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
