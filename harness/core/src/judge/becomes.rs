//! A signal turns to a value, not before and within a time after an anchor.

use std::time::Duration;

use super::anchors::{Found, find};
use super::{Decision, Observed, blindness, finding};
use crate::history::History;
use crate::scenario::{Claim, Scenario};
use crate::time::{Span, seconds};
use crate::verdict::{Measured, Verdict};

pub(super) fn decide(claim: &Claim, scenario: &Scenario, history: &History, observed: Observed) -> Decision {
    let Claim::Becomes { signal, value, after, not_before, within } = claim else {
        unreachable!("dispatched by kind")
    };
    let anchor = match find(after, scenario, history) {
        Found::At(anchor) => anchor,
        Found::NotYet => return Decision::Pending(None),
        Found::Unproven => {
            let why =
                format!("the effect of {after} was not seen, so nothing follows from what came after it");
            return Decision::Decided(finding(claim, Verdict::Inconclusive, why));
        }
    };
    let limit = Span { lo: anchor.lo, hi: anchor.hi + *within };
    let mut measured = Measured { elapsed: None, not_before: *not_before, within: *within };

    let turn =
        history.signal(signal).iter().find(|change| change.value == *value && change.at.hi >= anchor.lo);
    let Some(turn) = turn else {
        if observed.until < limit.hi {
            return Decision::Pending(Some(limit.hi));
        }
        let already = history.value_at(signal, anchor.lo) == Some(value);
        let stalled = history.stalled_within(limit);
        let (verdict, why) = if let Some(blind) = blindness(history, signal, limit) {
            (Verdict::Inconclusive, blind)
        } else if stalled >= *within {
            (Verdict::Inconclusive, format!("not seen, but the machine stalled for {}", seconds(stalled)))
        } else if already {
            (
                Verdict::Violated,
                format!("{signal} was {value} already before {after}, and did not turn to it again"),
            )
        } else {
            let last = history.value_at(signal, limit.hi).unwrap_or("never seen");
            (Verdict::Violated, format!("{signal} did not become {value} by {}; it was {last}", limit.hi))
        };
        let mut finding = finding(claim, verdict, why);
        finding.measured = Some(measured);
        finding.window = Some(limit);
        return Decision::Decided(finding);
    };

    let elapsed = turn.at.elapsed_since(anchor);
    measured.elapsed = Some(elapsed);
    let (verdict, why) = if elapsed.most <= *within && elapsed.least >= *not_before {
        (Verdict::Held, format!("after {elapsed}"))
    } else if elapsed.least > *within {
        late(
            history,
            limit,
            elapsed.least.saturating_sub(*within),
            signal,
            Span::between(anchor.lo, turn.at.hi),
        )
    } else if elapsed.most < *not_before {
        (Verdict::Violated, format!("too early: after {elapsed}"))
    } else {
        let side = if elapsed.most > *within { "in time or too late" } else { "too early or in time" };
        (Verdict::Inconclusive, format!("after {elapsed}, which may be {side}: it is known no closer"))
    };
    let mut finding = finding(claim, verdict, why);
    finding.measured = Some(measured);
    finding.window = Some(limit);
    finding.seen = Some(turn.at);
    Decision::Decided(finding)
}

/// Too late, unless the machine or the observation accounts for it.
fn late(history: &History, limit: Span, by: Duration, signal: &str, run: Span) -> (Verdict, String) {
    let stalled = history.stalled_within(run);
    if stalled >= by {
        let why = format!("too late by {}, but the machine stalled for {}", seconds(by), seconds(stalled));
        (Verdict::Inconclusive, why)
    } else if let Some(blind) = blindness(history, signal, limit) {
        (Verdict::Inconclusive, blind)
    } else {
        (Verdict::Violated, format!("too late by {}", seconds(by)))
    }
}
