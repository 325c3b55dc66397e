//! The guard against requests that are sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use dive_runtime::Wall;
use sha2::{Digest, Sha256};

/// Names a nonce of a caller: a nonce is the caller's own, so nobody can use up another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of `nonce`, sent by `caller`.
    pub fn of(caller: &str, nonce: &str) -> Self {
        let mut digest = Sha256::new();
        // The length keeps the end of the one and the beginning of the other from running into each other.
        digest.update((caller.len() as u64).to_be_bytes());
        digest.update(caller);
        digest.update(nonce);
        Self(digest.finalize().into())
    }
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Replay {
    /// Its timestamp is further from the present than the window allows, or so old that its nonce may have been
    /// forgotten.
    #[error("the timestamp is too far from the present")]
    Timestamp,
    /// The nonce was used before.
    #[error("the nonce was used before")]
    Used,
    /// There is no room to remember another nonce.
    #[error("too many key requests")]
    Full {
        /// When there will be room again, at the latest.
        retry_after: Duration,
    },
}

/// Remembers the nonces that were accepted. Bounded: when it is full it refuses, it never forgets early.
///
/// # Rules
/// - A request is taken only when its timestamp lies within the window around the present, either way.
/// - A nonce is accepted once, and refused until the window has passed since both its acceptance and its
///   timestamp.
/// - A request that was accepted is never accepted again, whatever the wall clock does: a timestamp that is
///   not later than that of a nonce already forgotten is refused.
/// - At most `capacity` nonces are remembered. While there is room, a request with a good timestamp and a
///   fresh nonce is accepted.
/// - A refused request leaves nothing behind.
#[derive(Clone, Debug)]
pub struct ReplayGuard {
    window: Duration,
    capacity: NonZeroUsize,
    seen: BTreeSet<Fingerprint>,
    /// What is to be forgotten after which instant, with the timestamp that came with it.
    until: BTreeMap<(Duration, Fingerprint), Duration>,
    /// The latest timestamp of a nonce that was forgotten.
    forgotten: Option<Duration>,
}

impl ReplayGuard {
    /// A guard that remembers nothing yet.
    pub const fn new(window: Duration, capacity: NonZeroUsize) -> Self {
        Self { window, capacity, seen: BTreeSet::new(), until: BTreeMap::new(), forgotten: None }
    }

    /// Takes a request that arrives `now`, bears `timestamp` and is known by `nonce`.
    ///
    /// # Errors
    /// [`Replay`] when it must not be served.
    pub fn accept(&mut self, now: Wall, timestamp: Wall, nonce: Fingerprint) -> Result<(), Replay> {
        let (now, timestamp) = (now.since_epoch(), timestamp.since_epoch());
        self.forget(now);
        if now.abs_diff(timestamp) > self.window || self.forgotten.is_some_and(|latest| timestamp <= latest) {
            return Err(Replay::Timestamp);
        }
        if self.seen.contains(&nonce) {
            return Err(Replay::Used);
        }
        if self.seen.len() >= self.capacity.get() {
            let first = self.until.first_key_value().map_or(now, |((until, _), _)| *until);
            return Err(Replay::Full { retry_after: first.saturating_sub(now) });
        }
        self.seen.insert(nonce);
        self.until.insert((now.max(timestamp).saturating_add(self.window), nonce), timestamp);
        Ok(())
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn forget(&mut self, now: Duration) {
        while let Some(entry) = self.until.first_entry() {
            let (until, nonce) = *entry.key();
            if now <= until {
                return;
            }
            self.forgotten = self.forgotten.max(Some(entry.remove()));
            self.seen.remove(&nonce);
        }
    }
}

#[cfg(test)]
#[path = "replay_properties.rs"]
mod properties;
