//! What is judged of every run, whatever its scenario claims: that it began well and ended well.

use std::time::Duration;

use crate::event::{Event, Phase, Stage, What};
use crate::history::History;
use crate::scenario::Scenario;
use crate::time::{At, Elapsed, Span, seconds};
use crate::verdict::{Axis, Finding, Measured, Verdict};

fn finding(axis: Axis, claim: impl Into<String>, verdict: Verdict, why: impl Into<String>) -> Finding {
    Finding { axis, claim: claim.into(), verdict, why: why.into(), measured: None, window: None, seen: None }
}

pub(super) fn interruption(history: &History) -> Option<Finding> {
    let (verdict, why) = match history.events().last().map(|event| &event.what) {
        Some(What::End { interrupted: None }) => return None,
        Some(What::End { interrupted: Some(why) }) => (Verdict::Inconclusive, why.clone()),
        _ => (Verdict::Inconclusive, "the record ends before the run did".into()),
    };
    Some(finding(Axis::Experiment, "the run comes to its end", verdict, why))
}

pub(super) fn steady(scenario: &Scenario, history: &History) -> Option<Finding> {
    if history.phase(Phase::Experiment).is_some() {
        return None;
    }
    history.phase(Phase::Steady)?;
    let end = history.phase(Phase::CleanUp).unwrap_or(history.last_instant());
    let off: Vec<String> = scenario
        .steady
        .signals
        .iter()
        .map(|(signal, wanted)| (signal, wanted, history.value_at(signal, end).unwrap_or("never seen")))
        .filter(|(_, wanted, seen)| seen != wanted)
        .map(|(signal, wanted, seen)| format!("{signal} is {seen}, not {wanted}"))
        .collect();
    let why = if off.is_empty() { "it did not last long enough".to_owned() } else { off.join("; ") };
    let claim = format!("the steady state is shown within {}", seconds(scenario.steady.within));
    Some(finding(Axis::Experiment, claim, Verdict::Inconclusive, format!("{why}; nothing was broken")))
}

pub(super) fn unproven_faults<'a>(
    scenario: &'a Scenario,
    history: &'a History,
) -> impl Iterator<Item = Finding> + 'a {
    let faults = scenario.faults.iter().filter_map(|(name, fault)| {
        history.fault(name, Stage::Unproven).map(|at| Finding {
            seen: Some(at),
            ..finding(
                Axis::Experiment,
                format!("{name} ({fault}) takes effect"),
                Verdict::Inconclusive,
                "no effect of it was seen",
            )
        })
    });
    let failed = history.events().iter().filter_map(|event| match &event.what {
        What::Fault { name, stage: Stage::Failed, detail, .. } => Some(finding(
            Axis::Experiment,
            format!("{name} can be injected and healed"),
            Verdict::Inconclusive,
            detail,
        )),
        _ => None,
    });
    faults.chain(failed)
}

pub(super) fn missed_trigger(
    history: &History,
    signal: &str,
    value: &str,
    within: Duration,
) -> Option<Finding> {
    let missed = |event: &&Event| matches!(&event.what, What::Reached { signal: s, value: v, in_time: false, .. } if s == signal && v == value);
    let at = history.events().iter().find(missed)?.at;
    let claim = format!("{signal} comes to be {value} within {}", seconds(within));
    let last = history.value_at(signal, at.hi).unwrap_or("never seen");
    Some(Finding {
        window: Some(at),
        ..finding(Axis::Experiment, claim, Verdict::Violated, format!("it was {last}"))
    })
}

/// The steady state comes back, and stays, within the scenario's time after the last heal.
pub(super) fn recovery(scenario: &Scenario, history: &History) -> Finding {
    let within = scenario.recovery_within;
    let claim = format!("the steady state is back within {} of the last heal", seconds(within));
    if history.phase(Phase::Experiment).is_none() {
        return finding(Axis::Recovery, claim, Verdict::Inconclusive, "nothing was broken");
    }
    let Some(healed) = history.phase(Phase::Recovery) else {
        return finding(Axis::Recovery, claim, Verdict::Inconclusive, "the run did not come to it");
    };
    let end = history.phase(Phase::CleanUp).unwrap_or(history.last_instant());
    let window = Span { lo: healed, hi: end };
    // Each signal is back from its last change before the end; one that never left was back at once.
    let mut back = Span::exactly(healed);
    for (signal, wanted) in &scenario.steady.signals {
        let last = history.signal(signal).iter().rev().find(|change| change.at.hi <= end);
        match last {
            Some(change) if change.value == *wanted => {
                back = Span { lo: back.lo.max(change.at.lo), hi: back.hi.max(change.at.hi) };
            }
            _ => {
                let seen = last.map_or("never seen", |change| change.value.as_str());
                let verdict = match history.blind_within(signal, window) {
                    None if end >= healed + within => Verdict::Violated,
                    _ => Verdict::Inconclusive,
                };
                let why = format!("{signal} is {seen}, not {wanted}, after {}", seconds(end - healed));
                return Finding { window: Some(window), ..finding(Axis::Recovery, claim, verdict, why) };
            }
        }
    }
    let elapsed = Elapsed { least: back.lo - healed, most: back.hi - healed };
    let verdict = if elapsed.most <= within {
        Verdict::Held
    } else if elapsed.least > within && history.stalled_within(window) < elapsed.least.saturating_sub(within)
    {
        Verdict::Violated
    } else {
        Verdict::Inconclusive
    };
    Finding {
        measured: Some(Measured { elapsed: Some(elapsed), not_before: Duration::ZERO, within }),
        window: Some(Span { lo: healed, hi: healed + within }),
        seen: Some(back),
        ..finding(Axis::Recovery, claim, verdict, format!("after {elapsed}"))
    }
}

pub(super) fn clean_up(history: &History) -> Finding {
    let claim = "nothing is left behind";
    match history.leftovers() {
        None => finding(Axis::CleanUp, claim, Verdict::Inconclusive, "the run did not come to it"),
        Some([]) => {
            finding(Axis::CleanUp, claim, Verdict::Held, "every service, fault and file of the run is gone")
        }
        Some(left) => finding(Axis::CleanUp, claim, Verdict::Violated, left.join("; ")),
    }
}

/// Whether every signal of the steady state has its value, as far as is known at `now`, and since when.
pub(crate) fn steady_since(scenario: &Scenario, history: &History, now: At) -> Option<At> {
    let mut since = At::START;
    for (signal, wanted) in &scenario.steady.signals {
        let last = history.signal(signal).iter().rev().find(|change| change.at.hi <= now)?;
        if last.value != *wanted {
            return None;
        }
        since = since.max(last.at.hi);
    }
    Some(since)
}
