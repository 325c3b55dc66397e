//! The store as something that carries out commands: what a driver and a simulated link have in common.

use std::time::Duration;

use async_trait::async_trait;
use bson::{Bson, Document};

use crate::ports::{ProbeError, StoreError};

/// `DuplicateKey`.
const DUPLICATE_KEY: i32 = 11000;

/// A database that carries out commands.
#[async_trait]
pub trait Commands: Send + Sync {
    /// Carries out one command. A reply whose `ok` is 0 is a failure; one with `writeErrors` is not.
    ///
    /// # Errors
    /// [`CommandFailure`], within a bounded time.
    async fn run(&self, command: Document) -> Result<Document, CommandFailure>;

    /// Asks whether the database is there, over a connection made for this question: a kept one can go on
    /// working after the way is gone for everybody else.
    ///
    /// # Errors
    /// [`CommandFailure`], within a bounded time.
    async fn ping(&self) -> Result<(), CommandFailure>;
}

/// A command that was not carried out, or of which that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandFailure {
    /// No connection, or it broke.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// No reply in time.
    #[error("the store did not answer within {0:?}")]
    Timeout(Duration),
    /// It replied that it would not.
    #[error("the store refused a command with code {code}: {message}")]
    Refused {
        /// MongoDB's number for the reason.
        code: i32,
        /// Its words.
        message: String,
    },
    /// Its reply is none.
    #[error("the store replied with something else: {0}")]
    Malformed(String),
}

impl CommandFailure {
    /// Whether what was to be inserted is there already.
    pub const fn is_duplicate_key(&self) -> bool {
        matches!(self, Self::Refused { code: DUPLICATE_KEY, .. })
    }

    /// The reply, if it says that the command was carried out.
    ///
    /// # Errors
    /// What it says otherwise.
    pub fn of_reply(reply: Document) -> Result<Document, Self> {
        let ok = match reply.get("ok") {
            Some(Bson::Double(ok)) => *ok > 0.0,
            Some(Bson::Int32(ok)) => *ok > 0,
            Some(Bson::Int64(ok)) => *ok > 0,
            _ => false,
        };
        if ok { Ok(reply) } else { Err(Self::told(&reply)) }
    }

    /// The reply of a write, if every statement of it was carried out and is as durable as was asked for.
    ///
    /// # Errors
    /// The first that was not.
    pub(super) fn of_write(reply: Document) -> Result<Document, Self> {
        let first = reply.get_array("writeErrors").ok().and_then(|errors| errors.first());
        let concern = reply.get("writeConcernError");
        match first.or(concern).and_then(Bson::as_document) {
            Some(error) => Err(Self::told(error)),
            None => Ok(reply),
        }
    }

    fn told(by: &Document) -> Self {
        let message = by.get_str("errmsg").unwrap_or("no reason given").to_owned();
        Self::Refused { code: by.get_i32("code").unwrap_or_default(), message }
    }
}

impl From<CommandFailure> for StoreError {
    fn from(failure: CommandFailure) -> Self {
        let why = failure.to_string();
        match failure {
            CommandFailure::Refused { code, .. } if !is_the_servers(code) => Self::Refused(why),
            _ => Self::Unavailable(why),
        }
    }
}

/// Whether a refusal of that code is about the server's own state and not about the command. These are the codes
/// at which the drivers' specifications have a client look for another server or try again, and those of a
/// server that is out of something. A reply without a code is none that a well server gives.
const fn is_the_servers(code: i32) -> bool {
    matches!(
        code,
        0 | 1 // no code, InternalError
            | 6 | 7 | 89 | 9001 // HostUnreachable, HostNotFound, NetworkTimeout, SocketException
            | 50 | 64 | 262 // MaxTimeMSExpired, WriteConcernFailed, ExceededTimeLimit
            | 91 | 11600 | 11602 // ShutdownInProgress, InterruptedAtShutdown, …DueToReplStateChange
            | 134 | 189 // ReadConcernMajorityNotAvailableYet, PrimarySteppedDown
            | 10107 | 13435 | 13436 // NotWritablePrimary, NotPrimaryNoSecondaryOk, …OrSecondary
            | 146 | 14031 // ExceededMemoryLimit, OutOfDiskSpace
    )
}

impl From<CommandFailure> for ProbeError {
    fn from(failure: CommandFailure) -> Self {
        Self(failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn a_refused_command_is_no_outage_unless_the_server_speaks_of_itself() {
        let fault = |failure: CommandFailure| StoreError::from(failure).is_the_stores_fault();
        let refused = |code| CommandFailure::Refused { code, message: "no".to_owned() };
        // BadValue, Unauthorized, CommandNotFound, DocumentValidationFailure, DuplicateKey
        for code in [2, 13, 59, 121, DUPLICATE_KEY] {
            assert!(!fault(refused(code)), "{code}");
        }
        // InternalError, MaxTimeMSExpired, InterruptedAtShutdown, NotWritablePrimary, OutOfDiskSpace
        for code in [1, 50, 11600, 10107, 14031] {
            assert!(fault(refused(code)), "{code}");
        }
        assert!(fault(CommandFailure::of_reply(doc! {"hello": 1}).unwrap_err()), "no reply of a well server");
        assert!(fault(CommandFailure::Unreachable("reset".to_owned())));
        assert!(fault(CommandFailure::Timeout(Duration::from_secs(2))));
        assert!(fault(CommandFailure::Malformed("no documents".to_owned())));
    }
}
