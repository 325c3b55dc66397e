//! The world of processes, tried with real processes.
//!
//! This executable is also the services it starts, their reaper, and the owner that is killed: it
//! re-executes itself with a word that leads to that part, as the executable of a real system does.
//! Every test first shows that a fault took effect by other means than the world's own evidence, and
//! then that nothing of it is left.

#![expect(clippy::unwrap_used, reason = "a test, though one without the usual harness")]

mod bed;
mod edges;
mod ending;
mod runs;
mod serve;
mod services;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("part-reaper") => harness_local::reaper::main(),
        Some("part-serve") => serve::serve(&words[1..]),
        Some("part-owner") => ending::owner(&words[1..]),
        Some("part-heart") => ending::heart(),
        _ => {
            let trials: Vec<Trial> = services::trials()
                .into_iter()
                .chain(edges::trials())
                .chain(ending::trials())
                .chain(runs::trials())
                .collect();
            libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
        }
    }
}
