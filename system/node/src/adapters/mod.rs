//! The ports' implementations for a process: HTTP, files, logs.

mod audit_file;
mod audit_reader;
mod http_client;
mod issuers_file;
mod kas;
mod keycloak;
mod log_events;
pub mod mongodb;
mod opa;
mod process;
pub mod redis;
mod resources_file;
mod revocation_journal;
mod tls;

pub use audit_file::{AuditFile, AuditLine, read_audit};
pub use audit_reader::AuditReader;
pub use http_client::{Connections, HttpClient, HttpError};
pub use issuers_file::IssuersFile;
pub use kas::KasProbe;
pub use keycloak::Keycloak;
pub use log_events::LogEvents;
pub use opa::{Opa, OpaError};
pub use process::ThisProcess;
pub use resources_file::ResourcesFile;
pub use revocation_journal::RevocationJournalFile;
pub use tls::{Distrust, Trust, TrustError, distrust};

use std::path::PathBuf;

/// A file that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// It says two things about the same thing.
    #[error("{}: `{id}` stands twice", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// What stands twice.
        id: String,
    },
}
