//! Who may change a deployment: one lock per instance, with fencing tokens.

#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Stamp;

/// How long a lock lasts without being renewed. Shorter than the 30 s within which a second deployment of the
/// same instance is told who holds it, so that a contender outlives a holder that was paused.
pub const LEASE: Duration = Duration::from_secs(20);

/// How often a holder renews its lock: three renewals may be lost before the lease is over.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// Names one holding of one instance's lock. Every write carries it; a later holder's is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FencingToken(u64);

impl FencingToken {
    /// The token of an instance's first holder.
    pub const FIRST: Self = Self(1);

    /// A token as it was stored.
    pub const fn from_stored(number: u64) -> Self {
        Self(number)
    }

    /// The number to store.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One connection to the store. Its end, for whatever reason, ends the lock taken on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// Who holds a lock, in words an operator can act on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The process there.
    pub pid: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

/// A lock that is held.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Held {
    /// By whom.
    pub by: Holder,
    /// Since when.
    pub since: Stamp,
    /// When it was last renewed.
    pub renewed: Stamp,
    /// On which connection.
    pub session: SessionId,
    /// The token its writes carry.
    pub token: FencingToken,
}

/// The lock is not to be had: someone else is at work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("held by {} since {} ms", .0.by, .0.since.millis())]
pub struct Contended(pub Held);

/// The holding with this token is over: its session ended, its lease passed, or it was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lock with token {0} is no longer held")]
pub struct Lost(pub FencingToken);

/// The lock of one instance, as one row. A store loads it, steps it and writes it back in one transaction,
/// after a refusal as after a success.
///
/// # Rules
/// - At most one holding is live at any instant.
/// - Each holding has a token greater than that of every holding before it.
/// - The end of a session ends its holding at once; nobody waits for a timer.
/// - A holding that was not renewed for [`LEASE`] is over: it can't write, nor be renewed, even when nobody
///   took the lock since.
/// - Only the live holding's token passes [`check`](Self::check), so whoever lost the lock can't write.
/// - Releasing or ending what is no longer held changes nothing.
/// - A clock set forward may end a holding early. A clock set back prolongs it, by less than one lease after
///   the first contender has looked. Neither makes two holdings live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LockRow {
    /// How many tokens were given out.
    pub issued: u64,
    /// The last holding that was not ended; it is live only while its lease lasts.
    pub held: Option<Held>,
}

impl LockRow {
    /// The holding that is live at `now`.
    pub fn live(&self, now: Stamp) -> Option<&Held> {
        self.held.as_ref().filter(|held| now.saturating_since(held.renewed) < LEASE)
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// [`Contended`] while another holding is live, whoever asks.
    pub fn acquire(&mut self, now: Stamp, session: SessionId, by: Holder) -> Result<FencingToken, Contended> {
        if let Some(held) = &mut self.held {
            held.renewed = held.renewed.min(now);
        }
        if let Some(held) = self.live(now) {
            return Err(Contended(held.clone()));
        }
        self.issued += 1;
        let token = FencingToken(self.issued);
        self.held = Some(Held { by, since: now, renewed: now, session, token });
        Ok(token)
    }

    /// Whether the holder of `token` may write at `now`.
    ///
    /// # Errors
    /// [`Lost`] when it may not.
    pub fn check(&self, now: Stamp, token: FencingToken) -> Result<(), Lost> {
        self.live(now).filter(|held| held.token == token).map(|_| ()).ok_or(Lost(token))
    }

    /// Prolongs the lease.
    ///
    /// # Errors
    /// [`Lost`] when there is nothing to prolong any more.
    pub fn renew(&mut self, now: Stamp, token: FencingToken) -> Result<(), Lost> {
        self.check(now, token)?;
        if let Some(held) = &mut self.held {
            held.renewed = now;
        }
        Ok(())
    }

    /// Gives the lock back.
    pub fn release(&mut self, token: FencingToken) {
        self.held.take_if(|held| held.token == token);
    }

    /// The connection ended, by whatever cause.
    pub fn session_ended(&mut self, session: SessionId) {
        self.held.take_if(|held| held.session == session);
    }
}
