//! Every scenario in every world it names is one test: `virtual::circuit/opa-outage`. A deployment in the local world is
//! one with each store it can keep its state in: `local::sqlite::deploy/clean`, `local::postgres::deploy/clean`. In the
//! docker world, where it takes minutes, it is one with a file, or with a server if that is what it breaks. Where
//! PostgreSQL is not installed, those with a server fail and say so.
//!
//! A verdict is never retried. An inconclusive run says nothing about the system, so it is made again,
//! once; what stays inconclusive fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use harness_core::scenario::Scenario;
use harness_core::verdict::Verdict;
use harness_core::world::WorldKind;
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::binding::deployment::topology::DEPLOYMENT;
use scenarios::execute::{Executed, Plan, execute, usual_speed};
use scenarios::worlds::deployment::{STORE_SETTING, stores};
use scenarios::{binding, catalogue, folders, stamp};

/// Runs of a scenario that may come out inconclusive before it fails for that.
const TRIES: u32 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let entries = catalogue::all(&binding::vocabulary()).expect("the catalogue checks");
    let trials = entries
        .into_iter()
        .flat_map(|entry| entry.scenario.worlds.clone().into_iter().map(move |world| (entry.clone(), world)))
        .flat_map(|(entry, world)| {
            let settings = settings(&entry.scenario, world);
            settings.into_iter().map(move |settings| {
                let stores = settings.values().filter(|_| world == WorldKind::Local);
                let stores = stores.map(|store| format!("{store}::")).collect::<Vec<_>>().concat();
                let (name, scenario) =
                    (format!("{world}::{stores}{}", entry.scenario.id), entry.scenario.clone());
                Trial::test(name, move || holds(&scenario, world, &settings))
            })
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

type Settings = BTreeMap<String, String>;

/// The settings with each of which a scenario is one test.
fn settings(scenario: &Scenario, world: WorldKind) -> Vec<Settings> {
    let with = |store: &&str| Settings::from([(STORE_SETTING.to_owned(), (*store).to_owned())]);
    match world {
        WorldKind::Local if scenario.topology == DEPLOYMENT => stores(scenario).iter().map(with).collect(),
        WorldKind::Docker => match stores(scenario) {
            [only] => vec![with(only)],
            _ => vec![Settings::new()],
        },
        _ => vec![Settings::new()],
    }
}

fn holds(scenario: &Scenario, world: WorldKind, settings: &Settings) -> Result<(), Failed> {
    let mut told = String::new();
    for number in 0..TRIES {
        let run = made(scenario, world, settings, number)?;
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

fn made(scenario: &Scenario, world: WorldKind, settings: &Settings, number: u32) -> Result<Executed, Failed> {
    let (stamp, started) = stamp::now(number);
    let plan = Plan {
        scenario: scenario.clone(),
        world,
        seed: 1 + u64::from(number),
        speed: usual_speed(world, scenario),
        settings: settings.clone(),
        reports: folders::reports(std::env::var_os("CHAOS_REPORT_DIR").map(PathBuf::from).as_deref()),
        stamp,
        started,
        program: env!("CARGO_BIN_EXE_chaos").into(),
    };
    execute(&plan, Vec::new(), std::future::pending()).map_err(|error| Failed::from(error.to_string()))
}
