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
    /// Whether its connection has ended, or its holder left it: it is over then, and was not given back.
    #[serde(default)]
    pub is_cut: bool,
    /// The holdings before that were not given back and whose leases were not over when this one began.
    #[serde(default)]
    pub after: Vec<Predecessor>,
}

/// A holder who did not give the lock back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Predecessor {
    /// Who.
    pub by: Holder,
    /// When he last renewed his lease.
    pub renewed: Stamp,
}

impl Predecessor {
    fn forsaken(&self, now: Stamp) -> Forsaken {
        let left = LEASE.saturating_sub(now.saturating_since(self.renewed));
        Forsaken { by: self.by.clone(), left }
    }
}

impl Held {
    /// All whose leases are not over at `now`, one a holder: the one who held it last is among them.
    fn hand_on(self, now: Stamp) -> Vec<Predecessor> {
        let mut all = self.after;
        all.retain(|before| before.by != self.by);
        all.push(Predecessor { by: self.by, renewed: self.renewed });
        all.retain(|before| now.saturating_since(before.renewed) < LEASE);
        all
    }
}

/// What is left of a holding that ended without being given back. What its holder had asked of other systems may still
/// be under way there, and none of them fences as the store does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Forsaken {
    /// Whose it was.
    pub by: Holder,
    /// How much of its lease was left when the lock was taken over.
    pub left: Duration,
}

impl Forsaken {
    /// How long whoever took the lock over changes nothing, from then on.
    ///
    /// A holder makes no call once its lease is over, and drops those under way one [`HEARTBEAT`] before: so by then they
    /// have come to their end, whether or not he knows that his connection is. One whose process is gone calls no more,
    /// and a heartbeat from now is enough.
    pub fn settles_in(&self, is_gone: bool) -> Duration {
        if is_gone { self.left.min(HEARTBEAT) } else { self.left }
    }
}

/// A lock that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taken {
    /// The token of its writes.
    pub token: FencingToken,
    /// The holdings before that were not given back and whose leases are not over, one a holder.
    pub after: Vec<Forsaken>,
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
/// - The end of a session ends its holding at once; nobody waits for a timer to take the lock.
/// - Whoever takes a lock that was not given back is told who held it, and how much of that lease is left; of those
///   before, too, until one gives it back or their leases are over.
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
    /// The last holding, unless it was given back; it is live only while its session and its lease last.
    pub held: Option<Held>,
}

impl LockRow {
    /// The holding that is live at `now`.
    pub fn live(&self, now: Stamp) -> Option<&Held> {
        self.held.as_ref().filter(|held| !held.is_cut && now.saturating_since(held.renewed) < LEASE)
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// [`Contended`] while another holding is live, whoever asks.
    pub fn acquire(&mut self, now: Stamp, session: SessionId, by: Holder) -> Result<Taken, Contended> {
        if let Some(held) = &mut self.held {
            held.renewed = held.renewed.min(now);
            for before in &mut held.after {
                before.renewed = before.renewed.min(now);
            }
        }
        if let Some(held) = self.live(now) {
            return Err(Contended(held.clone()));
        }
        let after = self.held.take().map(|held| held.hand_on(now)).unwrap_or_default();
        let forsaken = after.iter().map(|before| before.forsaken(now)).collect();
        self.issued += 1;
        let token = FencingToken(self.issued);
        self.held = Some(Held { by, since: now, renewed: now, session, token, is_cut: false, after });
        Ok(Taken { token, after: forsaken })
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

    /// Gives the lock back: nothing that its holder, or one before him, asked for is under way any more.
    pub fn release(&mut self, token: FencingToken) {
        self.held.take_if(|held| held.token == token);
    }

    /// Ends a holding without giving the lock back.
    pub fn leave(&mut self, token: FencingToken) {
        if let Some(held) = self.held.as_mut().filter(|held| held.token == token) {
            held.is_cut = true;
        }
    }

    /// The connection ended, by whatever cause.
    pub fn session_ended(&mut self, session: SessionId) {
        if let Some(held) = self.held.as_mut().filter(|held| held.session == session) {
            held.is_cut = true;
        }
    }
}
