//! The operations a deployment is made of, as far as failing and trying again goes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ErrorCode;

/// A kind of work against one dependency. Each has a breaker and a row of the retry matrix of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Writing to or reading from Keycloak.
    Keycloak,
    /// Setting up the federation with the hub.
    Federation,
    /// Reading a secret from its store.
    Secret,
    /// Asking a service for its health.
    Health,
    /// Trying the whole from outside.
    Verification,
    /// Making, starting and removing containers, networks and volumes.
    Containers,
    /// Writing seeds and registry documents.
    Documents,
    /// Fetching policy and tokens for its channel.
    Policy,
}

/// A text that names no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no operation")]
pub struct NoOperation(pub String);

impl Operation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Keycloak,
        Self::Federation,
        Self::Secret,
        Self::Health,
        Self::Verification,
        Self::Containers,
        Self::Documents,
        Self::Policy,
    ];

    /// The name it is stored under.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keycloak => "keycloak",
            Self::Federation => "federation",
            Self::Secret => "secret",
            Self::Health => "health",
            Self::Verification => "verification",
            Self::Containers => "containers",
            Self::Documents => "documents",
            Self::Policy => "policy",
        }
    }

    /// What an operator is told when it is not even tried, because it failed too often.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Keycloak => ErrorCode::KeycloakConfiguration,
            Self::Federation => ErrorCode::FederationSetup,
            Self::Secret => ErrorCode::SecretLoad,
            Self::Health => ErrorCode::ContainerUnhealthy,
            Self::Verification => ErrorCode::VerifyHealth,
            Self::Containers => ErrorCode::ContainerStart,
            Self::Documents => ErrorCode::Database,
            Self::Policy => ErrorCode::PolicyChannelToken,
        }
    }
}

impl FromStr for Operation {
    type Err = NoOperation;

    fn from_str(text: &str) -> Result<Self, NoOperation> {
        Self::ALL.into_iter().find(|op| op.as_str() == text).ok_or_else(|| NoOperation(text.to_owned()))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_reads_back_and_no_two_are_alike() {
        for operation in Operation::ALL {
            assert_eq!(operation.as_str().parse(), Ok(operation));
            assert_eq!(serde_json::to_value(operation).unwrap(), operation.as_str());
        }
        assert_eq!("Keycloak".parse::<Operation>(), Err(NoOperation("Keycloak".into())));
    }
}
