//! Controls that only processes can show: each scenario again in the local world with the resilience taken out.
//! Every one must come out *violated*, by the finding it is meant to be seen by.
//!
//! Each is one test: `local::circuit/tls-untrusted`. This program is also what the world starts its processes
//! with: called with `serve node` or `serve order` it is a node or an operator's command with the defect, with any
//! other `serve` it becomes the `chaos` command.

#[path = "../controls/control.rs"]
mod control;
mod node;
mod order;
#[expect(dead_code, reason = "the other controls' defects are not all put back here")]
#[path = "../controls/deployment/store.rs"]
mod store;
mod table;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use harness_core::verdict::{Finding, Verdict};
use harness_core::world::WorldKind;
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::execute::{Plan, execute, usual_speed};
use scenarios::{binding, catalogue};
use table::{CONTROLS, Control, Without};

const CHAOS: &str = env!("CARGO_BIN_EXE_chaos");

/// Runs of a control that may come out inconclusive, on a machine that stalls, before it fails for that.
const TRIES: u32 = 3;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.iter().map(|argument| argument.to_str()).collect::<Vec<_>>()[..] {
        [Some("serve"), Some("node"), ..] => node::serve(),
        [Some("serve"), Some("order"), Some(stage), Some(host), Some(order), Some(number)] => {
            order::carry_out(stage.as_ref(), host, order, number)
        }
        [Some("serve"), ..] => panic!("{CHAOS}: {}", Command::new(CHAOS).args(&arguments).exec()),
        _ => {
            let trials = CONTROLS.iter().map(|control| {
                Trial::test(format!("{}::{}", WorldKind::Local, control.scenario), || is_violated(control))
            });
            libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
        }
    }
}

fn is_violated(control: &Control) -> Result<(), Failed> {
    let (settings, program): (_, PathBuf) = match control.without {
        Without::Setting(key, value) => (vec![(key.to_owned(), value.to_owned())], CHAOS.into()),
        Without::CertificatesUnseen | Without::LastingLocks => (Vec::new(), std::env::current_exe()?),
    };
    let mut told = String::new();
    for _ in 0..TRIES {
        let findings = findings(control.scenario, &settings, &program)?;
        let seen = findings.iter().find(|finding| finding.claim.contains(control.seen_by));
        told = format!("{control:?}\n{findings:#?}");
        match seen.map(|finding| finding.verdict) {
            Some(Verdict::Violated) => return Ok(()),
            Some(Verdict::Inconclusive) => {}
            Some(Verdict::Held) | None => break,
        }
    }
    Err(told.into())
}

fn findings(id: &str, settings: &[(String, String)], program: &Path) -> Result<Vec<Finding>, Failed> {
    let entry = catalogue::select(id, &binding::vocabulary()).expect("it is in the catalogue").remove(0);
    let reports = tempfile::tempdir()?;
    let plan = Plan {
        world: WorldKind::Local,
        seed: 1,
        speed: usual_speed(WorldKind::Local, &entry.scenario),
        scenario: entry.scenario,
        settings: settings.iter().cloned().collect(),
        reports: reports.path().to_owned(),
        stamp: "control".into(),
        started: String::new(),
        program: program.to_owned(),
    };
    let executed = execute(&plan, Vec::new(), std::future::pending());
    Ok(executed.map_err(|error| error.to_string())?.judgement.findings)
}
