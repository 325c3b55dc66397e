//! Rows that are only written and read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Holder, Instance, Phase, Service, Stamp};

/// An error that a deployment met.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// Which.
    pub code: ErrorCode,
    /// What happened, with the names and figures; never a secret.
    pub message: String,
    /// Whether its remedy was tried and helped.
    pub recovered: bool,
}

/// One run of one phase.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PhaseRun {
    /// Which phase.
    pub phase: Phase,
    /// When it began.
    pub began: Stamp,
    /// When it ended; `None` while it is under way, and for ever when it was interrupted.
    pub ended: Option<Stamp>,
    /// Why it failed, if it did.
    pub failure: Option<ErrorRecord>,
}

/// A service that came up, from nothing and undisturbed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ServiceStart {
    /// Which.
    pub service: Service,
    /// When it was healthy.
    pub healthy: Stamp,
    /// How long after its start.
    pub took: Duration,
}

impl ServiceStart {
    /// When it was started.
    pub fn began(&self) -> Stamp {
        self.healthy.before(self.took)
    }
}

/// A link of the federation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Link {
    /// From the instance that wrote it.
    pub from: Instance,
    /// To this one.
    pub to: Instance,
    /// Whether it was seen to work.
    pub verified: bool,
    /// When it was last written.
    pub at: Stamp,
}

/// What an operator did outside a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Who.
    pub by: Holder,
    /// What, as it was typed, secrets left out.
    pub action: String,
    /// When.
    pub at: Stamp,
}
