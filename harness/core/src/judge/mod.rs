//! From a timeline to verdicts.
//!
//! A claim is *held* only if it is so by the least favourable reading of every uncertain instant, and
//! *violated* only if it is not so by the most favourable one; anything between, anything that nobody
//! saw, and anything that a stalled machine or a fault that could not be healed can account for is
//! *inconclusive*, with the reason.
//!
//! [`claim`] judges one claim and may answer that it is too early to tell; the runner waits by it. What
//! it once decided stays decided, whatever is recorded later. [`judge`] judges a whole run, live or read
//! back from its record.
//!
//! | file | what it answers |
//! |---|---|
//! | `view` | what a claim is judged by, and from where in the scenario it looks |
//! | `anchors` | where in the timeline an anchor lies |
//! | `windows` | where a window lies: for sure, and perhaps |
//! | `becomes`, `stays`, `turns`, `measures`, `requests` | one kind of claim each |
//! | `steady` | the steady state, shown before and back after |
//! | `ends` | whether the run began well, did all it should, and ended well |

mod anchors;
mod becomes;
mod ends;
mod measures;
mod pace;
mod requests;
mod stays;
pub(crate) mod steady;
mod turns;
mod view;
mod windows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::event::Phase;
use crate::history::History;
use crate::invariant::Invariant;
use crate::record::Record;
use crate::scenario::{Answers, Claim, Scenario, Step};
use crate::time::At;
use crate::verdict::{Axis, Finding, Judgement, Verdict};

use view::View;

/// What can be said of a claim by now.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing yet. Once everything before this instant has been observed, more can be said; when there
    /// is none, an anchor of the claim must come first.
    Pending(Option<At>),
    /// This, whatever is recorded later.
    Decided(Finding),
}

/// How far a timeline has been observed.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Everything before this instant has been seen, whatever was to be seen: what is recorded later
    /// happened then or later.
    pub until: At,
    /// Nothing more will come: what is still undecided is inconclusive.
    pub complete: bool,
}

/// Judges one claim of a scenario by what has been observed.
///
/// A fault's name means its latest injection by the step that claims, and the name of an expectation
/// one of the steps before. A claim that is none of the scenario's looks back from its end.
pub fn claim(claim: &Claim, scenario: &Scenario, history: &History, observed: Observed) -> Decision {
    let is = |same: &dyn Fn(&Claim) -> bool| {
        scenario.steps.iter().position(|step| matches!(step, Step::Expect(this) if same(&this.claim)))
    };
    let step = is(&|this| std::ptr::eq(this, claim))
        .or_else(|| is(&|this| this == claim))
        .unwrap_or(scenario.steps.len());
    View { scenario, history, observed, step }.judge(claim)
}

/// Judges a whole run. `invariants` are those that hold in every scenario and those the scenario names.
///
/// An invariant that the scenario names and nobody brings, and one that panics, is inconclusive.
pub fn judge(scenario: &Scenario, history: &History, invariants: &[&dyn Invariant]) -> Judgement {
    // After the clean-up began, nobody looked any more. A record that was cut short does not tell how
    // much was still to be seen, so it counts up to the last thing the runner did after looking.
    let until = history.phase(Phase::CleanUp).unwrap_or(history.last_act());
    let observed = Observed { until, complete: true };
    let mut findings = Vec::new();
    findings.extend(ends::interruption(history));
    findings.extend(steady::shown(scenario, history));
    findings.extend(ends::broken_ground(scenario, history));
    let unmended = ends::unmended(history);
    let excused = |finding| match &unmended {
        Some(unmended) => unmended.excuse(finding),
        None => finding,
    };
    let mut triggers = ends::triggers(history);
    for (step, what) in scenario.steps.iter().enumerate() {
        match what {
            Step::Expect(expectation) => {
                match (View { scenario, history, observed, step }).judge(&expectation.claim) {
                    // What must never be answered must not be answered whatever is broken.
                    Decision::Decided(finding) if forbids(&expectation.claim) => findings.push(finding),
                    Decision::Decided(finding) => findings.push(excused(finding)),
                    Decision::Pending(_) => unreachable!("a complete timeline decides every claim"),
                }
            }
            Step::Until { within, .. } => {
                findings.extend(triggers.next().and_then(|event| ends::missed(event, history, *within)));
            }
            _ => {}
        }
    }
    findings.extend(unknown_invariants(scenario, invariants));
    findings.extend(invariants.iter().map(|invariant| rule(*invariant, scenario, history)));
    findings.push(excused(steady::recovered(scenario, history)));
    findings.push(ends::clean_up(history));
    Judgement { findings }
}

/// Whether a claim is about answers that no failure excuses.
fn forbids(claim: &Claim) -> bool {
    matches!(claim, Claim::Requests { answers: Answers::None(_), .. })
}

/// Judges a stored run again.
pub fn judge_record(record: &Record, invariants: &[&dyn Invariant]) -> Judgement {
    judge(&record.header.scenario, &History::of(record.events.clone()), invariants)
}

/// What an invariant finds. A checker that crashes is never green.
fn rule(invariant: &dyn Invariant, scenario: &Scenario, history: &History) -> Finding {
    catch_unwind(AssertUnwindSafe(|| invariant.check(scenario, history))).unwrap_or_else(|panic| {
        let told = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let told = told.or_else(|| panic.downcast_ref::<String>().cloned());
        let why = format!("its checker crashed: {}", told.as_deref().unwrap_or("it did not say why"));
        bare(Axis::Experiment, invariant.name(), Verdict::Inconclusive, why)
    })
}

fn unknown_invariants<'a>(
    scenario: &'a Scenario,
    invariants: &'a [&dyn Invariant],
) -> impl Iterator<Item = Finding> + 'a {
    scenario.always.iter().filter(|name| !invariants.iter().any(|known| known.name() == name.as_str())).map(
        |name| bare(Axis::Experiment, name, Verdict::Inconclusive, "there is no checker of this name here"),
    )
}

/// A finding without figures.
fn bare(axis: Axis, claim: impl Into<String>, verdict: Verdict, why: impl Into<String>) -> Finding {
    Finding { axis, claim: claim.into(), verdict, why: why.into(), measured: None, window: None, seen: None }
}

/// The least step of time: from an instant to the one after it.
const TICK: Duration = Duration::from_nanos(1);
