//! What is judged of every run, whatever its scenario claims: that it began well, did what it should,
//! and ended well.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bare;
use crate::event::{Event, Phase, Stage, What};
use crate::history::History;
use crate::scenario::{Scenario, Step};
use crate::time::{At, Span, seconds};
use crate::verdict::{Axis, Finding, Verdict};

pub(super) fn interruption(history: &History) -> Option<Finding> {
    let why = match history.events().last().map(|event| &event.what) {
        Some(What::End { interrupted: None }) => return None,
        Some(What::End { interrupted: Some(why) }) => why.clone(),
        _ => "the record ends before the run did".into(),
    };
    Some(bare(Axis::Experiment, "the run comes to its end", Verdict::Inconclusive, why))
}

/// What was to be broken and was not, or not visibly: then nothing was shown.
pub(super) fn broken_ground(scenario: &Scenario, history: &History) -> Vec<Finding> {
    let inconclusive = |claim: String, why: &str, seen: Option<Span>| Finding {
        seen,
        ..bare(Axis::Experiment, claim, Verdict::Inconclusive, why)
    };
    let mut findings = Vec::new();
    for event in history.events() {
        match &event.what {
            What::Fault { name, fault, stage: Stage::Unproven, .. } => findings.push(inconclusive(
                format!("{name} ({fault}) takes effect"),
                "no effect of it was seen",
                Some(event.at),
            )),
            What::Fault { name, stage: Stage::Failed, detail, .. } => findings.push(inconclusive(
                format!("{name} can be injected and healed"),
                detail,
                Some(event.at),
            )),
            What::Strike { name, strike, evidence: None } => findings.push(inconclusive(
                format!("{name} ({strike}) takes effect"),
                "no effect of it was seen",
                Some(event.at),
            )),
            _ => {}
        }
    }
    // Where the experiment never began, that is said already.
    if history.phase(Phase::Experiment).is_some() {
        let claim = || "every step is carried out".to_owned();
        findings.extend(left_out(scenario, history).map(|why| inconclusive(claim(), &why, None)));
    }
    findings
}

/// A fault that could neither be injected nor healed in good order: from then on the system has to do with
/// something that the harness broke, or did not.
pub(super) struct Unmended<'a> {
    since: At,
    name: &'a str,
}

pub(super) fn unmended(history: &History) -> Option<Unmended<'_>> {
    history.events().iter().find_map(|event| match &event.what {
        What::Fault { name, stage: Stage::Failed, .. } => Some(Unmended { since: event.at.lo, name }),
        _ => None,
    })
}

impl Unmended<'_> {
    /// What was missed since then is no fault of the system's.
    pub(super) fn excuse(&self, finding: Finding) -> Finding {
        let before = |span: Option<Span>| span.is_some_and(|span| span.hi <= self.since);
        if finding.verdict != Verdict::Violated || before(finding.seen) || before(finding.window) {
            return finding;
        }
        let why = format!("{}, but {} could not be injected or healed", finding.why, self.name);
        Finding { verdict: Verdict::Inconclusive, why, ..finding }
    }
}

/// The first thing the scenario breaks that the run never came to.
fn left_out(scenario: &Scenario, history: &History) -> Option<String> {
    let mut injections: BTreeMap<&str, usize> = BTreeMap::new();
    scenario.steps.iter().find_map(|step| match step {
        Step::Fault(name) => {
            let count = injections.entry(name).or_default();
            *count += 1;
            (history.outages(name).len() < *count).then(|| format!("{name} was never injected"))
        }
        Step::Strike { name, .. } if history.strike(name).is_none() => Some(format!("{name} was never done")),
        _ => None,
    })
}

/// What came of the triggers, in their order.
pub(super) fn triggers(history: &History) -> impl Iterator<Item = &Event> {
    history.events().iter().filter(|event| matches!(event.what, What::Reached { .. }))
}

/// A trigger that did not fire in time.
pub(super) fn missed(event: &Event, history: &History, within: Duration) -> Option<Finding> {
    let What::Reached { signal, value, in_time: false, .. } = &event.what else { return None };
    let stalled = history.stalled_within(event.at);
    let last = history.value_at(signal, event.at.hi).unwrap_or("never seen");
    let (verdict, why) = if let Some(blind) = history.blind_within(signal, event.at) {
        (Verdict::Inconclusive, format!("{signal} could not be seen all the time: {blind}"))
    } else if !stalled.is_zero() {
        (Verdict::Inconclusive, format!("it was {last}, but the machine stalled for {}", seconds(stalled)))
    } else {
        (Verdict::Violated, format!("it was {last}"))
    };
    let claim = format!("{signal} comes to be {value} within {}", seconds(within));
    Some(Finding { window: Some(event.at), ..bare(Axis::Experiment, claim, verdict, why) })
}

pub(super) fn clean_up(history: &History) -> Finding {
    let (verdict, why) = match history.leftovers() {
        None => (Verdict::Inconclusive, "the run did not come to it".into()),
        Some([]) => (Verdict::Held, "every service, fault and file of the run is gone".into()),
        Some(left) => (Verdict::Violated, left.join("; ")),
    };
    bare(Axis::CleanUp, "nothing is left behind", verdict, why)
}
