//! What a signal or a measure does all through a window.

use super::anchors::{Stretch, stretch};
use super::{Decision, Observed, blindness, finding};
use crate::history::{Change, History};
use crate::scenario::{Claim, Scenario, Until, Window};
use crate::time::{At, Span};
use crate::verdict::{Finding, Verdict};

pub(super) fn decide(claim: &Claim, scenario: &Scenario, history: &History, observed: Observed) -> Decision {
    let (Claim::Stays { window, .. } | Claim::Turns { window, .. } | Claim::Measures { window, .. }) = claim
    else {
        unreachable!("dispatched by kind")
    };
    let (from, until) = match bounds(claim, window, scenario, history) {
        Ok(bounds) => bounds,
        Err(decision) => return decision,
    };
    // By the least favourable reading the window is as long as it can be, by the most favourable as
    // short: from the end of its uncertain beginning to the beginning of its uncertain end.
    let sure_end = until.map_or(observed.until, |until| until.lo);
    let inner = Span { lo: from.hi, hi: sure_end.max(from.hi) };
    let outer = Span { lo: from.lo, hi: until.map_or(observed.until, |until| until.hi) };
    let over = until.is_some_and(|until| observed.until >= until.hi);
    let pending = || Decision::Pending(until.map(|until| until.hi));

    let answer = match claim {
        Claim::Stays { signal, values, .. } => stays(history.signal(signal), values, inner, outer),
        Claim::Turns { signal, value, at_least, at_most, .. } => {
            turns(history.signal(signal), value, (*at_least, *at_most), inner, outer)
        }
        Claim::Measures { measure, at_least, at_most, .. } => {
            measures(history.samples(measure), (*at_least, *at_most), inner)
        }
        _ => unreachable!("dispatched by kind"),
    };
    let finding =
        |verdict, why: String, seen| Finding { window: Some(outer), seen, ..finding(claim, verdict, why) };
    match answer {
        Answer::Broken(why, at) => Decision::Decided(finding(Verdict::Violated, why, Some(at))),
        _ if !over => pending(),
        Answer::Short(why) => Decision::Decided(finding(Verdict::Violated, why, None)),
        Answer::Unclear(why) => Decision::Decided(finding(Verdict::Inconclusive, why, None)),
        Answer::Kept(why) => {
            let (Claim::Stays { signal: subject, .. }
            | Claim::Turns { signal: subject, .. }
            | Claim::Measures { measure: subject, .. }) = claim
            else {
                unreachable!("dispatched by kind")
            };
            Decision::Decided(match blindness(history, subject, inner) {
                Some(blind) => finding(Verdict::Inconclusive, blind, None),
                None => finding(Verdict::Held, why, until),
            })
        }
    }
}

/// Where the window lies, or what can be said without it.
pub(super) fn bounds(
    claim: &Claim,
    window: &Window,
    scenario: &Scenario,
    history: &History,
) -> Result<(Span, Option<Span>), Decision> {
    match stretch(window, scenario, history) {
        Stretch::NotYet => Err(Decision::Pending(None)),
        Stretch::Open { from } => Ok((from, None)),
        Stretch::Whole { from, until } if until.hi <= from.lo => {
            let until = match &window.until {
                Until::Anchor(anchor) => anchor.to_string(),
                Until::Lasting(_) => "its end".into(),
            };
            let why = format!("{until} came before {}: the window is empty", window.from);
            Err(Decision::Decided(finding(claim, Verdict::Inconclusive, why)))
        }
        Stretch::Whole { from, until } => Ok((from, Some(until))),
        Stretch::Unproven => {
            let why = "a fault the window hangs on had no visible effect";
            Err(Decision::Decided(finding(claim, Verdict::Inconclusive, why)))
        }
    }
}

/// What a window shows.
enum Answer {
    /// Surely not so, whatever comes.
    Broken(String, Span),
    /// Surely not so, now that the window is over.
    Short(String),
    /// Can't be told.
    Unclear(String),
    /// So, as far as was seen.
    Kept(String),
}

fn stays(changes: &[Change], values: &[String], inner: Span, outer: Span) -> Answer {
    let allowed = |change: &Change| values.contains(&change.value);
    let shown = |change: &Change| format!("it was {} at {}", change.value, change.at.lo);
    let before = changes.iter().rev().find(|change| change.at.hi <= inner.lo);
    let within = |change: &&Change| change.at.hi > inner.lo && change.at.lo < outer.hi;
    if let Some(change) =
        changes.iter().filter(within).find(|c| !allowed(c) && c.at.lo > inner.lo && c.at.hi < inner.hi)
    {
        return Answer::Broken(shown(change), change.at);
    }
    let straddles_beginning = changes.iter().any(|c| c.at.lo <= inner.lo && c.at.hi > inner.lo);
    match before {
        Some(change) if !allowed(change) && !straddles_beginning => {
            Answer::Broken(format!("it was {} from the beginning", change.value), Span::exactly(inner.lo))
        }
        None if !changes.iter().any(|change| change.at.lo <= outer.lo) => {
            Answer::Unclear("its value at the beginning is not known".into())
        }
        _ => match changes.iter().filter(within).find(|change| !allowed(change)) {
            Some(change) => Answer::Unclear(format!("{}, which may be just outside", shown(change))),
            None => Answer::Kept("all through".into()),
        },
    }
}

fn turns(changes: &[Change], value: &str, (least, most): (u32, u32), inner: Span, outer: Span) -> Answer {
    let turned = |change: &&Change| change.value == value;
    let sure: Vec<&Change> =
        changes.iter().filter(turned).filter(|c| c.at.lo >= inner.lo && c.at.hi <= inner.hi).collect();
    let possible = changes.iter().filter(turned).filter(|change| change.at.overlaps(outer)).count() as u64;
    let count = sure.len() as u64;
    if let Some(excess) = sure.get(most as usize) {
        Answer::Broken(format!("{count} times by {}", excess.at.hi), excess.at)
    } else if possible < u64::from(least) {
        Answer::Short(format!("only {possible} times"))
    } else if possible > u64::from(most) || count < u64::from(least) {
        Answer::Unclear(format!("{count} to {possible} times: some may lie just outside the window"))
    } else {
        Answer::Kept(format!("{count} times"))
    }
}

fn measures(samples: &[(Span, f64)], (least, most): (f64, f64), inner: Span) -> Answer {
    let inside = |at: &Span| at.lo >= inner.lo && at.hi <= inner.hi;
    let mut seen = samples.iter().filter(|(at, _)| inside(at));
    if let Some((at, value)) = seen.clone().find(|(_, value)| !(least..=most).contains(value)) {
        return Answer::Broken(format!("it was {value} at {}", at.lo), *at);
    }
    match seen.next() {
        None => Answer::Unclear("it was never measured in the window".into()),
        Some(_) => {
            let values = || samples.iter().filter(|(at, _)| inside(at)).map(|(_, value)| *value);
            let (low, high) = values().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
            Answer::Kept(format!("from {low} to {high} in {} samples", values().count()))
        }
    }
}

/// The instant at which a window surely ends, when that is known.
pub(super) fn sure_end(until: Option<Span>, observed: Observed) -> At {
    until.map_or(observed.until, |until| until.lo)
}
