//! The local copy of revocations: what a node knows of tokens that were accepted once and are not any more.
//!
//! Times are wall-clock times since the Unix epoch, as in the tokens themselves; a token's `iat` is in whole seconds.
//!
//! Invariants, asserted by the property tests in these words:
//! - what was learned is refused until its end, whatever else is learned, in whatever order, however often;
//! - a token issued after the cutoff of its user, and not revoked itself, is not refused;
//! - a token issued in the very second of the cutoff is refused;
//! - there are never more places taken than the capacity;
//! - with no room left nothing learned is accepted: every token is refused until the last of those that found no
//!   room has ended;
//! - a wall clock that steps back by no more than [`KEPT_AFTER`] lets nothing in that was learned, as long as there
//!   is room.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

/// How long a revocation is kept past its end. Its token has expired by then; a wall clock that steps back would make
/// it good again.
pub const KEPT_AFTER: Duration = Duration::from_hours(1);

/// A name takes one place, and one more for each so many bytes of it.
const BYTES_OF_A_PLACE: usize = 128;

/// Something that is refused from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// One token.
    Token {
        /// Its `jti`.
        jti: Arc<str>,
        /// Until when, this instant included: the token's own end, the skew that is allowed included.
        until: Duration,
    },
    /// Every token of a user that was issued until an instant.
    User {
        /// The user's unique id.
        user: Arc<str>,
        /// The last second whose tokens are refused; those issued later come from a fresh login.
        issued_until: i64,
        /// Until when, this instant included: the end of the last token issued until then.
        until: Duration,
    },
}

/// What became of a revocation that was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// It refuses more than before.
    News,
    /// It was known, or a longer one was.
    Known,
    /// Its end is past.
    Over,
    /// There was no room: until it ends every token is refused.
    NoRoom,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was revoked itself.
    Token,
    /// Its user's tokens were revoked after it was issued.
    User,
    /// It may have been revoked: there were more revocations than there was room for.
    NoRoom,
}

/// Everything known. A user's revocations become one: the latest cutoff, the latest end.
#[derive(Debug)]
pub struct Revocations {
    capacity: usize,
    places: usize,
    tokens: HashMap<Arc<str>, Duration>,
    users: HashMap<Arc<str>, Cutoff>,
    /// Every entry by its end.
    endings: BTreeSet<(Duration, Kind, Arc<str>)>,
    /// Until when there is something that found no room.
    no_room_until: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cutoff {
    issued_until: i64,
    until: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Token,
    User,
}

impl Revocations {
    /// Knows nothing. `capacity` is the greatest number of revocations kept; one whose name is longer than 128 bytes
    /// counts as several.
    pub fn new(capacity: NonZeroUsize) -> Self {
        Self {
            capacity: capacity.get(),
            places: 0,
            tokens: HashMap::new(),
            users: HashMap::new(),
            endings: BTreeSet::new(),
            no_room_until: None,
        }
    }

    /// Learns one revocation. Nothing known before is shortened or forgotten before its end.
    pub fn learn(&mut self, revocation: &Revocation, now: Duration) -> Learned {
        let (kind, name, until) = match revocation {
            Revocation::Token { jti, until } => (Kind::Token, jti, *until),
            Revocation::User { user, until, .. } => (Kind::User, user, *until),
        };
        if until < now {
            return Learned::Over;
        }
        self.drop_all_that_ended_before(now.saturating_sub(KEPT_AFTER));
        let Some(known_until) = self.until(kind, name) else {
            return self.add(revocation, kind, name, until, now);
        };
        let news = match revocation {
            Revocation::User { user, issued_until, .. } => self.raise_cutoff(user, *issued_until),
            Revocation::Token { .. } => false,
        };
        if until > known_until {
            self.lengthen(kind, name, known_until, until);
            return Learned::News;
        }
        if news { Learned::News } else { Learned::Known }
    }

    /// Learns all that a reading of the shared store found; how much of it was news. What is known and was not found
    /// stays: the store may have lost it, or told of it since.
    pub fn merge<'a>(&mut self, found: impl IntoIterator<Item = &'a Revocation>, now: Duration) -> usize {
        found.into_iter().filter(|revocation| self.learn(revocation, now) == Learned::News).count()
    }

    /// Whether a token is refused at `now`, and why. One without `jti` can be refused for its user only.
    pub fn refuses(&self, jti: Option<&str>, user: &str, iat: i64, now: Duration) -> Option<Refusal> {
        let held = |until: &Duration| now <= *until;
        if jti.and_then(|jti| self.tokens.get(jti)).is_some_and(held) {
            return Some(Refusal::Token);
        }
        if self.users.get(user).is_some_and(|cutoff| held(&cutoff.until) && iat <= cutoff.issued_until) {
            return Some(Refusal::User);
        }
        self.no_room(now).then_some(Refusal::NoRoom)
    }

    /// Whether every token is refused at `now`, because there were more revocations than there was room for.
    pub fn no_room(&self, now: Duration) -> bool {
        self.no_room_until.is_some_and(|until| now <= until)
    }

    /// The number of revocations kept, those past their end included.
    pub fn len(&self) -> usize {
        self.endings.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.endings.is_empty()
    }

    fn until(&self, kind: Kind, name: &str) -> Option<Duration> {
        match kind {
            Kind::Token => self.tokens.get(name).copied(),
            Kind::User => self.users.get(name).map(|cutoff| cutoff.until),
        }
    }

    fn add(
        &mut self,
        revocation: &Revocation,
        kind: Kind,
        name: &Arc<str>,
        until: Duration,
        now: Duration,
    ) -> Learned {
        let needed = places(name);
        if self.places + needed > self.capacity {
            self.drop_all_that_ended_before(now);
        }
        if self.places + needed > self.capacity {
            self.no_room_until = self.no_room_until.max(Some(until));
            return Learned::NoRoom;
        }
        match revocation {
            Revocation::Token { .. } => {
                self.tokens.insert(Arc::clone(name), until);
            }
            Revocation::User { issued_until, .. } => {
                self.users.insert(Arc::clone(name), Cutoff { issued_until: *issued_until, until });
            }
        }
        self.places += needed;
        self.endings.insert((until, kind, Arc::clone(name)));
        Learned::News
    }

    /// Whether the user's cutoff was lower.
    fn raise_cutoff(&mut self, user: &str, issued_until: i64) -> bool {
        let Some(cutoff) = self.users.get_mut(user) else { return false };
        let raised = issued_until > cutoff.issued_until;
        cutoff.issued_until = cutoff.issued_until.max(issued_until);
        raised
    }

    fn lengthen(&mut self, kind: Kind, name: &Arc<str>, from: Duration, to: Duration) {
        let known = match kind {
            Kind::Token => self.tokens.get_mut(name),
            Kind::User => self.users.get_mut(name).map(|cutoff| &mut cutoff.until),
        };
        *known.expect("what ends later is known") = to;
        self.endings.remove(&(from, kind, Arc::clone(name)));
        self.endings.insert((to, kind, Arc::clone(name)));
    }

    fn drop_all_that_ended_before(&mut self, instant: Duration) {
        while let Some((until, ..)) = self.endings.first() {
            if *until >= instant {
                return;
            }
            let Some((_, kind, name)) = self.endings.pop_first() else { return };
            self.places -= places(&name);
            match kind {
                Kind::Token => drop(self.tokens.remove(&name)),
                Kind::User => drop(self.users.remove(&name)),
            }
        }
    }
}

fn places(name: &str) -> usize {
    1 + name.len() / BYTES_OF_A_PLACE
}

#[cfg(test)]
#[path = "revocation_tests.rs"]
mod tests;
