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
    /// All phases; what was made is kept, whichever of them fails.
    DeployKeeping,
    /// From the first unfinished phase on.
    Resume,
    /// Back to the end of a phase, or to nothing.
    Rollback(Option<Phase>),
    /// Away with it and its data.
    Nuke,
    /// The same, not confirmed.
    NukeUnconfirmed,
    /// Its services are stopped.
    Down,
    /// Each of its services is looked at, and tried; nothing is changed.
    Verify,
    /// It gets newer versions of its secrets.
    Rotate,
    /// A hundred commands drawn by chance, each killed at an instant drawn by chance if it has not ended by then;
    /// after them it is resumed.
    Ordeal,
    /// The same with fifty commands, each of which saves checkpoints or goes back to one.
    Checkpoints,
    /// A database gets the newest schema.
    Migrate(Base),
    /// No command of `dive`: somebody is at the database by hand.
    ByHand(Deed),
}

/// A database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The orchestration's.
    Orchestration,
    /// Another beside it, in which nothing is at first.
    New,
}

/// What somebody does to a database by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The content of the checkpoint of the phase that was finished last does not match its digest any more.
    DamageCheckpoint,
    /// The newest state becomes none.
    DamageState,
    /// It becomes again what it was.
    MendState,
    /// The new database is made.
    Make,
    /// The orchestration's database gets the schema before the newest.
    Age,
    /// It is looked whether the schema of a database is the newest, whole and once.
    Inspect(Base),
}

impl Base {
    const fn name(self) -> &'static str {
        match self {
            Self::Orchestration => "database",
            Self::New => "new-database",
        }
    }
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
        let everywhere = [
            Command::Deploy,
            Command::Resume,
            Command::Rollback(None),
            Command::Nuke,
            Command::Down,
            Command::Verify,
        ];
        let at_the_hub = [
            Command::DeploySerially,
            Command::DeployKeeping,
            Command::NukeUnconfirmed,
            Command::Ordeal,
            Command::Checkpoints,
            Command::Rotate,
            Command::Migrate(Base::Orchestration),
            Command::Migrate(Base::New),
            Command::ByHand(Deed::DamageCheckpoint),
            Command::ByHand(Deed::DamageState),
            Command::ByHand(Deed::MendState),
            Command::ByHand(Deed::Make),
            Command::ByHand(Deed::Age),
            Command::ByHand(Deed::Inspect(Base::Orchestration)),
            Command::ByHand(Deed::Inspect(Base::New)),
        ]
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
            Command::DeployKeeping => format!("deploy-{on}-keeping"),
            Command::Resume => format!("resume-{on}"),
            Command::Rollback(None) => format!("rollback-{on}"),
            Command::Rollback(Some(to)) => format!("rollback-{on}-to-{}", to.as_str().to_ascii_lowercase()),
            Command::Nuke => format!("nuke-{on}"),
            Command::NukeUnconfirmed => format!("nuke-{on}-unconfirmed"),
            Command::Down => format!("down-{on}"),
            Command::Verify => format!("verify-{on}"),
            Command::Ordeal => format!("ordeal-{on}"),
            Command::Checkpoints => format!("checkpoints-{on}"),
            Command::Rotate => format!("rotate-{on}"),
            Command::Migrate(base) => format!("migrate-{}", base.name()),
            Command::ByHand(Deed::DamageCheckpoint) => format!("damage-{on}-checkpoint"),
            Command::ByHand(Deed::DamageState) => format!("damage-{on}-state"),
            Command::ByHand(Deed::MendState) => format!("mend-{on}-state"),
            Command::ByHand(Deed::Make) => format!("make-{}", Base::New.name()),
            Command::ByHand(Deed::Age) => format!("age-{}", Base::Orchestration.name()),
            Command::ByHand(Deed::Inspect(base)) => format!("inspect-{}", base.name()),
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
    /// A row of the database that it needs can't be read, and nothing was changed.
    Unreadable,
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
    /// It was done; of what deploys nothing.
    Done,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 18] = [
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
        Self::Unreadable,
        Self::LockLost,
        Self::Cancelled,
        Self::Killed,
        Self::NoOperator,
        Self::NoAnswer,
        Self::Done,
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
            Self::Unreadable => "unreadable",
            Self::LockLost => "lock-lost",
            Self::Cancelled => "cancelled",
            Self::Killed => "killed",
            Self::NoOperator => "no-operator",
            Self::NoAnswer => "no-answer",
            Self::Done => "done",
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
                | Interrupted::Unconfirmed(_)
                | Interrupted::Refused(_)
                | Interrupted::State { .. }
                | Interrupted::Store(StoreError::Refused { .. }),
            ) => Self::Refused,
            Err(Interrupted::Store(StoreError::Corrupt { .. } | StoreError::Unreadable { .. })) => {
                Self::Unreadable
            }
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
