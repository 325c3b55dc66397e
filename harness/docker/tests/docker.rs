//! The toolkit against a real engine.
//!
//! Runs only with `HARNESS_DOCKER=1`; otherwise every test is listed as ignored. The test program is also the other
//! processes that the tests need: `reaper`, an `owner`, a `world-owner` and a `runner` to be
//! killed, a `tenant` of the runner's, and what a container of itself runs (`greet`).

#[path = "docker/death.rs"]
mod death;
#[path = "docker/images.rs"]
mod images;
#[path = "docker/outages.rs"]
mod outages;
#[path = "docker/start.rs"]
mod start;
#[path = "docker/support.rs"]
mod support;
#[path = "docker/world_bed.rs"]
mod world_bed;
#[path = "docker/world_faults.rs"]
mod world_faults;
#[path = "docker/world_runs.rs"]
mod world_runs;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

const SWITCH: &str = "HARNESS_DOCKER";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("reaper") => return harness_docker::reaper::main(arguments),
        Some("owner") => return death::owner(),
        Some("runner") => return death::runner(),
        Some("tenant") => return death::tenant(),
        Some("world-owner") => return world_runs::owner(),
        Some("greet") => {
            println!("hello from {}", arguments.collect::<Vec<_>>().join(" "));
            loop {
                std::thread::park();
            }
        }
        _ => {}
    }
    let enabled = std::env::var(SWITCH).is_ok_and(|value| value == "1");
    let arguments = Arguments::from_args();
    if !enabled && !arguments.list {
        eprintln!("ignored: these tests need a Docker engine; run them with {SWITCH}=1");
    }
    let trials = [
        start::trials(),
        images::trials(),
        outages::trials(),
        death::trials(),
        world_faults::trials(),
        world_runs::trials(),
    ]
    .into_iter()
    .flatten();
    let trials = trials.map(|trial: Trial| trial.with_ignored_flag(!enabled)).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
