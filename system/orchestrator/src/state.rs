//! The states of a deployment, and the log they are kept in.

#[cfg(test)]
mod model;

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{FencingToken, Stamp};

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeploymentState {
    /// Nothing is there.
    Unknown,
    /// Conflicts are looked for; configuration, secrets and certificates are made.
    Initializing,
    /// Containers are brought up.
    Deploying,
    /// The realm, federation and seeds are written.
    Configuring,
    /// It is tried from outside.
    Verifying,
    /// It stands, and was seen to work.
    Complete,
    /// It stopped; the log says where.
    Failed,
    /// What was made is being undone, back to an earlier point.
    RollingBack,
    /// What was made is being removed altogether.
    Cleanup,
}

use DeploymentState::{
    Cleanup, Complete, Configuring, Deploying, Failed, Initializing, RollingBack, Unknown, Verifying,
};

/// A text that is no state. It is never taken for one: an unknown state allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no deployment state")]
pub struct NoState(pub String);

impl DeploymentState {
    /// All of them, in the order a deployment meets them.
    pub const ALL: [Self; 9] =
        [Unknown, Initializing, Deploying, Configuring, Verifying, Complete, Failed, RollingBack, Cleanup];

    /// What may follow this state. No state follows itself.
    pub const fn successors(self) -> &'static [Self] {
        match self {
            Unknown => &[Initializing, Failed],
            Initializing => &[Deploying, Failed, Cleanup],
            Deploying => &[Configuring, Failed, RollingBack],
            Configuring => &[Verifying, Failed, RollingBack],
            Verifying => &[Complete, Failed, RollingBack],
            Complete => &[Initializing, Cleanup, Failed],
            Failed => &[Initializing, Deploying, Configuring, Verifying, Cleanup, RollingBack],
            RollingBack => &[Failed, Cleanup, Unknown],
            Cleanup => &[Unknown, Initializing],
        }
    }

    /// Whether `to` may follow.
    pub fn may_become(self, to: Self) -> bool {
        self.successors().contains(&to)
    }

    /// Whether somebody must be at work while a deployment is in this state. When nobody holds the lock of
    /// such a deployment, its holder died: that, and never the state's age, tells a dead run from a long one.
    pub const fn needs_a_holder(self) -> bool {
        matches!(self, Initializing | Deploying | Configuring | Verifying | RollingBack | Cleanup)
    }

    /// The name it is stored under, such as `ROLLING_BACK`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unknown => "UNKNOWN",
            Initializing => "INITIALIZING",
            Deploying => "DEPLOYING",
            Configuring => "CONFIGURING",
            Verifying => "VERIFYING",
            Complete => "COMPLETE",
            Failed => "FAILED",
            RollingBack => "ROLLING_BACK",
            Cleanup => "CLEANUP",
        }
    }

    /// The shortest way to `to` over `by` alone (any of them, in any order), `self` not counted; `None` when
    /// there is none. The way from a state to itself leaves it and comes back.
    pub fn route(self, to: Self, by: &[Self]) -> Option<Vec<Self>> {
        let mut ways = VecDeque::from([vec![self]]);
        let mut seen = Vec::new();
        while let Some(way) = ways.pop_front() {
            let last = *way.last().unwrap_or(&self);
            for next in last.successors() {
                if *next == to {
                    return Some([&way[1..], &[to]].concat());
                }
                if by.contains(next) && !seen.contains(next) {
                    seen.push(*next);
                    ways.push_back([way.as_slice(), &[*next]].concat());
                }
            }
        }
        None
    }
}

impl FromStr for DeploymentState {
    type Err = NoState;

    fn from_str(text: &str) -> Result<Self, NoState> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| NoState(text.to_owned()))
    }
}

impl fmt::Display for DeploymentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of a deployment's log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StateChange {
    /// 1 for the first of its instance, then one more each.
    pub seq: u64,
    /// The state before.
    pub from: DeploymentState,
    /// The state since.
    pub to: DeploymentState,
    /// When, by the store's clock.
    pub at: Stamp,
    /// Under which lock it was written.
    pub token: FencingToken,
    /// Why, for people.
    pub why: String,
}

/// Why a state was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Someone else moved it first.
    #[error("it is {found}, not {expected}")]
    Overtaken {
        /// What the writer took it to be.
        expected: DeploymentState,
        /// What it is.
        found: DeploymentState,
    },
    /// No such transition exists.
    #[error("{to} may not follow {from}")]
    Illegal {
        /// What it is.
        from: DeploymentState,
        /// What was asked for.
        to: DeploymentState,
    },
}

/// The log of one deployment: entries are only ever appended, and the newest one is its state.
///
/// # Rules
/// - An empty log is UNKNOWN.
/// - A transition names the state it leaves; when that is no longer the newest, nothing is written.
/// - A transition that is not in [`DeploymentState::successors`] is never written.
/// - Each entry leaves the state that the one before it entered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StateLog(Vec<StateChange>);

impl StateLog {
    /// The current state.
    pub fn state(&self) -> DeploymentState {
        self.0.last().map_or(Unknown, |newest| newest.to)
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[StateChange] {
        &self.0
    }

    /// Appends a transition.
    ///
    /// # Errors
    /// [`Refused`]; the log is as before.
    pub fn append(
        &mut self,
        at: Stamp,
        token: FencingToken,
        expected_from: DeploymentState,
        to: DeploymentState,
        why: &str,
    ) -> Result<&StateChange, Refused> {
        let from = self.state();
        permit(from, expected_from, to)?;
        let seq = self.0.len() as u64 + 1;
        self.0.push(StateChange { seq, from, to, at, token, why: why.to_owned() });
        Ok(&self.0[self.0.len() - 1])
    }
}

/// Whether a transition may be appended to a log whose newest state is `found`.
///
/// # Errors
/// [`Refused`], when it may not.
pub fn permit(found: DeploymentState, expected: DeploymentState, to: DeploymentState) -> Result<(), Refused> {
    if found != expected {
        Err(Refused::Overtaken { expected, found })
    } else if !found.may_become(to) {
        Err(Refused::Illegal { from: found, to })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state() -> impl Strategy<Value = DeploymentState> {
        prop::sample::select(DeploymentState::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn the_log_is_a_legal_path_from_unknown_whatever_is_asked(
            asked in prop::collection::vec((state(), state()), 0..60)
        ) {
            let mut log = StateLog::default();
            for (expected, to) in asked {
                let before = log.clone();
                let written = log.append(Stamp::default(), FencingToken::FIRST, expected, to, "").is_ok();
                let legal = before.state() == expected && expected.may_become(to);
                prop_assert_eq!(written, legal);
                let grown = before.entries().len() + usize::from(written);
                prop_assert_eq!(log.entries().len(), grown);
                prop_assert!(log.entries().starts_with(before.entries()), "entries are only appended");
                prop_assert_eq!(log.state(), if written { to } else { before.state() });
            }
            let mut state = Unknown;
            for (index, entry) in log.entries().iter().enumerate() {
                prop_assert_eq!(entry.seq, index as u64 + 1);
                prop_assert_eq!(entry.from, state);
                prop_assert!(entry.from.may_become(entry.to));
                state = entry.to;
            }
        }

        #[test]
        fn a_route_is_legal_stays_on_its_ground_and_ends_where_it_should(
            from in state(), to in state(), by in prop::collection::vec(state(), 0..9)
        ) {
            if let Some(route) = from.route(to, &by) {
                prop_assert_eq!(route.last(), Some(&to));
                let mut at = from;
                for (index, next) in route.iter().enumerate() {
                    prop_assert!(at.may_become(*next));
                    prop_assert!(index + 1 == route.len() || by.contains(next));
                    at = *next;
                }
            } else {
                prop_assert!(!from.may_become(to));
            }
        }
    }

    #[test]
    fn the_table_has_its_28_transitions_and_no_state_follows_itself() {
        assert_eq!(DeploymentState::ALL.iter().map(|state| state.successors().len()).sum::<usize>(), 28);
        for state in DeploymentState::ALL {
            assert!(!state.may_become(state), "{state}");
            assert!(!state.successors().is_empty(), "{state} is no dead end");
        }
    }

    #[test]
    fn every_state_can_be_left_for_unknown_and_reached_from_it() {
        for state in DeploymentState::ALL {
            assert!(state.route(Unknown, &DeploymentState::ALL).is_some(), "{state}");
            assert!(Unknown.route(state, &DeploymentState::ALL).is_some(), "{state}");
        }
    }

    #[test]
    fn a_stored_name_reads_back_and_nothing_else_is_a_state() {
        for state in DeploymentState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        for text in ["", "complete", "COMPLETE ", "ERROR: connection refused", "psql: FATAL", "NONE"] {
            assert_eq!(text.parse::<DeploymentState>(), Err(NoState(text.to_owned())));
        }
    }
}
