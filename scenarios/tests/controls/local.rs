//! Controls that need processes.

use std::collections::BTreeMap;

use harness_core::verdict::Verdict;
use harness_core::world::WorldKind;
use scenarios::execute::{Plan, execute, usual_speed};
use scenarios::{binding, catalogue};

/// The scenarios whose control is here.
pub(crate) const CONTROLS: [&str; 1] = ["recovery/node-restart"];

/// A node whose circuit can't open does not find the outage that it was restarted into.
#[test]
fn a_restarted_node_that_finds_nothing_is_seen() {
    let reports = tempfile::tempdir().unwrap();
    let entry = catalogue::select(CONTROLS[0], &binding::vocabulary()).unwrap().remove(0);
    let speed = usual_speed(WorldKind::Local, &entry.scenario);
    let plan = Plan {
        scenario: entry.scenario,
        world: WorldKind::Local,
        seed: 1,
        speed,
        settings: BTreeMap::from([("breaker.opa.failures".to_owned(), "100000".to_owned())]),
        reports: reports.path().to_owned(),
        stamp: "control".into(),
        started: String::new(),
        program: env!("CARGO_BIN_EXE_chaos").into(),
    };
    let executed = execute(&plan, Vec::new(), std::future::pending()).unwrap();
    let violated = executed
        .judgement
        .findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Violated && finding.claim.contains("becomes OPEN"));
    assert!(violated, "{:#?}", executed.judgement.findings);
}
