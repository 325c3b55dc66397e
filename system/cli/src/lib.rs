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
//! | `deployment` | the verbs that change a deployment; `interrupt` stops them, `progress` shows them |
//! | `status`, `trial`, `orch_db` | the verbs that look |
//! | `containers` | the containers of this machine, as the orchestrator's engine uses them |
//! | `material` | secrets and certificates of an instance, in its folder |
//! | `out`, `moment`, `complaint`, `exit` | what is said, and how it ends |
//!
//! Start reading at [`main`].

mod args;
mod complaint;
mod containers;
mod deployment;
mod exit;
mod interrupt;
mod material;
mod moment;
mod orch_db;
mod out;
mod place;
mod progress;
mod status;
mod trial;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, Hub, Nuke, Spoke};
use complaint::Complaint;
use dive_orchestrator::{ErrorCode, Instance, InstanceCode};
use exit::Exit;
use place::Place;

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
        Command::Hub(verb) => hub(place, verb).await,
        Command::Spoke(verb) => spoke(place, verb).await,
        Command::OrchDb(verb) => orch_db::obey(place, verb).await,
        Command::Nuke(verb) => nuke(place, verb).await,
    }
}

async fn hub(place: &Place, verb: Hub) -> Result<Exit, Complaint> {
    let hub = &Instance::Hub;
    match verb {
        Hub::Deploy(options) => deployment::deploy(place, hub, None, &options).await,
        Hub::Up(shown) => deployment::up(place, hub, shown).await,
        Hub::Down(shown) => deployment::down(place, hub, shown).await,
        Hub::Status(output) => status::one(place, hub, output.json).await,
        Hub::Verify(output) => trial::verify(place, hub, output.json).await,
        Hub::Logs { service } => trial::logs(place, hub, &service).await,
    }
}

async fn spoke(place: &Place, verb: Spoke) -> Result<Exit, Complaint> {
    match verb {
        Spoke::Deploy { code, name, options } => {
            let code = InstanceCode::from_operator(&code)?;
            deployment::deploy(place, &Instance::Spoke(code), name, &options).await
        }
        Spoke::Up { which, shown } => deployment::up(place, &which.instance()?, shown).await,
        Spoke::Down { which, shown } => deployment::down(place, &which.instance()?, shown).await,
        Spoke::Status { which, output } => status::one(place, &which.instance()?, output.json).await,
        Spoke::Verify { which, output } => trial::verify(place, &which.instance()?, output.json).await,
        Spoke::Logs { service, which } => trial::logs(place, &which.instance()?, &service).await,
    }
}

async fn nuke(place: &Place, verb: Nuke) -> Result<Exit, Complaint> {
    let (only, words, confirmed) = match verb {
        Nuke::All(confirmed) => (None, "all".to_owned(), confirmed),
        Nuke::Hub(confirmed) => (Some(Instance::Hub), "hub".to_owned(), confirmed),
        Nuke::Spoke { code, confirmed } => {
            let code = InstanceCode::from_operator(&code)?;
            (Some(Instance::Spoke(code.clone())), format!("spoke {code}"), confirmed)
        }
    };
    if !confirmed.confirm {
        return Err(Complaint::usage(
            ErrorCode::Configuration,
            "this removes containers, data, secrets and certificates, and was not confirmed",
            format!("if that is meant: `dive nuke {words} --confirm`"),
        ));
    }
    deployment::nuke(place, only, confirmed.shown).await
}

/// Whether words after `dive` are a command line.
///
/// # Errors
/// What is wrong with them, and the usage.
pub fn parses<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let words = std::iter::once("dive").chain(words);
    Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
}
