//! What a claim is judged by.

use super::{Decision, Observed, becomes, measures, pace, requests, stays, turns, windows};
use super::{TICK, bare};
use crate::event::{Event, Stage, What};
use crate::history::History;
use crate::scenario::{Answers, Claim, Scenario};
use crate::time::{Span, seconds};
use crate::verdict::{Axis, Finding, Verdict};

/// A timeline as far as it has been observed, looked at from one step of the scenario.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) history: &'a History,
    pub(super) observed: Observed,
    /// Which step claims: names mean what they mean there.
    pub(super) step: usize,
}

impl View<'_> {
    /// Judges a claim of this step. On a complete timeline the answer is always decided.
    pub(super) fn judge(&self, claim: &Claim) -> Decision {
        match self.decide(claim) {
            Decision::Pending(_) if self.observed.complete => {
                let why = match self.missing(claim) {
                    Some(missing) => format!("the run never came to {missing}"),
                    None => "the run ended before this could be decided".into(),
                };
                Decision::Decided(finding(claim, Verdict::Inconclusive, why))
            }
            decision => decision,
        }
    }

    pub(super) fn decide(&self, claim: &Claim) -> Decision {
        match claim {
            Claim::Becomes { signal, value, after, not_before, within } => {
                becomes::Becomes { signal, value, after, not_before: *not_before, within: *within }
                    .decide(self, claim)
            }
            Claim::Stays { signal, values, window } => windows::decide(self, claim, window, |reach| {
                let shown = stays::shown(self.history.signal(signal), values, reach);
                let shown = self.unless_carried_over_unseen(signal, reach, shown);
                self.unless_stalled(self.unless_blind(signal, reach, shown))
            }),
            Claim::Turns { signal, value, at_least, at_most, window } => {
                windows::decide(self, claim, window, |reach| {
                    let changes = self.history.signal(signal);
                    let shown = turns::shown(changes, value, (*at_least, *at_most), reach);
                    self.unless_stalled(self.unless_blind(signal, reach, shown))
                })
            }
            Claim::Measures { measure, at_least, at_most, window } => {
                windows::decide(self, claim, window, |reach| {
                    let samples = self.history.samples(measure);
                    let shown = measures::shown(samples, (*at_least, *at_most), reach);
                    self.unless_blind(measure, reach, shown)
                })
            }
            Claim::Pace { load, percent, within, at_least, window } => {
                windows::decide(self, claim, window, |reach| {
                    let pace = pace::Pace { percent: *percent, within: *within, at_least: *at_least };
                    pace.shown(self.history, load, reach)
                })
            }
            Claim::Requests { load, answers, at_least, answered_within, window } => {
                windows::decide(self, claim, window, |reach| {
                    let weighed = requests::Weighed { answers, at_least: *at_least, limit: *answered_within };
                    let shown = weighed.shown(self.history, load, reach);
                    // A stall can keep the right answer from coming. It can't make a wrong one.
                    if matches!(answers, Answers::None(_)) { shown } else { self.unless_stalled(shown) }
                })
            }
        }
    }

    /// What a stalled machine can have brought about is no fault of the system's.
    fn unless_stalled(&self, shown: windows::Shown) -> windows::Shown {
        match shown {
            windows::Shown::Broken(why, at) => match self.history.stall_behind(at) {
                Some(stalled) => windows::Shown::Unclear(format!(
                    "{why}, but the machine stalled for {}",
                    seconds(stalled)
                )),
                None => windows::Shown::Broken(why, at),
            },
            shown => shown,
        }
    }

    /// A value from before the window is in force in it if somebody could look when it began.
    fn unless_carried_over_unseen(
        &self,
        signal: &str,
        reach: &windows::Reach,
        shown: windows::Shown,
    ) -> windows::Shown {
        let beginning = Span::exactly(reach.surely().lo);
        match (shown, self.blindness(signal, beginning)) {
            (windows::Shown::Broken(_, at), Some(blind)) if at == beginning => windows::Shown::Unclear(blind),
            (shown, _) => shown,
        }
    }

    /// What silence said is worth nothing where nobody could look.
    fn unless_blind(&self, subject: &str, reach: &windows::Reach, shown: windows::Shown) -> windows::Shown {
        match (shown, self.blindness(subject, reach.perhaps())) {
            (windows::Shown::Kept(..) | windows::Shown::Short(_), Some(blind)) => {
                windows::Shown::Unclear(blind)
            }
            (shown, _) => shown,
        }
    }

    /// Why `subject` may have changed unseen in a window, in words. Its last instant is outside.
    pub(super) fn blindness(&self, subject: &str, window: Span) -> Option<String> {
        let inside = Span { lo: window.lo, hi: window.hi.saturating_sub(TICK).max(window.lo) };
        self.history
            .blind_within(subject, inside)
            .map(|why| format!("{subject} could not be seen all the time: {why}"))
    }

    /// The last failure of a fault, for messages.
    pub(super) fn last_failure(&self) -> Option<&str> {
        self.history.events().iter().rev().find_map(|event| match event {
            Event { what: What::Fault { stage: Stage::Failed, detail, .. }, .. } => Some(detail.as_str()),
            _ => None,
        })
    }
}

pub(super) fn finding(claim: &Claim, verdict: Verdict, why: impl Into<String>) -> Finding {
    bare(Axis::Experiment, claim.to_string(), verdict, why)
}
