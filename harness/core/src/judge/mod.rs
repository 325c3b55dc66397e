//! From a timeline to verdicts.
//!
//! A claim is *held* only if it is so by the least favourable reading of every uncertain instant, and
//! *violated* only if it is not so by the most favourable one; anything between, anything that nobody
//! saw, and anything a stalled machine can account for is *inconclusive*, with the reason.
//!
//! [`claim`] judges one claim and may answer that it is too early to tell; the runner waits by it.
//! [`judge`] judges a whole run, live or read back from its record.

mod anchors;
mod becomes;
pub(crate) mod ends;
mod requests;
mod windows;

use crate::event::{Event, Stage, What};
use crate::history::History;
use crate::invariant::Invariant;
use crate::record::Record;
use crate::scenario::{Claim, Scenario, Step};
use crate::time::{At, Span};
use crate::verdict::{Axis, Finding, Judgement, Verdict};

/// What can be said of a claim by now.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing yet. Silence will decide it at this instant, if one is known.
    Pending(Option<At>),
    /// This.
    Decided(Finding),
}

/// How far a timeline has been observed.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Everything up to this instant has been seen, whatever was to be seen.
    pub until: At,
    /// Nothing more will come: what is still undecided is inconclusive.
    pub complete: bool,
}

/// Judges one claim of a scenario by what has been observed.
pub fn claim(claim: &Claim, scenario: &Scenario, history: &History, observed: Observed) -> Decision {
    let decision = match claim {
        Claim::Becomes { .. } => becomes::decide(claim, scenario, history, observed),
        Claim::Stays { .. } | Claim::Turns { .. } | Claim::Measures { .. } => {
            windows::decide(claim, scenario, history, observed)
        }
        Claim::Requests { .. } => requests::decide(claim, scenario, history, observed),
    };
    match decision {
        Decision::Pending(_) if observed.complete => {
            let why = match anchors::missing(claim, scenario, history) {
                Some(missing) => format!("the run never came to {missing}"),
                None => "the run ended before this could be decided".into(),
            };
            Decision::Decided(finding(claim, Verdict::Inconclusive, why))
        }
        decision => decision,
    }
}

/// Judges a whole run. `invariants` are those that hold in every scenario and those the scenario names.
pub fn judge(scenario: &Scenario, history: &History, invariants: &[&dyn Invariant]) -> Judgement {
    let observed = Observed { until: history.last_instant(), complete: true };
    let mut findings = Vec::new();
    findings.extend(ends::interruption(history));
    findings.extend(ends::steady(scenario, history));
    findings.extend(ends::unproven_faults(scenario, history));
    for step in &scenario.steps {
        match step {
            Step::Expect(expectation) => match claim(&expectation.claim, scenario, history, observed) {
                Decision::Decided(finding) => findings.push(finding),
                Decision::Pending(_) => unreachable!("a complete timeline decides every claim"),
            },
            Step::Until { signal, value, within, .. } => {
                findings.extend(ends::missed_trigger(history, signal, value, *within))
            }
            _ => {}
        }
    }
    for invariant in invariants {
        findings.push(invariant.check(scenario, history));
    }
    findings.push(ends::recovery(scenario, history));
    findings.push(ends::clean_up(history));
    Judgement { findings }
}

/// Judges a stored run again.
pub fn judge_record(record: &Record, invariants: &[&dyn Invariant]) -> Judgement {
    judge(&record.header.scenario, &History::of(record.events.clone()), invariants)
}

fn finding(claim: &Claim, verdict: Verdict, why: impl Into<String>) -> Finding {
    Finding {
        axis: Axis::Experiment,
        claim: claim.to_string(),
        verdict,
        why: why.into(),
        measured: None,
        window: None,
        seen: None,
    }
}

/// Why `subject` may have changed unseen in a window, in words.
fn blindness(history: &History, subject: &str, window: Span) -> Option<String> {
    history
        .blind_within(subject, window)
        .map(|why| format!("{subject} could not be seen all the time: {why}"))
}

/// The last event of a kind of stage of any fault, for messages.
fn last_failure(history: &History) -> Option<&str> {
    history.events().iter().rev().find_map(|event| match event {
        Event { what: What::Fault { stage: Stage::Failed, detail, .. }, .. } => Some(detail.as_str()),
        _ => None,
    })
}
