//! Controls: each scenario again with the resilience taken out, by a setting or by a known defect put
//! back. Every one must come out *violated*, and by the finding it is meant to be seen by. A scenario
//! that can't fail shows nothing.
//!
//! Made in the virtual world: the judging is the same in all of them. What only a real world can show
//! (a killed process) has its control in `process_controls`.

mod breaker;
mod control;
mod deployment;
mod engine;
mod laws;
mod ports;
#[expect(dead_code, reason = "here it only counts which scenarios have one")]
#[path = "../process_controls/table.rs"]
mod process_controls;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use breaker::{Defect, DefectiveBreaker};
use deployment::StoreDefect;
use harness_core::history::History;
use harness_core::judge::judge;
use harness_core::recorder::Recorder;
use harness_core::verdict::{Finding, Judgement, Verdict};
use harness_core::world::WorldKind;
use parking_lot::Mutex;
use scenarios::binding::deployment::topology::DEPLOYMENT;
use scenarios::binding::topology::HUB;
use scenarios::execute::Plan;
use scenarios::worlds::virtual_world::{self, ChangePorts, Parts};
use scenarios::{binding, catalogue};
use table::{CONTROLS, Control, Without};

fn plan(id: &str, settings: &[(&str, &str)]) -> Plan {
    let entry = catalogue::select(id, &binding::vocabulary()).expect("it is in the catalogue").remove(0);
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Plan { settings, ..Plan::simulated(entry.scenario, 1) }
}

fn judged(plan: &Plan, parts: Parts) -> Judgement {
    let recorder = Recorder::new(Vec::new());
    virtual_world::run(plan, &recorder, parts).expect("the run can be made");
    judge(
        &plan.scenario,
        &History::of(recorder.into_events()),
        binding::invariants::of(&plan.scenario.topology),
    )
}

fn with_breaker(defect: Defect) -> Parts {
    Parts {
        breakers: Some(Arc::new(move |node| {
            let node = node.clone();
            let booted = node.wall();
            // The wall clock as time since the node booted; a step back before that is not told apart from it.
            let wall: breaker::WallClock = Arc::new(move || {
                node.wall().saturating_sub(booted.saturating_sub(Duration::from_secs(24 * 3_600)))
            });
            Box::new(move |name, settings| {
                Box::new(DefectiveBreaker::new(name, *settings, defect, wall.clone()))
            })
        })),
        ..Parts::default()
    }
}

fn outcome(control: &Control) -> Judgement {
    match &control.without {
        Without::Setting(key, value) => judged(&plan(control.scenario, &[(key, value)]), Parts::default()),
        Without::Breaker(defect) => judged(&plan(control.scenario, &[]), with_breaker(*defect)),
        Without::Deployment(defect) => {
            let parts = Parts { deployment: deployment::parts(*defect), ..Parts::default() };
            judged(&plan(control.scenario, &[]), parts)
        }
        Without::Engine(defect) => {
            let defect = *defect;
            let change: ChangePorts = Arc::new(move |service, node, ports| {
                if service == HUB {
                    ports.engine = engine::around(ports.engine.clone(), defect, node);
                }
            });
            judged(&plan(control.scenario, &[]), Parts { ports: Some(change), ..Parts::default() })
        }
        Without::Port(of, defect) => {
            let (of, defect) = (*of, *defect);
            let change: ChangePorts = Arc::new(move |service, node, ports| {
                if service == of {
                    ports::spoil(ports, defect, node);
                }
            });
            judged(&plan(control.scenario, &[]), Parts { ports: Some(change), ..Parts::default() })
        }
    }
}

fn told(findings: &[Finding]) -> String {
    let line = |finding: &Finding| format!("  {}: {} — {}", finding.verdict, finding.claim, finding.why);
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The judgements of every run that the controls need, each made once, on as many threads as there are
/// processors.
fn outcomes() -> BTreeMap<String, Judgement> {
    let runs: BTreeMap<String, &Control> =
        CONTROLS.iter().map(|control| (run_of(control), control)).collect();
    let (left, made) = (Mutex::new(runs.into_iter()), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some((run, control)) = left.lock().next() else { return };
                    let judgement = outcome(control);
                    made.lock().insert(run, judgement);
                }
            });
        }
    });
    made.into_inner()
}

fn run_of(control: &Control) -> String {
    format!("{} without {:?}", control.scenario, control.without)
}

#[test]
fn with_the_resilience_taken_out_every_scenario_is_violated() {
    let outcomes = outcomes();
    let mut wrong = Vec::new();
    for control in CONTROLS {
        let (run, seen_by) = (run_of(control), control.seen_by);
        let findings = &outcomes[&run].findings;
        let seen =
            |finding: &Finding| finding.verdict == Verdict::Violated && finding.claim.contains(seen_by);
        if !findings.iter().any(seen) {
            wrong.push(format!("{run}: nothing violated by “{seen_by}”\n{}", told(findings)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The defective breaker without a defect holds where the product's does: what a control shows is its
/// defect, and nothing else.
#[test]
fn without_a_defect_every_scenario_holds() {
    for entry in catalogue::all(&binding::vocabulary()).unwrap() {
        // Load shows nothing more about a breaker than its absence does.
        let load = entry.scenario.id.starts_with("load/");
        // Nor has a deployment a breaker of this kind.
        let deployment = entry.scenario.topology == DEPLOYMENT;
        if load || deployment || !entry.scenario.worlds.contains(&WorldKind::Virtual) {
            continue;
        }
        let judgement = judged(&plan(&entry.scenario.id, &[]), with_breaker(Defect::None));
        assert_eq!(
            judgement.overall(),
            Verdict::Held,
            "{}\n{}",
            entry.scenario.id,
            told(&judgement.findings)
        );
    }
}

#[test]
fn every_scenario_has_a_control() {
    for entry in catalogue::all(&binding::vocabulary()).unwrap() {
        let id = entry.scenario.id;
        let has = CONTROLS.iter().any(|control| control.scenario == id)
            || process_controls::CONTROLS.iter().any(|control| control.scenario == id);
        assert!(has, "{id} has no control: nothing shows that it can fail");
    }
}
