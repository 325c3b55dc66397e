//! Resources, trusted issuers and the audit trail in MongoDB.
//!
//! ```text
//!  ResourceStore, IssuerRegistry, Audit, Probe
//!            │
//!       MongoStore ──► documents (what stands in each collection)
//!            │    └──► migrations (once, by whoever comes first)
//!            ▼
//!        Commands ──► Driver (the official driver, bounded in time; PoolView) ──► MongoDB
//!                └──► in a simulation: a link to a stand-in
//! ```
//!
//! | collection | `_id` | what |
//! |---|---|---|
//! | `resources` | the resource's id | `metadata`; `object`, the ZTDF object's bytes |
//! | `trusted_issuers` | the `iss` | `tenant`, `jwksUri`, `maxClassification`, `claimMap` |
//! | `audit` | the entry's id, so that an entry stands once | the entry |
//! | `migrations` | the version | `name` |
//!
//! One document is the unit: no transactions, no change streams. Lists are paged by key, so no cursor has to
//! outlive a connection.

mod commands;
mod documents;
mod driver;
mod migrations;
mod pool;
mod store;

pub use commands::{CommandFailure, Commands};
pub use documents::{IssuerDocument, ResourceDocument};
pub use driver::{Driver, DriverError};
pub use pool::{PoolError, PoolSnapshot, PoolView};
pub use store::MongoStore;

/// The collections' names.
pub mod collections {
    /// Of the resources.
    pub const RESOURCES: &str = "resources";
    /// Of the trusted issuers.
    pub const ISSUERS: &str = "trusted_issuers";
    /// Of the audit trail.
    pub const AUDIT: &str = "audit";
    /// Of the migrations that have been carried out.
    pub const MIGRATIONS: &str = "migrations";
}

#[cfg(test)]
mod tests;
