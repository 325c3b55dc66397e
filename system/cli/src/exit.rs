//! How the command ends.

use std::process::ExitCode;

use dive_orchestrator::{Class, ErrorCode};

/// The exit codes, as the command's help shows them.
pub(crate) const CODES: &str = "Exit codes: 0 done · 1 something is not as it should be · 10 transient: try again · \
    11 recoverable: resume · 12 permanent · 13 needs a person · 64 usage · 70 internal; `exec` ends as its command does";

/// The words of the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for was done.
    Done,
    /// It was looked at, and is not as it should be.
    NotWell,
    /// It failed; the class says what helps.
    Failed(Class),
    /// The command line is wrong (sysexits' `EX_USAGE`).
    Usage,
    /// The program itself failed (sysexits' `EX_SOFTWARE`).
    Internal,
    /// As the operator's own command, of which this is the exit code.
    AsTheCommand(u8),
}

impl From<ErrorCode> for Exit {
    fn from(code: ErrorCode) -> Self {
        Self::Failed(code.class())
    }
}

impl Exit {
    /// The number.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotWell => 1,
            Self::Failed(Class::Transient) => 10,
            Self::Failed(Class::Recoverable) => 11,
            Self::Failed(Class::Permanent) => 12,
            Self::Failed(Class::Manual) => 13,
            Self::Usage => 64,
            Self::Internal => 70,
            Self::AsTheCommand(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_way_to_end_has_a_number_of_its_own_and_the_help_has_it() {
        let classes = [Class::Transient, Class::Recoverable, Class::Permanent, Class::Manual];
        let ends = [Exit::Done, Exit::NotWell, Exit::Usage, Exit::Internal];
        let all: Vec<u8> = ends.into_iter().chain(classes.map(Exit::Failed)).map(Exit::number).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for number in all {
            assert!(CODES.contains(&format!(" {number} ")), "{number}");
        }
    }
}
