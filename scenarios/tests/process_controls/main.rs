//! Controls that only processes can show: each scenario again in a world of real time with the resilience taken out.
//! Every one must come out *violated*, by the finding it is meant to be seen by.
//!
//! Each is one test: `local::circuit/tls-untrusted`, `docker::deploy/clean`. This program is also what the world starts
//! its processes with: called with `serve node` or `serve order` it is a node or an operator's command with the defect,
//! with any other `serve` it becomes the `chaos` command. By the name of `dive` it is that command, with defects; by that
//! of a store's defect an operator's command has that one.

#[path = "../controls/control.rs"]
mod control;
mod dive;
mod node;
mod order;
#[expect(dead_code, reason = "the other controls' defects are not all put back here")]
#[path = "../controls/deployment/store.rs"]
mod store;
mod table;

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use harness_core::verdict::{Finding, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::execute::{Plan, execute, usual_speed};
use scenarios::worlds::deployment::STORE_SETTING;
use scenarios::{binding, catalogue};
use store::StoreDefect;
use table::{CONTROLS, Control, Without};

const CHAOS: &str = env!("CARGO_BIN_EXE_chaos");

/// Runs of a control that may come out inconclusive, on a machine that stalls, before it fails for that.
const TRIES: u32 = 3;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<OsString> = arguments.collect();
    if Path::new(&name).file_name() == Some("dive".as_ref()) {
        return dive::run(&arguments);
    }
    match arguments.iter().map(|argument| argument.to_str()).collect::<Vec<_>>()[..] {
        [Some("serve"), Some("node"), ..] => node::serve(),
        [Some("serve"), Some("order"), Some(stage), Some(host), Some(order), Some(number)] => {
            order::carry_out(defect(name.as_ref()), stage.as_ref(), host, order, number)
        }
        [Some("serve"), ..] => panic!("{CHAOS}: {}", Command::new(CHAOS).args(&arguments).exec()),
        _ => {
            let trials = CONTROLS.iter().map(|control| {
                let store = control.without.store().map(|store| format!("{store}::")).unwrap_or_default();
                let name = format!("{}::{store}{}", control.without.world(), control.scenario);
                Trial::test(name, || is_violated(control))
            });
            libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
        }
    }
}

/// The store's defect after which this program is called.
fn defect(name: &Path) -> StoreDefect {
    let defects = CONTROLS.iter().filter_map(|control| match control.without {
        Without::Store(_, defect) => Some(defect),
        _ => None,
    });
    let mut named = defects.filter(|defect| name.ends_with(format!("{defect:?}")));
    named.next().expect("operators' commands are called after a defect")
}

fn is_violated(control: &Control) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (settings, program): (_, PathBuf) = match control.without {
        Without::Setting(key, value) => (vec![(key.to_owned(), value.to_owned())], CHAOS.into()),
        Without::CertificatesUnseen => (Vec::new(), std::env::current_exe()?),
        Without::Store(store, defect) => {
            let program = folder.path().join(format!("{defect:?}"));
            symlink(std::env::current_exe()?, &program)?;
            (vec![(STORE_SETTING.to_owned(), store.to_owned())], program)
        }
        // The world takes the command from beside the program.
        Without::CarelessDive => {
            let program = folder.path().join("chaos");
            symlink(CHAOS, &program)?;
            symlink(std::env::current_exe()?, folder.path().join("dive"))?;
            (Vec::new(), program)
        }
    };
    let mut told = String::new();
    for _ in 0..TRIES {
        let findings = findings(control, &settings, &program)?;
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

fn findings(
    control: &Control,
    settings: &[(String, String)],
    program: &Path,
) -> Result<Vec<Finding>, Failed> {
    let entry = catalogue::select(control.scenario, &binding::vocabulary());
    let entry = entry.expect("it is in the catalogue").remove(0);
    let (world, reports) = (control.without.world(), tempfile::tempdir()?);
    let plan = Plan {
        world,
        seed: 1,
        speed: usual_speed(world, &entry.scenario),
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
