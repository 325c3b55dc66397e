//! The `chaos` command.
//!
//! [`args`] is the command line; every verb has a file of its own; [`live`] shows a run as it goes;
//! [`exit`] says how it ended.

mod args;
mod doctor;
mod exit;
mod heal;
mod images;
pub(crate) mod interrupt;
mod list;
mod live;
mod report;
mod run;
mod serve;
mod test;

use std::process::ExitCode;

use clap::Parser as _;
use miette::Report;

use crate::catalogue::CatalogueError;
use crate::execute::ExecuteError;
use args::{Cli, Command};
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
    let done = match cli.command {
        Command::List(args) => list::list(&args),
        Command::Check(args) => list::check(&args),
        Command::Run(args) => run::run(&args),
        Command::Report(args) => report::report(&args),
        Command::Replay(args) => run::replay(&args),
        Command::Compare(args) => report::compare(&args),
        Command::Heal(args) => heal::heal(&args),
        Command::Images(args) => images::images(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Test(args) => test::test(&args),
        Command::Serve(args) => serve::serve(args.role),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error:?}");
        blame(&error)
    })
    .into()
}

/// Whether words after `chaos` are a command line.
///
/// # Errors
/// What is wrong with them, and the usage.
pub fn parses<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let words = std::iter::once("chaos").chain(words);
    Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
}

/// Whose turn it is: the person's, or the harness'.
fn blame(error: &Report) -> Exit {
    let usage = error.downcast_ref::<CatalogueError>().is_some()
        || error.downcast_ref::<ExecuteError>().is_some_and(ExecuteError::is_usage);
    if usage { Exit::Usage } else { Exit::Internal }
}
