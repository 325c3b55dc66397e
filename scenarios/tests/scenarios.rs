//! Every scenario in every world it names is one test: `virtual::circuit/opa-outage`.
//!
//! A verdict is never retried. An inconclusive run says nothing about the system, so it is made again,
//! once; what stays inconclusive fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use harness_core::verdict::Verdict;
use harness_core::world::WorldKind;
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::execute::{Executed, Plan, execute, usual_speed};
use scenarios::{binding, catalogue, folders, stamp};

/// Runs of a scenario that may come out inconclusive before it fails for that.
const TRIES: u32 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let entries = catalogue::all(&binding::vocabulary()).expect("the catalogue checks");
    let trials = entries
        .into_iter()
        .flat_map(|entry| entry.scenario.worlds.clone().into_iter().map(move |world| (entry.clone(), world)))
        .map(|(entry, world)| {
            Trial::test(format!("{world}::{}", entry.scenario.id), move || holds(&entry.scenario, world))
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn holds(scenario: &harness_core::scenario::Scenario, world: WorldKind) -> Result<(), Failed> {
    let mut told = String::new();
    for number in 0..TRIES {
        let run = made(scenario, world, number)?;
        let verdict = reports::verdict(&run.record, &run.judgement);
        told = format!(
            "{}\nreport: {}",
            reports::terminal(&run.record, &run.judgement, 100, false),
            run.written.html.display()
        );
        match verdict {
            Verdict::Held => return Ok(()),
            Verdict::Violated => return Err(told.into()),
            Verdict::Inconclusive => eprintln!("inconclusive, run {} of {TRIES}:\n{told}", number + 1),
        }
    }
    Err(format!("inconclusive {TRIES} times\n{told}").into())
}

fn made(
    scenario: &harness_core::scenario::Scenario,
    world: WorldKind,
    number: u32,
) -> Result<Executed, Failed> {
    let (stamp, started) = stamp::now(number);
    let plan = Plan {
        scenario: scenario.clone(),
        world,
        seed: 1 + u64::from(number),
        speed: usual_speed(world, scenario),
        settings: BTreeMap::new(),
        reports: folders::reports(std::env::var_os("CHAOS_REPORT_DIR").map(PathBuf::from).as_deref()),
        stamp,
        started,
        program: env!("CARGO_BIN_EXE_chaos").into(),
    };
    execute(&plan, Vec::new(), std::future::pending()).map_err(|error| Failed::from(error.to_string()))
}
