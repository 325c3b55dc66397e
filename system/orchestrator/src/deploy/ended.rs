//! How a run ended, and what to do next.

use std::time::Duration;

use super::{Failure, Subject, Unconfirmed};
use crate::pipeline::{CannotPlan, Ending};
use crate::{DeploymentState, ErrorCode, Instance, Phase, StoreError};

/// A run that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of what.
    pub instance: Instance,
    /// How it ended.
    pub ending: Ending,
    /// What failed, if something did.
    pub failure: Option<Failure>,
    /// What it went on without.
    pub warnings: Vec<(Subject, Failure)>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Whether what was asked for was done.
    pub const fn is_success(&self) -> bool {
        matches!(
            self.ending,
            Ending::Complete | Ending::Stopped | Ending::RolledBack { .. } | Ending::Removed
        )
    }

    /// What an operator does next, in one line; `None` after a success.
    pub fn next_step(&self) -> Option<String> {
        let failure = self.failure.as_ref()?;
        let help = failure.code.next_step();
        Some(match self.ending {
            Ending::Kept { .. } => {
                format!(
                    "{help}; what was made is kept: `--resume` goes on, `dive orch-db rollback` undoes it"
                )
            }
            Ending::Undone { .. } => format!("{help}; what was made is removed: deploy again"),
            _ => help.to_owned(),
        })
    }
}

/// Why a run did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// What was asked for is not possible. Nothing was changed.
    #[error(transparent)]
    Plan(#[from] CannotPlan),
    /// It can't be taken back, and nobody confirmed it. Nothing was changed.
    #[error(transparent)]
    Unconfirmed(#[from] Unconfirmed),
    /// It can't even begin. Nothing was changed.
    #[error("{0}")]
    Refused(Failure),
    /// The deployment is not in a state in which this is possible. Nothing was changed.
    #[error("{instance} is {}", .state.as_str())]
    State {
        /// Which.
        instance: Instance,
        /// Its state.
        state: DeploymentState,
    },
    /// The store refused or failed. When the lock was held, what was begun is as a crash would have left it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lock was lost, or could not be proven to be held any more: the run stopped at once.
    #[error("the lock of {instance} was lost: {why}")]
    LockLost {
        /// Of which.
        instance: Instance,
        /// How that was seen.
        why: String,
    },
    /// The operator stopped it. The last write was finished and the lock released.
    #[error("{instance}: stopped by the operator{}", .phase.map(|p| format!(" in {p}")).unwrap_or_default())]
    Cancelled {
        /// Which.
        instance: Instance,
        /// In which phase; `None` outside of any.
        phase: Option<Phase>,
    },
}

impl Interrupted {
    /// The code an operator sees.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Plan(_) | Self::State { .. } | Self::LockLost { .. } => ErrorCode::InvalidState,
            Self::Unconfirmed(_) => ErrorCode::Configuration,
            Self::Refused(failure) => failure.code,
            Self::Store(error) => error.code(),
            Self::Cancelled { .. } => ErrorCode::Cancelled,
        }
    }

    /// What an operator does next, in one line.
    pub fn next_step(&self) -> String {
        match self {
            Self::Plan(CannotPlan::NothingToResume) => "nothing; to run all phases again, deploy".to_owned(),
            Self::Unconfirmed(_) => "if that is meant: `dive nuke … --confirm`".to_owned(),
            Self::Store(error) => error.next_step().to_owned(),
            Self::LockLost { instance, .. } => {
                format!("see who holds it: `dive status --instance {instance}`, then `--resume`")
            }
            Self::State { state: DeploymentState::Unknown, .. } => "deploy it first".to_owned(),
            Self::State { state: DeploymentState::RollingBack, .. } => {
                "let the rollback come to its end: `dive orch-db rollback`".to_owned()
            }
            Self::State { state: DeploymentState::Cleanup, .. } => {
                "let the removal come to its end: `dive nuke … --confirm`".to_owned()
            }
            _ => self.code().next_step().to_owned(),
        }
    }
}
