//! A signal turns to a value, not before and within a time after an anchor.
//!
//! Time is counted from the anchor to the first turn that is not surely earlier. What came in the middle
//! of it took no time: a fault is injected over a span and has its first effects within it, and the first
//! look after it shows what may have happened since the last look before it. Where the anchor is itself a change of
//! the signal, what came before it is surely earlier, however close: the order of a signal's changes is known.

use std::time::Duration;

use super::anchors::Found;
use super::view::{View, finding};
use super::{Decision, TICK};
use crate::history::Change;
use crate::scenario::{Anchor, Claim};
use crate::time::{At, Span, seconds};
use crate::verdict::{Finding, Measured, Verdict};

/// The parts of the claim.
pub(super) struct Becomes<'a> {
    pub(super) signal: &'a str,
    pub(super) value: &'a str,
    pub(super) after: &'a Anchor,
    pub(super) not_before: Duration,
    pub(super) within: Duration,
}

/// Where the turn lies.
pub(super) enum Turn {
    /// There.
    At(Span),
    /// Nowhere as far as is known.
    Never,
    /// It can't be told.
    Unclear(String),
    /// The anchor may still move until everything before this instant has been observed.
    Settling(At),
    /// The anchor did not come.
    NoAnchor,
}

impl Becomes<'_> {
    /// The turn, as far as is known.
    pub(super) fn turn(&self, view: &View<'_>) -> Turn {
        let anchor = match view.find(self.after) {
            Found::At(anchor) => anchor,
            Found::NotYet => return Turn::NoAnchor,
            Found::Settling(at) => return Turn::Settling(at),
            Found::Unclear(why) => return Turn::Unclear(why),
        };
        match self.first(view, anchor) {
            None => Turn::Never,
            Some(turn) => Turn::At(turn),
        }
    }

    /// The first turn that is not surely earlier than the anchor.
    fn first(&self, view: &View<'_>, anchor: Span) -> Option<Span> {
        let changes = view.history.signal(self.signal);
        let met = match self.after {
            Anchor::Met(name) => view.met_by(name).filter(|(signal, _)| *signal == self.signal),
            _ => None,
        };
        let is_anchor = |change: &Change| {
            met.is_some_and(|(_, value)| change.value == value && change.at.hi == anchor.hi)
        };
        let first = changes.iter().position(is_anchor).map_or(0, |anchor| anchor + 1);
        let (_, turn) =
            turns(changes, self.value).find(|(number, turn)| *number >= first && turn.hi >= anchor.lo)?;
        Some(turn)
    }

    pub(super) fn decide(&self, view: &View<'_>, claim: &Claim) -> Decision {
        let anchor = match view.find(self.after) {
            Found::At(anchor) => anchor,
            Found::NotYet => return Decision::Pending(None),
            Found::Settling(at) => return Decision::Pending(Some(at)),
            Found::Unclear(why) => return Decision::Decided(finding(claim, Verdict::Inconclusive, why)),
        };
        // What is recorded later happened at `until` or later: what it can't change is decided.
        let since = |needed: At, decide: &dyn Fn() -> Finding| {
            if view.observed.until < needed {
                Decision::Pending(Some(needed))
            } else {
                Decision::Decided(decide())
            }
        };
        let limit = Span { lo: anchor.lo, hi: anchor.hi + self.within };
        let deadline = view.history.deadline(anchor.hi, self.within);
        let answer = |verdict, why: String, turn: Option<Span>| Finding {
            measured: Some(Measured {
                elapsed: turn.map(|turn| turn.elapsed_since(anchor)),
                not_before: self.not_before,
                within: self.within,
            }),
            window: Some(limit),
            seen: turn,
            ..finding(claim, verdict, why)
        };
        let unless_blind = |verdict, why: String, turn: Option<Span>, until: At| match view
            .blindness(self.signal, Span { lo: anchor.lo, hi: until + TICK })
        {
            Some(blind) => answer(Verdict::Inconclusive, blind, turn),
            None => answer(verdict, why, turn),
        };

        let Some(turn) = self.first(view, anchor) else {
            if view.observed.complete && (limit.hi..=deadline).contains(&view.observed.until) {
                let why = format!("not seen, but the machine {}", stalled(view, limit));
                return Decision::Decided(answer(Verdict::Inconclusive, why, None));
            }
            let never = || {
                let (verdict, why) = self.never(view, anchor, deadline);
                unless_blind(verdict, why, None, deadline)
            };
            return since(deadline + TICK, &never);
        };
        let elapsed = turn.elapsed_since(anchor);
        let unclear = |why: String| answer(Verdict::Inconclusive, why, Some(turn));
        let settled = turn.lo + TICK;
        if turn.lo > deadline {
            let late = seconds(elapsed.least.saturating_sub(self.within));
            let late =
                || unless_blind(Verdict::Violated, format!("too late by {late}"), Some(turn), deadline);
            since(deadline + TICK, &late)
        } else if elapsed.least > self.within {
            let why = format!("after {elapsed}, but the machine {}", stalled(view, limit));
            since(settled, &|| unclear(why.clone()))
        } else if elapsed.most > self.within {
            since(settled, &|| unclear(format!("after {elapsed}, which may be in time or too late")))
        } else if self.not_before.is_zero() {
            // An earlier turn that nobody saw would have been in time just as well.
            since(anchor.lo, &|| answer(Verdict::Held, format!("after {elapsed}"), Some(turn)))
        } else if elapsed.least >= self.not_before {
            let held = || unless_blind(Verdict::Held, format!("after {elapsed}"), Some(turn), turn.hi);
            since(turn.hi + TICK, &held)
        } else if elapsed.most < self.not_before && turn.lo >= anchor.hi {
            // What was due before the anchor and came after it because of a stall began its count too late.
            let span = Span { lo: anchor.lo, hi: turn.hi };
            let late =
                view.history.stalled_within(span) + view.history.stall_behind(anchor).unwrap_or_default();
            let early = || {
                if elapsed.most + late < self.not_before {
                    return answer(Verdict::Violated, format!("too early: after {elapsed}"), Some(turn));
                }
                unclear(format!("too early: after {elapsed}, but the machine stalled for {}", seconds(late)))
            };
            since(turn.hi + TICK, &early)
        } else {
            since(settled, &|| unclear(format!("after {elapsed}, which may be too early or in time")))
        }
    }

    /// It did not turn to it in time: whose fault that is, and why.
    fn never(&self, view: &View<'_>, anchor: Span, deadline: At) -> (Verdict, String) {
        let Self { signal, value, after, .. } = self;
        let history = view.history;
        if history.value_at(signal, anchor.lo) != Some(value) {
            let last = history.value_at(signal, deadline).unwrap_or("never seen");
            return (
                Verdict::Violated,
                format!("{signal} did not become {value} by {deadline}; it was {last}"),
            );
        }
        let already = format!("{signal} was {value} already before {after}, and did not turn to it again");
        let before = turns_to(history.signal(signal), value).take_while(|turn| turn.hi < anchor.lo).last();
        match before.and_then(|turn| history.stall_behind(turn)) {
            Some(stalled) => {
                let why = format!("{already}, but the machine stalled for {}", seconds(stalled));
                (Verdict::Inconclusive, why)
            }
            None => (Verdict::Violated, already),
        }
    }
}

fn stalled(view: &View<'_>, window: Span) -> String {
    format!("stalled for {}", seconds(view.history.stalled_within(window)))
}

/// The changes by which a signal comes to have a value that it did not have before.
pub(super) fn turns_to<'a>(changes: &'a [Change], value: &'a str) -> impl Iterator<Item = Span> + 'a {
    turns(changes, value).map(|(_, turn)| turn)
}

/// The same, each with its number among all changes.
fn turns<'a>(changes: &'a [Change], value: &'a str) -> impl Iterator<Item = (usize, Span)> + 'a {
    let before = [None].into_iter().chain(changes.iter().map(|change| Some(change.value.as_str())));
    changes
        .iter()
        .zip(before)
        .enumerate()
        .filter(move |(_, (change, before))| change.value == value && *before != Some(value))
        .map(|(number, (change, _))| (number, change.at))
}
