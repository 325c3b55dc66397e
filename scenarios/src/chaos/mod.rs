//! The `chaos` command.
//!
//! `args` is the command line; every verb has a file of its own; `live` shows a run as it goes and
//! `interrupt` ends it early; `out` and `complaint` are what is said; `exit` says how it ended.

mod args;
mod complaint;
mod doctor;
mod exit;
mod heal;
mod images;
mod interrupt;
mod list;
mod live;
mod out;
mod report;
mod run;
mod serve;
mod test;
mod up;

use std::panic::catch_unwind;
use std::process::ExitCode;

use clap::Parser as _;
use miette::Report;

use args::{Cli, Command};
use exit::Exit;
use out::note;

/// Parses the command line, does what it says, and returns how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    complaint::fit_terminal();
    complaint::own_up();
    match catch_unwind(|| obey(cli.command)) {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            note(format_args!("{error:?}"));
            complaint::exit(&error)
        }
        // It has owned up to it already.
        Err(_) => Exit::Internal,
    }
    .into()
}

fn obey(command: Command) -> Result<Exit, Report> {
    match command {
        Command::List(args) => list::list(&args),
        Command::Check(args) => list::check(&args),
        Command::Run(args) => run::run(&args),
        Command::Up(args) => up::up(&args),
        Command::Report(args) => report::report(&args),
        Command::Replay(args) => run::replay(&args),
        Command::Compare(args) => report::compare(&args),
        Command::Heal(args) => heal::heal(&args),
        Command::Images(args) => images::images(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Test(args) => test::test(&args),
        Command::Serve(args) => serve::serve(args.role),
    }
}

/// Whether words after `chaos` are a command line.
///
/// # Errors
/// What is wrong with them, and the usage.
pub fn parses<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let words = std::iter::once("chaos").chain(words);
    Cli::try_parse_from(words).map(drop).map_err(|error| error.to_string())
}
