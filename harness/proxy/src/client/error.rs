//! What can go wrong between the client and a server, and what to do about it.

use std::time::Duration;

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base address is not an HTTP one.
    #[error("{given:?} is not an address of a proxy server: give http://host:port")]
    Address {
        /// What was given.
        given: String,
    },
    /// Nobody answers there.
    #[error(
        "{call}: no proxy server at {base} ({detail}). Start one, for example `toxiproxy-server -port <port>`, or correct the address"
    )]
    Unreachable {
        /// What was to be done.
        call: String,
        /// Where.
        base: String,
        /// What the system said.
        detail: String,
    },
    /// No answer in time. The change may have been made.
    #[error(
        "{call}: no answer within {within:?}. A client that stops reading can freeze Toxiproxy's control for 25 s: read the state back before trying again"
    )]
    Deadline {
        /// What was to be done.
        call: String,
        /// The deadline.
        within: Duration,
    },
    /// The server says no.
    #[error("{call}: refused with {status}: {error}")]
    Refused {
        /// What was to be done.
        call: String,
        /// The HTTP status.
        status: u16,
        /// What the server said.
        error: String,
    },
    /// The server said yes, but its state is not what was asked for.
    #[error(
        "{call}: accepted, but read back differently: asked for {asked}, found {found}. Somebody else may be changing the same proxy"
    )]
    NotAsAsked {
        /// What was to be done.
        call: String,
        /// What should be.
        asked: String,
        /// What is.
        found: String,
    },
    /// The answer cannot be read.
    #[error("{call}: the answer is not a proxy server's: {detail}. Is something else listening there?")]
    Unintelligible {
        /// What was to be done.
        call: String,
        /// Where reading failed.
        detail: String,
    },
    /// Real Toxiproxy does not have this.
    #[error(
        "{call}: this server cannot do it, real Toxiproxy has no {what}. Use the harness' own proxy for this edge"
    )]
    OnlyOurs {
        /// What was to be done.
        call: String,
        /// What is missing.
        what: String,
    },
    /// The toxic itself cannot be meant; nothing was sent.
    #[error("{call}: {source}")]
    Invalid {
        /// What was to be done.
        call: String,
        /// Why not.
        source: crate::InvalidToxic,
    },
}

impl ClientError {
    /// The HTTP status, when the server refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}
