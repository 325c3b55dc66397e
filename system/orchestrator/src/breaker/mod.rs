//! The breaker of an operation, kept in the store: shared by all processes, surviving them all.

#[cfg(test)]
mod properties;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Operation, Stamp};

/// How long it stays open.
pub const OPEN_FOR: Duration = Duration::from_secs(60);

/// Consecutive failures that open the breaker of `operation`.
pub(crate) const fn threshold(operation: Operation) -> u32 {
    match operation {
        Operation::Keycloak => 3,
        _ => 5,
    }
}

/// How an admitted call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It did what it should.
    Success,
    /// It didn't, for a reason of the dependency's own.
    Failure,
    /// Nobody waited for its end.
    Cancelled,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// Calls are refused.
    Open {
        /// Since when.
        since: Stamp,
    },
    /// One call goes through, to see.
    HalfOpen {
        /// Since when it had been open.
        opened: Stamp,
        /// When that call was admitted.
        probing: Stamp,
    },
}

/// A call that was let through.
#[must_use = "an admitted call is settled, or the next one waits for it"]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    /// To what.
    pub operation: Operation,
    /// In which generation of the breaker.
    pub generation: u64,
}

/// A call that was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("open for another {0:?}")]
pub struct Open(pub Duration);

/// A breaker, as one row. A store locks the row, steps it and writes it back in one transaction, after a
/// refusal as after a success, so that no process's count is lost in another's.
///
/// # Rules
/// - CLOSED: a success clears the count; the threshold-th failure in a row opens (3 for keycloak, else 5).
/// - OPEN: for 60 s every call is refused with the time left; refusals change nothing.
/// - After that one call at a time is let through. Its success closes, its failure opens for another 60 s,
///   its cancellation lets the next one through at once.
/// - Who was let through and not heard of for 60 s is given up, and the next call let through.
/// - The outcome of a call admitted before the last change of state changes nothing.
/// - A clock set back prolongs a wait to at most 60 s from the next call on; it never shortens one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BreakerRow {
    /// Of which operation.
    pub operation: Operation,
    /// Where it stands.
    pub state: BreakerState,
    /// Consecutive failures, failed probes included. Only a success or an operator zeroes it.
    pub failures: u32,
    /// How often it changed.
    pub generation: u64,
}

impl BreakerRow {
    /// The breaker of an operation that was never tried.
    pub const fn new(operation: Operation) -> Self {
        Self { operation, state: BreakerState::Closed, failures: 0, generation: 0 }
    }

    /// Asks for a call.
    ///
    /// # Errors
    /// [`Open`] with the time left.
    pub fn admit(&mut self, now: Stamp) -> Result<Admission, Open> {
        let awaited = match &mut self.state {
            BreakerState::Closed => None,
            BreakerState::Open { since } => Some((since, None)),
            BreakerState::HalfOpen { opened, probing } => Some((probing, Some(*opened))),
        };
        if let Some((since, opened)) = awaited {
            *since = (*since).min(now);
            let left = OPEN_FOR.saturating_sub(now.saturating_since(*since));
            if !left.is_zero() {
                return Err(Open(left));
            }
            let opened = opened.unwrap_or(*since);
            self.enter(BreakerState::HalfOpen { opened, probing: now });
        }
        Ok(Admission { operation: self.operation, generation: self.generation })
    }

    /// Tells how an admitted call ended.
    pub fn settle(&mut self, now: Stamp, admission: Admission, outcome: Outcome) {
        if admission.generation != self.generation {
            return;
        }
        match (outcome, self.state) {
            (Outcome::Success, BreakerState::Closed) => self.failures = 0,
            (Outcome::Success, _) => self.reset(),
            (Outcome::Failure, state) => {
                self.failures = self.failures.saturating_add(1);
                if state != BreakerState::Closed || self.failures >= threshold(self.operation) {
                    self.enter(BreakerState::Open { since: now });
                }
            }
            (Outcome::Cancelled, BreakerState::HalfOpen { opened, .. }) => {
                self.enter(BreakerState::Open { since: opened });
            }
            (Outcome::Cancelled, _) => {}
        }
    }

    /// Closes it, by order of an operator or after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
        if self.state != BreakerState::Closed {
            self.enter(BreakerState::Closed);
        }
    }

    fn enter(&mut self, state: BreakerState) {
        self.state = state;
        self.generation += 1;
    }
}
