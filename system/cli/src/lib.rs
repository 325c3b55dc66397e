//! The `dive` command: what an operator types, and what becomes of it.
//!
//! ```text
//! args ─► one file per verb ─► dive_orchestrator: the store, the pure rules ─► exit code
//!                │
//!                └─ out: results on standard output · complaint: code, what happened, what to do
//! ```
//!
//! | where | what |
//! |---|---|
//! | `args` | the command line |
//! | `place` | the home folder and the orchestration database |
//! | `status`, `orch_db` | the verbs |
//! | `out`, `moment`, `complaint`, `exit` | what is said, and how it ends |
//!
//! Start reading at [`main`].

mod args;
mod complaint;
mod exit;
mod moment;
mod orch_db;
mod out;
mod place;
mod status;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, Hub, Spoke};
use complaint::Complaint;
use exit::Exit;

/// Parses the command line, does what it says, and returns how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    // A broken invariant has told of itself already.
    let ended = catch_unwind(|| obey(cli)).unwrap_or(Ok(Exit::Internal));
    ended
        .unwrap_or_else(|complaint| {
            out::note(format_args!("{complaint}"));
            complaint.exit()
        })
        .into()
}

fn obey(cli: Cli) -> Result<Exit, Complaint> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| {
        Complaint::internal(format!("no threads can be started: {error}"), "see how many processes there are")
    })?;
    runtime.block_on(do_it(cli))
}

async fn do_it(cli: Cli) -> Result<Exit, Complaint> {
    let place = &cli.place;
    match cli.command {
        Command::Status(output) => status::all(place, output.json).await,
        Command::Hub(Hub::Status(output)) => {
            status::one(place, &dive_orchestrator::Instance::Hub, output.json).await
        }
        Command::Spoke(Spoke::Status { which, output }) => {
            status::one(place, &which.instance()?, output.json).await
        }
        Command::OrchDb(verb) => orch_db::obey(place, verb).await,
    }
}

/// Whether words after `dive` are a command line.
///
/// # Errors
/// What is wrong with them, and the usage.
pub fn parses<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let words = std::iter::once("dive").chain(words);
    Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
}
