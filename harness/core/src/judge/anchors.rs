//! Where in the timeline the anchors of a scenario lie.

use crate::event::{Phase, Stage};
use crate::history::History;
use crate::scenario::{Anchor, Claim, Scenario, Until, Window};
use crate::time::Span;

use super::{Decision, Observed};

/// An anchor in the timeline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Found {
    /// It came then.
    At(Span),
    /// The fault was injected, but its effect was not seen: nothing can be concluded from it.
    Unproven,
    /// It did not come (yet).
    NotYet,
}

pub(super) fn find(anchor: &Anchor, scenario: &Scenario, history: &History) -> Found {
    let found = match anchor {
        Anchor::Start => history.phase(Phase::Experiment).map(Span::exactly),
        Anchor::End => history.phase(Phase::Recovery).map(Span::exactly),
        Anchor::InEffect(name) => match history.fault_times(name, Stage::InEffect).first() {
            None if history.fault(name, Stage::Unproven).is_some() => return Found::Unproven,
            at => at.copied(),
        },
        Anchor::Healed(name) => history.fault(name, Stage::Healed),
        Anchor::Struck(name) => match history.strike(name) {
            Some((_, false)) => return Found::Unproven,
            struck => struck.map(|(at, _)| at),
        },
        Anchor::Met(name) => history.reached(name).or_else(|| met(name, scenario, history)),
    };
    found.map_or(Found::NotYet, Found::At)
}

/// When the expectation of that name was met.
fn met(name: &str, scenario: &Scenario, history: &History) -> Option<Span> {
    let expectation =
        scenario.expectations().find(|expectation| expectation.name.as_deref() == Some(name))?;
    let observed = Observed { until: history.last_instant(), complete: false };
    match super::claim(&expectation.claim, scenario, history, observed) {
        Decision::Decided(finding) => finding.seen,
        Decision::Pending(_) => None,
    }
}

/// A window in the timeline: where it surely lies, and whether its end is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stretch {
    /// Its beginning did not come yet.
    NotYet,
    /// It began, its end did not come yet.
    Open { from: Span },
    /// It is all there.
    Whole { from: Span, until: Span },
    /// It hangs on a fault whose effect was not seen.
    Unproven,
}

pub(super) fn stretch(window: &Window, scenario: &Scenario, history: &History) -> Stretch {
    let from = match find(&window.from, scenario, history) {
        Found::At(from) => from,
        Found::Unproven => return Stretch::Unproven,
        Found::NotYet => return Stretch::NotYet,
    };
    match &window.until {
        Until::Lasting(lasting) => {
            Stretch::Whole { from, until: Span { lo: from.lo + *lasting, hi: from.hi + *lasting } }
        }
        Until::Anchor(anchor) => match find(anchor, scenario, history) {
            Found::At(until) => Stretch::Whole { from, until },
            Found::Unproven => Stretch::Unproven,
            Found::NotYet => Stretch::Open { from },
        },
    }
}

/// The first anchor of a claim that never came, in words.
pub(super) fn missing(claim: &Claim, scenario: &Scenario, history: &History) -> Option<String> {
    let anchors = match claim {
        Claim::Becomes { after, .. } => vec![after],
        Claim::Stays { window, .. }
        | Claim::Turns { window, .. }
        | Claim::Measures { window, .. }
        | Claim::Requests { window, .. } => match &window.until {
            Until::Anchor(until) => vec![&window.from, until],
            Until::Lasting(_) => vec![&window.from],
        },
    };
    let missing = anchors.into_iter().find(|anchor| find(anchor, scenario, history) == Found::NotYet)?;
    Some(match super::last_failure(history) {
        Some(failure) => format!("{missing} ({failure})"),
        None => missing.to_string(),
    })
}
