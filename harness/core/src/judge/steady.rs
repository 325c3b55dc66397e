//! The steady state: shown before anything is broken, back when everything is healed.

use std::time::Duration;

use super::bare;
use crate::event::Phase;
use crate::history::{Change, History};
use crate::scenario::Scenario;
use crate::time::{At, Elapsed, Span, seconds};
use crate::verdict::{Axis, Finding, Measured, Verdict};

/// Since when every signal of the steady state has its value without a break, as far as is known at
/// `now`; nothing when one has not. What nobody saw is a break.
pub(crate) fn since(scenario: &Scenario, history: &History, now: At) -> Option<At> {
    let mut since = At::START;
    for (signal, wanted) in &scenario.steady.signals {
        let last = last_known(history, signal, now).filter(|change| change.value == *wanted)?;
        since = since.max(last.at.hi).max(history.blind_until(signal));
    }
    Some(since)
}

/// Why the experiment never began, when it did not.
pub(super) fn shown(scenario: &Scenario, history: &History) -> Option<Finding> {
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
    Some(bare(Axis::Experiment, claim, Verdict::Inconclusive, format!("{why}; nothing was broken")))
}

/// The steady state comes back, and stays, within the scenario's time after the last heal.
pub(super) fn recovered(scenario: &Scenario, history: &History) -> Finding {
    let within = scenario.recovery_within;
    let claim = format!("the steady state is back within {} of the last heal", seconds(within));
    let bare = |verdict, why: String| bare(Axis::Recovery, claim.clone(), verdict, why);
    if history.phase(Phase::Experiment).is_none() {
        return bare(Verdict::Inconclusive, "nothing was broken".into());
    }
    let Some(healed) = history.phase(Phase::Recovery) else {
        return bare(Verdict::Inconclusive, "the run did not come to it".into());
    };
    let end = history.phase(Phase::CleanUp).unwrap_or(history.last_act());
    let recovery = Span { lo: healed, hi: end.max(healed) };
    let deadline = history.deadline(healed, within);

    // Each signal is back from its last change before the end, or from the end of a later blind spot;
    // one that never left was back at once.
    let mut back = Span::exactly(healed);
    for (signal, wanted) in &scenario.steady.signals {
        let blind_until = history.blind_until(signal);
        match last_known(history, signal, end) {
            Some(change) if change.value == *wanted => {
                let latest = change.at.hi.max(blind_until);
                back = Span { lo: back.lo.max(change.at.lo), hi: back.hi.max(latest) };
            }
            last => {
                let seen = last.map_or("never seen", |change| change.value.as_str());
                let off = format!("{signal} is {seen}, not {wanted}, after {}", seconds(end - healed));
                let (verdict, why) = if blind_until >= end {
                    (Verdict::Inconclusive, format!("{off}, as far as could be seen"))
                } else if end <= deadline {
                    (Verdict::Inconclusive, format!("{off}, when the run ended"))
                } else {
                    (Verdict::Violated, off)
                };
                return Finding { window: Some(recovery), ..bare(verdict, why) };
            }
        }
    }
    let elapsed = Elapsed { least: back.lo - healed, most: back.hi - healed };
    let lasted = end.saturating_since(back.hi);
    let (verdict, why) = if back.lo > deadline {
        (Verdict::Violated, format!("after {elapsed}"))
    } else if elapsed.most > within {
        (Verdict::Inconclusive, format!("after {elapsed}, which may be in time or too late"))
    } else if lasted < scenario.steady.lasting {
        (Verdict::Inconclusive, format!("after {elapsed}, but the run ended {} later", seconds(lasted)))
    } else {
        (Verdict::Held, format!("after {elapsed}"))
    };
    Finding {
        measured: Some(Measured { elapsed: Some(elapsed), not_before: Duration::ZERO, within }),
        window: Some(Span { lo: healed, hi: healed + within }),
        seen: Some(back),
        ..bare(verdict, why)
    }
}

/// The last change of a signal that surely happened by `now`.
fn last_known<'a>(history: &'a History, signal: &str, now: At) -> Option<&'a Change> {
    history.signal(signal).iter().rev().find(|change| change.at.hi <= now)
}
