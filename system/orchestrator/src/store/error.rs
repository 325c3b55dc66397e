//! Why a store did not do what it was asked.

use std::time::Duration;

use crate::state::Refused;
use crate::{Contended, Corrupt, ErrorCode, Held, Instance, InstanceCode, Lost, NoSlotLeft, Operation};

/// A refusal or a failure of the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Someone else is at work on the instance.
    #[error("{instance} is being deployed by {}, since {} ms after the epoch", .held.by, .held.since.millis())]
    Contended {
        /// On which.
        instance: Instance,
        /// Who.
        held: Held,
    },
    /// The caller's holding is over. Nothing was written, and nothing it may write from now on.
    #[error("the lock of {instance} was lost: {lost}")]
    LockLost {
        /// Of which.
        instance: Instance,
        /// Which holding.
        lost: Lost,
    },
    /// The state change is not possible.
    #[error("{instance}: {refused}")]
    Refused {
        /// Of which.
        instance: Instance,
        /// Why.
        refused: Refused,
    },
    /// The breaker of an operation is open.
    #[error("{operation} is not tried for another {} s: it failed too often", .retry_after.as_secs())]
    BreakerOpen {
        /// Of which.
        operation: Operation,
        /// How long.
        retry_after: Duration,
    },
    /// A phase ends that was not under way.
    #[error("{instance}: {phase} ended without having begun", phase = .phase)]
    NotUnderWay {
        /// Of which.
        instance: Instance,
        /// Which phase.
        phase: crate::Phase,
    },
    /// A checkpoint doesn't hold what was saved.
    #[error("{instance}: {corrupt}")]
    Corrupt {
        /// Of which.
        instance: Instance,
        /// Which checkpoint.
        corrupt: Corrupt,
    },
    /// A row can't be read, such as a state that doesn't exist.
    #[error("a row of {table} can't be read: {why}")]
    Unreadable {
        /// Where.
        table: &'static str,
        /// Why.
        why: String,
    },
    /// No port slot is left.
    #[error("no ports are left for {code}: those it may have are taken, or are the hub's")]
    NoSlot {
        /// For whom.
        code: InstanceCode,
    },
    /// The schema is newer than this program.
    #[error("the database has schema {found}, this program knows {known}: use a newer program")]
    NewerSchema {
        /// What it is.
        found: u32,
        /// The newest this program knows.
        known: u32,
    },
    /// The schema is older than this program.
    #[error("the database has schema {found}, this program needs {known}: run `dive orch-db migrate`")]
    OlderSchema {
        /// What it is; 0 when there is none yet.
        found: u32,
        /// What this program needs.
        known: u32,
    },
    /// The store is there and doesn't let this program in, or not write. Nothing was written.
    #[error("the orchestration database refuses this program: {why}")]
    Denied {
        /// Why, without any password.
        why: String,
    },
    /// The store could not be reached, or the answer was lost.
    #[error("the orchestration database is not available: {why}")]
    Unavailable {
        /// Why, without any password.
        why: String,
    },
}

impl StoreError {
    /// The code an operator sees.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Contended { .. } | Self::NoSlot { .. } => ErrorCode::InstanceConflict,
            Self::LockLost { .. } | Self::Refused { .. } | Self::NotUnderWay { .. } => {
                ErrorCode::InvalidState
            }
            Self::BreakerOpen { operation, .. } => operation.code(),
            Self::Corrupt { .. }
            | Self::Unreadable { .. }
            | Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Denied { .. }
            | Self::Unavailable { .. } => ErrorCode::Database,
        }
    }

    /// What an operator does next, in one line.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Corrupt { .. } => {
                "take it back to nothing, which needs none: `dive orch-db rollback`; or deploy it again"
            }
            Self::Unreadable { .. } => "restore the database from its backup",
            _ => self.code().next_step(),
        }
    }

    pub(crate) fn contended(instance: &Instance, contended: Contended) -> Self {
        Self::Contended { instance: instance.clone(), held: contended.0 }
    }

    pub(crate) fn lost(instance: &Instance, lost: Lost) -> Self {
        Self::LockLost { instance: instance.clone(), lost }
    }
}

impl From<NoSlotLeft> for StoreError {
    fn from(NoSlotLeft(code): NoSlotLeft) -> Self {
        Self::NoSlot { code }
    }
}
