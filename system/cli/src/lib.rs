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
//! | `args` | the command line; `awaited` knows the verbs that are not there yet |
//! | `place` | the home folder and the orchestration database |
//! | `deployment` | the verbs that change a deployment; `interrupt` stops them, `progress` shows them, `ended` and `outcome` tell people and programs how they ended |
//! | `status`, `trial`, `orch_db`, `info`, `validate` | the verbs that look; `graph` and `waterfall` draw |
//! | `exec` | the verb that lets an operator in |
//! | `containers` | the containers of this machine, as the orchestrator's engine uses them |
//! | `material` | secrets and certificates of an instance, in its folder |
//! | `secrets` | where secrets come from: made here, the environment, a store elsewhere |
//! | `out`, `moment`, `complaint`, `exit` | what is said, and how it ends |
//!
//! Start reading at [`main`].

mod args;
mod awaited;
mod complaint;
mod containers;
mod deployment;
mod ended;
mod exec;
mod exit;
mod graph;
mod info;
mod interrupt;
mod material;
mod moment;
mod orch_db;
mod out;
mod outcome;
mod place;
mod progress;
mod secrets;
mod status;
mod trial;
mod validate;
mod waterfall;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};

use args::{Cli, Command, Hub, Nuke, Order, Spoke};
use awaited::awaited;
use complaint::Complaint;
use dive_orchestrator::deploy::Confirmed;
use dive_orchestrator::{ErrorCode, Instance, InstanceCode};
use exit::Exit;
use outcome::Told;
use place::Place;

/// Parses the command line, does what it says, and returns how it ended.
pub fn main() -> ExitCode {
    let given = Cli::command().try_get_matches();
    let json = given.as_ref().is_ok_and(args::is_json);
    let cli = match given.and_then(|given| Cli::from_arg_matches(&given)) {
        Ok(cli) => cli,
        Err(error) => {
            if let Some(complaint) =
                awaited(&error, std::env::args_os().map(|word| word.to_string_lossy().into_owned()))
            {
                out::note(format_args!("{complaint}"));
                return complaint.exit().into();
            }
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    // A broken invariant has told of itself already.
    let ended = catch_unwind(|| obey(cli)).unwrap_or_else(|_| Err(Complaint::broken()));
    ended
        .unwrap_or_else(|complaint| {
            if json {
                // Who can't be told is told on standard error.
                let _ = out::json(&Told::from(&complaint));
            }
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
        Command::Info(output) => info::info(place, output.json).await,
        Command::Validate(output) => validate::validate(place, output.json).await,
        Command::OrchDb(verb) => orch_db::obey(place, verb).await,
        Command::Secrets(verb) => secrets::obey(place, verb).await,
        Command::Nuke(verb) => nuke(place, verb).await,
    }
}

async fn hub(place: &Place, verb: Hub) -> Result<Exit, Complaint> {
    let hub = &Instance::Hub;
    match verb {
        Hub::Deploy(options) => deployment::deploy(place, hub, None, &options).await,
        Hub::Up(shown) => deployment::up(place, hub, shown).await,
        Hub::Down(shown) => deployment::down(place, hub, shown).await,
        Hub::Restart(shown) => deployment::restart(place, hub, shown).await,
        Hub::Exec(Order { service, command }) => exec::exec(place, hub, &service, &command).await,
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
        Spoke::Restart { which, shown } => deployment::restart(place, &which.instance()?, shown).await,
        Spoke::Exec { which, order: Order { service, command } } => {
            exec::exec(place, &which.instance()?, &service, &command).await
        }
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
    let meant = Confirmed::said(confirmed.confirm).map_err(|unconfirmed| {
        let next = format!("if that is meant: `dive nuke {words} --confirm`");
        Complaint::usage(ErrorCode::Configuration, unconfirmed, next)
    })?;
    deployment::nuke(place, only, meant, confirmed.shown).await
}

/// Whether words after `dive` are a command line.
///
/// # Errors
/// What is wrong with them, and the usage.
pub fn parses<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let words = std::iter::once("dive").chain(words);
    Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    /// What follows `$ dive ` in a text, up to the end of its line or its comment.
    fn commands(text: &str) -> impl Iterator<Item = &str> {
        let shown = text.lines().filter_map(|line| line.strip_prefix("$ dive "));
        shown.map(|command| command.split(" #").next().unwrap_or(command).trim())
    }

    #[test]
    fn every_command_that_the_documentation_shows_parses() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/deploy.md")).unwrap();
        assert!(commands(&page).count() > 10);
        for command in commands(&page) {
            assert_eq!(super::parses(command.split_whitespace()), Ok(()), "dive {command}");
        }
    }
}
