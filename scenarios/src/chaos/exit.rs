//! How the command ends.

use std::process::ExitCode;

use harness_core::verdict::Verdict;

/// The words of the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// What was asked for was done, or held.
    Done,
    /// The verdict of the runs.
    Verdict(Verdict),
    /// The command line or a scenario file is wrong (sysexits' `EX_USAGE`).
    Usage,
    /// The harness failed (sysexits' `EX_SOFTWARE`).
    Internal,
    /// What a program that was run for it ended with.
    Code(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Verdict(verdict) => verdict.exit_code(),
            Exit::Usage => 64,
            Exit::Internal => 70,
            Exit::Code(code) => code,
        })
    }
}
