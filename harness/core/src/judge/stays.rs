//! A signal has one of some values all through a window.
//!
//! A change puts its value in force until the next change. The claim is broken when a value that is not
//! allowed is in force in the window by every reading, and kept when by none.

use super::windows::{Reach, Shown};
use crate::history::Change;
use crate::time::{At, Span};

pub(super) fn shown(changes: &[Change], values: &[String], reach: &Reach) -> Shown {
    let (surely, perhaps) = (reach.surely(), reach.perhaps());
    let mut doubtful = None;
    for (position, change) in changes.iter().enumerate() {
        if values.contains(&change.value) {
            continue;
        }
        // What is recorded later may still come between this change and the next one known.
        let unseen = reach.observed.max(change.at.lo);
        let (next_lo, next_hi) =
            changes.get(position + 1).map_or((unseen, At::LAST), |next| (next.at.lo.min(unseen), next.at.hi));
        if surely.lo < surely.hi && change.at.hi < surely.hi && next_lo > surely.lo {
            let seen = if change.at.hi <= surely.lo { Span::exactly(surely.lo) } else { change.at };
            return Shown::Broken(format!("it was {} at {}", change.value, seen.lo), seen);
        }
        // It ended with the change that the window begins with, wherever within its doubt that lies.
        let ended_before =
            reach.with_what_was_met && changes.get(position + 1).is_some_and(|next| next.at == reach.from);
        if !ended_before && change.at.lo < perhaps.hi && next_hi > perhaps.lo {
            doubtful = doubtful.or(Some(change));
        }
    }
    if let Some(change) = doubtful {
        let why = format!("it was {} from {}, which may be just outside", change.value, change.at.lo);
        return Shown::Unclear(why);
    }
    let known =
        |change: &Change| change.at.hi <= perhaps.lo || reach.with_what_was_met && change.at == reach.from;
    if changes.iter().any(known) {
        Shown::Kept("all through".into(), None)
    } else {
        Shown::Unclear("its value at the beginning is not known".into())
    }
}
