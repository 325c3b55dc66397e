//! What one run of a deployment's scenario can't show: how many failures mend themselves over the whole catalogue, and
//! that crashes are survived wherever they come.

use std::collections::BTreeSet;

use dive_orchestrator::{Class, ErrorCode};
use harness_core::event::{Stage, What};
use harness_core::history::History;
use harness_core::judge::judge;
use harness_core::recorder::Recorder;
use harness_core::scenario::Scenario;
use harness_core::verdict::Verdict;
use scenarios::binding::deployment::deeds::ERROR;
use scenarios::binding::deployment::topology::DEPLOYMENT;
use scenarios::execute::Plan;
use scenarios::worlds::virtual_world::{self, Parts};
use scenarios::{binding, catalogue};

fn history(scenario: &Scenario, seed: u64) -> History {
    let plan = Plan::simulated(scenario.clone(), seed);
    let recorder = Recorder::new(Vec::new());
    virtual_world::run(&plan, &recorder, Parts::default()).expect("the run can be made");
    History::of(recorder.into_events())
}

fn tagged(tag: &str) -> Vec<Scenario> {
    let entries = catalogue::all(&binding::vocabulary()).expect("the catalogue checks");
    let scenarios = entries.into_iter().map(|entry| entry.scenario);
    scenarios.filter(|it| it.topology == DEPLOYMENT && it.tags.iter().any(|of| of == tag)).collect()
}

/// The errors that were met, each with whether it was got over without anybody's help.
fn errors(history: &History) -> impl Iterator<Item = (ErrorCode, bool)> + '_ {
    history.events().iter().filter_map(|event| match &event.what {
        What::Fact { about, detail, .. } if about == ERROR => {
            let number: u16 = detail.get("code")?.parse().ok()?;
            Some((ErrorCode::try_from(number).ok()?, detail.get("recovered")? == "true"))
        }
        _ => None,
    })
}

/// The faults of these scenarios go by themselves; what they caused should, too.
#[test]
fn of_the_failures_that_pass_at_least_four_in_five_are_got_over_without_a_person() {
    let (mut met, mut recovered) = (0, 0);
    for scenario in tagged("transient") {
        for seed in 1..=2 {
            let helped = |code: ErrorCode| matches!(code.class(), Class::Transient | Class::Recoverable);
            let history = history(&scenario, seed);
            let outcomes: Vec<bool> =
                errors(&history).filter(|(code, _)| helped(*code)).map(|(_, recovered)| recovered).collect();
            met += outcomes.len();
            recovered += outcomes.iter().filter(|recovered| **recovered).count();
        }
    }
    let share = f64::from(recovered as u32) / f64::from(met as u32);
    println!(
        "{recovered} of {met} failures that pass were got over without a person: {:.0} %",
        100.0 * share
    );
    assert!(met >= 30, "only {met} failures were met");
    assert!(share >= 0.8, "{share}");
}

#[test]
fn crashes_are_survived_at_other_instants_too() {
    let mut instants = BTreeSet::new();
    for scenario in tagged("crash") {
        for seed in 2..=5 {
            let history = history(&scenario, seed);
            if scenario.id == "deploy/kill-in-each-phase" {
                instants.extend(history.fault("verification", Stage::Injecting).map(|at| at.lo));
            }
            let judgement = judge(&scenario, &history, binding::invariants::of(DEPLOYMENT));
            let wrong: Vec<_> =
                judgement.findings.iter().filter(|finding| finding.verdict != Verdict::Held).collect();
            assert!(wrong.is_empty(), "{} with seed {seed}: {wrong:#?}", scenario.id);
        }
    }
    assert_eq!(instants.len(), 4, "each seed kills it at another instant: {instants:?}");
}
