//! What is told when something can't be done: what happened, where, what to do next, whose turn it is.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;
use std::path::Path;

use harness_core::record::RecordError;
use harness_core::world::WorldError;
use harness_docker::EngineError;
use miette::{Diagnostic, MietteHandlerOpts, Report};
use reports::{CompareError, WriteError};
use thiserror::Error;

use super::exit::Exit;
use super::out::terminal_width;
use crate::catalogue::CatalogueError;
use crate::execute::ExecuteError;

/// Something that could not be done.
#[derive(Debug, Error, Diagnostic)]
#[error("{message}")]
pub(super) struct Complaint {
    message: String,
    #[help]
    help: Option<String>,
    exit: Exit,
}

impl Complaint {
    /// The person's turn: something that was asked for can't be.
    pub(super) fn usage(message: impl Display) -> Self {
        Self { message: message.to_string(), help: None, exit: Exit::Usage }
    }

    /// Something the harness stands on failed, or it itself.
    pub(super) fn internal(message: impl Display) -> Self {
        Self { message: message.to_string(), help: None, exit: Exit::Internal }
    }

    /// The same with the next step.
    #[must_use]
    pub(super) fn help(self, help: impl Display) -> Self {
        Self { help: Some(help.to_string()), ..self }
    }

    /// A file or folder that the system refused.
    pub(super) fn at(path: &Path, error: &io::Error) -> Self {
        Self::internal(format!("{}: {error}", path.display()))
            .help("see that the path is right, and that it may be used")
    }

    fn help_if(self, help: Option<&str>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }
}

impl From<RecordError> for Complaint {
    fn from(error: RecordError) -> Self {
        let told = Self::usage(&error);
        match error {
            RecordError::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
                    told.help("name the folder of a run, or the run.jsonl in it; `chaos report` shows all that are stored")
                }
                _ => Self { exit: Exit::Internal, ..told },
            },
            RecordError::NotARecord { .. } => told.help("name the folder of a run, or the run.jsonl in it"),
            RecordError::Damaged { .. } => told.help("what stands before that line can be saved: cut the file there, and name it again"),
            RecordError::OtherFormat { .. } => told,
        }
    }
}

impl From<WriteError> for Complaint {
    fn from(error: WriteError) -> Self {
        Self::internal(&error).help_if(error.next_step())
    }
}

impl From<CompareError> for Complaint {
    fn from(error: CompareError) -> Self {
        Self::usage(error)
    }
}

impl From<EngineError> for Complaint {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Absent { host, why, next } => {
                Self::internal(format!("no Docker engine at {host}: {why}")).help(next)
            }
            error => Self::internal(error),
        }
    }
}

impl From<WorldError> for Complaint {
    fn from(error: WorldError) -> Self {
        Self::internal(error.problem()).help_if(error.next_step())
    }
}

/// Whose turn it is: the person's, or the harness'.
pub(super) fn exit(error: &Report) -> Exit {
    if let Some(complaint) = error.downcast_ref::<Complaint>() {
        return complaint.exit;
    }
    let usage = error.downcast_ref::<CatalogueError>().is_some()
        || error.downcast_ref::<ExecuteError>().is_some_and(ExecuteError::is_usage);
    if usage { Exit::Usage } else { Exit::Internal }
}

/// From here on complaints fit the terminal, and are plain lines where there is none.
pub(super) fn fit_terminal() {
    let terminal = io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none();
    // Set once in a process; a second time it stays as it is.
    let _ = miette::set_hook(Box::new(move |_| {
        let opts = MietteHandlerOpts::new().color(colour).terminal_links(false).unicode(true);
        let opts = if terminal { opts.width(terminal_width()) } else { opts.width(200).wrap_lines(false) };
        Box::new(opts.build())
    }));
}

/// From here on a broken invariant is told as what it is.
pub(super) fn own_up() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic
            .location()
            .map(|place| format!(" at {}:{}", place.file(), place.line()))
            .unwrap_or_default();
        let said = panic.payload_as_str().unwrap_or("no reason given");
        super::out::note(format_args!(
            "chaos met a fault of its own{place}: {said}\n  next: run it again with RUST_BACKTRACE=1 and report both, with the run's folder"
        ));
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            super::out::note(format_args!("{}", std::backtrace::Backtrace::force_capture()));
        }
    }));
}
