//! What came of the requests that were sent and answered within a window.

use super::windows::{bounds, sure_end};
use super::{Decision, Observed, finding};
use crate::history::{Exchange, History};
use crate::scenario::{Answers, Claim, Scenario};
use crate::time::{Span, seconds};
use crate::verdict::{Finding, Verdict};

pub(super) fn decide(claim: &Claim, scenario: &Scenario, history: &History, observed: Observed) -> Decision {
    let Claim::Requests { load, answers, at_least, answered_within, window } = claim else {
        unreachable!("dispatched by kind")
    };
    let (from, until) = match bounds(claim, window, scenario, history) {
        Ok(bounds) => bounds,
        Err(decision) => return decision,
    };
    let inner = Span { lo: from.hi, hi: sure_end(until, observed).max(from.hi) };
    let outer = Span { lo: from.lo, hi: until.map_or(observed.until, |until| until.hi) };
    let over = until.is_some_and(|until| observed.until >= until.hi);
    let inside: Vec<&Exchange> = history
        .requests(load)
        .iter()
        .filter(|exchange| exchange.at.lo >= inner.lo && exchange.at.hi <= inner.hi)
        .collect();
    let finding =
        |verdict, why: String, seen| Finding { window: Some(outer), seen, ..finding(claim, verdict, why) };
    let decided = |verdict, why, seen| Decision::Decided(finding(verdict, why, seen));

    let of = |classes: &[String], exchange: &Exchange| classes.contains(&exchange.answer.class);
    let offender = match answers {
        Answers::All(classes) => inside.iter().find(|exchange| !of(classes, exchange)),
        Answers::None(classes) => inside.iter().find(|exchange| of(classes, exchange)),
        Answers::Some(_) => None,
    };
    if let Some(offender) = offender {
        return decided(Verdict::Violated, told(offender), Some(offender.at));
    }
    if let Some(limit) = answered_within
        && let Some(slow) = inside.iter().find(|exchange| exchange.at.width() > *limit)
    {
        let took = slow.at.width();
        let stalled = history.stalled_within(slow.at);
        let why = format!("number {} took {}", slow.number, seconds(took));
        return if stalled >= took.saturating_sub(*limit) {
            decided(
                Verdict::Inconclusive,
                format!("{why}, but the machine stalled for {}", seconds(stalled)),
                Some(slow.at),
            )
        } else {
            decided(Verdict::Violated, why, Some(slow.at))
        };
    }
    if !over {
        return Decision::Pending(until.map(|until| until.hi));
    }
    if inside.len() < *at_least as usize {
        let why = format!("only {} were sent and answered in the window", inside.len());
        return decided(Verdict::Inconclusive, why, None);
    }
    let count = inside.len();
    match answers {
        Answers::Some(classes) => match inside.iter().find(|exchange| of(classes, exchange)) {
            Some(one) => decided(Verdict::Held, format!("{} (of {count})", told(one)), Some(one.at)),
            None => decided(Verdict::Violated, format!("not one of {count}"), None),
        },
        _ => decided(Verdict::Held, format!("all {count}"), until),
    }
}

fn told(exchange: &Exchange) -> String {
    let answer = &exchange.answer;
    let detail: Vec<String> = answer.detail.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let detail = if detail.is_empty() { String::new() } else { format!(" ({})", detail.join(", ")) };
    format!("number {}, sent at {}, was {}{detail}", exchange.number, exchange.at.lo, answer.class)
}
