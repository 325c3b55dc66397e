//! The phases of a deployment, as data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DeploymentState;

/// A part of a deployment that is finished as a whole, and then has a checkpoint. In their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// No conflict, the hub reachable, no dependency cycle.
    Preflight,
    /// Configuration, secrets, certificates.
    Initialization,
    /// Containers up by dependency level, and healthy.
    Deployment,
    /// Realm, identity providers of the federation, trusted issuers.
    Configuration,
    /// Resources and users to try it with. Optional.
    Seeding,
    /// It connects, logs in, decides, federates.
    Verification,
}

/// What becomes of a failed deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// All it made is removed; it ends FAILED with nothing left.
    RollBack,
    /// What stands is kept for a look and for `--resume`; it ends FAILED.
    Keep,
}

/// A text that names no phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no phase: they are {}", names())]
pub struct NoPhase {
    /// The text.
    pub found: String,
}

fn names() -> String {
    Phase::ALL.map(|phase| phase.as_str().to_ascii_lowercase()).join(", ")
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Preflight,
        Self::Initialization,
        Self::Deployment,
        Self::Configuration,
        Self::Seeding,
        Self::Verification,
    ];

    /// The state a deployment is in while this phase runs.
    pub const fn state(self) -> DeploymentState {
        match self {
            Self::Preflight | Self::Initialization => DeploymentState::Initializing,
            Self::Deployment => DeploymentState::Deploying,
            Self::Configuration | Self::Seeding => DeploymentState::Configuring,
            Self::Verification => DeploymentState::Verifying,
        }
    }

    /// What becomes of a deployment that fails in this phase, unless the operator says otherwise: in the first
    /// three it is rolled back, in the last three it is kept.
    pub const fn on_failure(self) -> OnFailure {
        match self {
            Self::Preflight | Self::Initialization | Self::Deployment => OnFailure::RollBack,
            Self::Configuration | Self::Seeding | Self::Verification => OnFailure::Keep,
        }
    }

    /// Whether a deployment is COMPLETE without it.
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::Seeding)
    }

    /// Those that come before it, in order.
    pub fn earlier(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |phase| *phase < self)
    }

    /// It and those that come after it, in order.
    pub fn onward(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |phase| *phase >= self)
    }

    /// The name it is stored under, such as `SEEDING`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "PREFLIGHT",
            Self::Initialization => "INITIALIZATION",
            Self::Deployment => "DEPLOYMENT",
            Self::Configuration => "CONFIGURATION",
            Self::Seeding => "SEEDING",
            Self::Verification => "VERIFICATION",
        }
    }
}

impl FromStr for Phase {
    type Err = NoPhase;

    /// Reads a phase in either case, as operators type it.
    fn from_str(text: &str) -> Result<Self, NoPhase> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| NoPhase { found: text.to_owned() })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_roll_back_and_the_last_three_are_kept() {
        let rolled: Vec<_> =
            Phase::ALL.into_iter().filter(|phase| phase.on_failure() == OnFailure::RollBack).collect();
        assert_eq!(rolled, [Phase::Preflight, Phase::Initialization, Phase::Deployment]);
    }

    #[test]
    fn the_states_of_the_phases_never_go_back() {
        for pair in Phase::ALL.windows(2) {
            let (from, to) = (pair[0].state(), pair[1].state());
            assert!(from == to || from.may_become(to), "{from} then {to}");
        }
        assert!(Phase::Verification.state().may_become(DeploymentState::Complete));
    }

    #[test]
    fn a_name_reads_back_in_either_case_and_a_wrong_one_is_answered_with_the_names() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
            assert_eq!(phase.as_str().to_ascii_lowercase().parse(), Ok(phase));
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
            assert_eq!(phase.earlier().chain(phase.onward()).collect::<Vec<_>>(), Phase::ALL);
        }
        let wrong = "DEPLOY".parse::<Phase>().unwrap_err().to_string();
        assert!(wrong.contains("deployment, configuration"), "{wrong}");
    }
}
