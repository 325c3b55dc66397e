//! What an operator can be told to do, and what can come of it.

use dive_orchestrator::deploy::{Interrupted, Report};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{Instance, Phase, StoreError};
use harness_core::event::Answer;

use super::topology::{COLLEAGUE, OPERATOR, spoke};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// All phases.
    Deploy,
    /// All phases, the services one after the other.
    DeploySerially,
    /// From the first unfinished phase on.
    Resume,
    /// Back to the end of a phase, or to nothing.
    Rollback(Option<Phase>),
    /// Away with it and its data.
    Nuke,
    /// Its services are stopped.
    Down,
    /// A hundred commands drawn by chance, each killed at an instant drawn by chance if it has not ended by then;
    /// after them it is resumed.
    Ordeal,
}

/// On what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The hub.
    Hub,
    /// A spoke.
    Fra,
    /// Another.
    Deu,
    /// The spoke of the request's number.
    Spokes,
}

/// An order: a kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who is told.
    pub by: &'static str,
    /// What is to be done.
    pub command: Command,
    /// On what.
    pub on: Subject,
}

impl Order {
    /// All of them.
    pub fn all() -> Vec<Self> {
        let order = |by, command, on| Self { by, command, on };
        let everywhere =
            [Command::Deploy, Command::Resume, Command::Rollback(None), Command::Nuke, Command::Down];
        let at_the_hub = [Command::DeploySerially, Command::Ordeal]
            .into_iter()
            .chain(Phase::ALL.map(|phase| Command::Rollback(Some(phase))));
        let subjects = [Subject::Hub, Subject::Fra, Subject::Deu, Subject::Spokes];
        let by_the_operator =
            subjects.into_iter().flat_map(|on| everywhere.map(|command| order(OPERATOR, command, on)));
        by_the_operator
            .chain(at_the_hub.map(|command| order(OPERATOR, command, Subject::Hub)))
            .chain(everywhere.map(|command| order(COLLEAGUE, command, Subject::Hub)))
            .collect()
    }

    /// The word for it in scenarios.
    pub fn name(self) -> String {
        let on = match self.on {
            Subject::Hub => "hub",
            Subject::Fra => "fra",
            Subject::Deu => "deu",
            Subject::Spokes => "spokes",
        };
        let name = match self.command {
            Command::Deploy => format!("deploy-{on}"),
            Command::DeploySerially => format!("deploy-{on}-serially"),
            Command::Resume => format!("resume-{on}"),
            Command::Rollback(None) => format!("rollback-{on}"),
            Command::Rollback(Some(to)) => format!("rollback-{on}-to-{}", to.as_str().to_ascii_lowercase()),
            Command::Nuke => format!("nuke-{on}"),
            Command::Down => format!("down-{on}"),
            Command::Ordeal => format!("ordeal-{on}"),
        };
        if self.by == COLLEAGUE { format!("{COLLEAGUE}-{name}") } else { name }
    }

    /// The order of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|order| order.name() == name)
    }

    /// What the request of this number is about.
    pub fn instance(self, number: u64) -> Instance {
        match self.on {
            Subject::Hub => Instance::Hub,
            Subject::Fra => spoke(0),
            Subject::Deu => spoke(1),
            Subject::Spokes => spoke(number),
        }
    }
}

/// What can come of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands, and nothing was gone on without.
    Complete,
    /// It stands, without something.
    Warned,
    /// It is stopped, as asked.
    Stopped,
    /// A phase failed; what was made is kept.
    Kept,
    /// A phase failed; what was made is removed.
    Undone,
    /// Undoing failed.
    UndoFailed,
    /// It was taken back, as asked.
    RolledBack,
    /// It was removed, as asked.
    Removed,
    /// Somebody else is at work on it.
    Contended,
    /// It is not possible as things stand, and nothing was changed.
    Refused,
    /// The database is away.
    Database,
    /// The lock was lost.
    LockLost,
    /// The operator stopped it.
    Cancelled,
    /// Its process was killed.
    Killed,
    /// There is no process to tell it to.
    NoOperator,
    /// Nothing was heard of it.
    NoAnswer,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Complete,
        Self::Warned,
        Self::Stopped,
        Self::Kept,
        Self::Undone,
        Self::UndoFailed,
        Self::RolledBack,
        Self::Removed,
        Self::Contended,
        Self::Refused,
        Self::Database,
        Self::LockLost,
        Self::Cancelled,
        Self::Killed,
        Self::NoOperator,
        Self::NoAnswer,
    ];

    /// The word for it in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Warned => "warned",
            Self::Stopped => "stopped",
            Self::Kept => "kept",
            Self::Undone => "undone",
            Self::UndoFailed => "undo-failed",
            Self::RolledBack => "rolled-back",
            Self::Removed => "removed",
            Self::Contended => "contended",
            Self::Refused => "refused",
            Self::Database => "database",
            Self::LockLost => "lock-lost",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
            Self::NoOperator => "no-operator",
            Self::NoAnswer => "no-answer",
        }
    }

    /// Whether a run that ended so says that nothing of its deployment is left.
    pub fn leaves_nothing(ending: Ending) -> bool {
        matches!(ending, Ending::Undone { .. } | Ending::RolledBack { to: None } | Ending::Removed)
    }

    /// What came of a run.
    pub fn of(end: &Result<Report, Interrupted>) -> Self {
        match end {
            Ok(report) => match report.ending {
                Ending::Complete if report.warnings.is_empty() => Self::Complete,
                Ending::Complete => Self::Warned,
                Ending::Stopped => Self::Stopped,
                Ending::Kept { .. } => Self::Kept,
                Ending::Undone { .. } => Self::Undone,
                Ending::UndoFailed => Self::UndoFailed,
                Ending::RolledBack { .. } => Self::RolledBack,
                Ending::Removed => Self::Removed,
            },
            Err(Interrupted::Store(StoreError::Contended { .. })) => Self::Contended,
            Err(Interrupted::LockLost { .. } | Interrupted::Store(StoreError::LockLost { .. })) => {
                Self::LockLost
            }
            Err(
                Interrupted::Plan(_)
                | Interrupted::Refused(_)
                | Interrupted::State { .. }
                | Interrupted::Store(StoreError::Refused { .. }),
            ) => Self::Refused,
            Err(Interrupted::Store(_)) => Self::Database,
            Err(Interrupted::Cancelled { .. }) => Self::Cancelled,
        }
    }

    /// The answer to an order, with what its operator reads.
    pub fn answer(end: &Result<Report, Interrupted>) -> Answer {
        let answer = Answer::new(Self::of(end).name());
        match end {
            Ok(report) => {
                let failure = report.failure.as_ref().or(report.warnings.first().map(|(_, failure)| failure));
                let answer = match failure {
                    Some(failure) => {
                        answer.with("code", failure.code.number().to_string()).with("error", &failure.detail)
                    }
                    None => answer,
                };
                report.next_step().map_or(answer.clone(), |next| answer.with("next", next))
            }
            Err(interrupted) => answer
                .with("code", interrupted.code().number().to_string())
                .with("error", interrupted.to_string())
                .with("next", interrupted.next_step()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_found_by_its_name_and_no_two_share_one() {
        for order in Order::all() {
            assert_eq!(Order::named(&order.name()), Some(order));
        }
        assert!(Order::named("rollback-hub-to-seeding").is_some());
        assert!(Order::named("colleague-resume-hub").is_some());
        assert_eq!(Order::named("deploy-spokes").map(|order| order.instance(1)), Some(spoke(1)));
    }
}
