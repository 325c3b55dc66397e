//! Checkers of histories: what concurrent callers saw, judged after the run.
//!
//! A history is a list of [`Call`]s: who asked what, between which two instants, and what was answered. It
//! comes from a log, so any run can be checked again; instants are whatever orders the log (nanoseconds, or
//! positions in it), as long as all callers share them.
//!
//! | checker | says | use it when |
//! |---|---|---|
//! | [`linearizable`] | the answers are those of *some* order of the calls, each taking effect between its begin and its end | the system promises to behave like one copy of a simple thing |
//! | [`exclusive`] | no two were certainly inside at once | callers tell when they entered and left |
//! | [`fenced`] | no write of an earlier holder was accepted after a later holder was there | writes carry fencing tokens |
//!
//! Each answers [`Holds`](Answer::Holds), [`Violation`](Answer::Violation) with a witness, or
//! [`Unknown`](Answer::Unknown). Unknown is never a pass: a checker that ran out of budget, or had nothing to
//! weigh, says so.

mod exclusion;
mod fencing;
mod linearizability;
mod linearized;
mod ring;

#[cfg(test)]
mod brute_force;
#[cfg(test)]
mod models;

pub use exclusion::{Overlap, Stay, exclusive};
pub use fencing::{FencingBroken, Grant, Write, fenced};
pub use linearizability::{Model, Witness, linearizable};

use crate::verdict::Verdict;

/// One call of one caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<I, O> {
    /// Who called. A caller has one call at a time.
    pub caller: u64,
    /// What was asked.
    pub input: I,
    /// When it began.
    pub began: u64,
    /// When it ended, and the answer; `None` when there was none: it may have taken effect at any instant
    /// after its begin, or never.
    pub ended: Option<(u64, O)>,
}

/// What a checker says of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<W> {
    /// The property holds.
    Holds {
        /// How many calls were weighed.
        weighed: usize,
        /// How many steps it took.
        steps: u64,
    },
    /// It doesn't, and this shows it.
    Violation(W),
    /// It can't be told.
    Unknown {
        /// Why.
        why: String,
    },
}

impl<W> Answer<W> {
    /// Whether the property was shown to hold.
    pub const fn holds(&self) -> bool {
        matches!(self, Self::Holds { .. })
    }

    /// The verdict of a run of which this was asked.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Holds { .. } => Verdict::Held,
            Self::Violation(_) => Verdict::Violated,
            Self::Unknown { .. } => Verdict::Inconclusive,
        }
    }
}
