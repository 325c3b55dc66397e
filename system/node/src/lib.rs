//! The policy enforcement point: a service that lets a request through only if the policy engine says so.
//!
//! ```text
//!        /api/authorize, /api/resources, /api/auth, …           every 5 s
//!                    │                                             │
//!  http ──► enforcement ─┬─► token ─────► issuers, their keys ┐  poller ──► Probe
//!                        ├─► revocation   (a local copy)      │    │  └──► health ──► GET /health*
//!                        ├─► resources ─► ResourceStore       ├──► call_path ──► circuit
//!                        ├─► decisions ─► DecisionStore       │      (a breaker for each dependency)
//!                        ├─► PolicyEngine ────────────────────┘
//!                        └─► Audit ──── shipper ──► the store that all nodes share
//!
//!  whatever happens ──► event ─┬─► metrics ──► GET /metrics
//!                              └─► EventSink
//! ```
//!
//! | where | what |
//! |---|---|
//! | [`ports`] | the traits through which the node meets its world |
//! | [`adapters`] | their implementations for a process: HTTP, files, logs |
//! | [`settings`] | every duration and threshold, where each came from |
//! | [`revocation`] | the revocations this node knows of, and how it keeps knowing them |
//! | [`pep`] | the steps of enforcement, for the key access service |
//! | [`http`] | requests and answers in the node's manner |
//! | [`Node`] | the parts put together: `new`, `router`, `start` |
//! | [`event`] | what happens in a node, as metrics, logs and observers are told |
//! | [`audit`] | what is kept of an outcome |
//! | [`serve`] | the process: listener, logs, signals |
//!
//! Time and tasks come from a [`dive_runtime::Runtime`] only, so the same node runs in a process and in a
//! simulation that owns time. Start reading at `enforcement`, then `poller`.

pub mod adapters;
pub mod audit;
mod call_path;
mod circuit;
mod clock;
mod decisions;
#[cfg(test)]
mod defects;
mod dependency;
mod enforcement;
pub mod event;
mod events;
mod guarded;
mod health;
pub mod http;
mod idps;
mod ids;
mod metrics;
mod node;
pub mod pep;
mod poller;
pub mod ports;
mod resources;
pub mod revocation;
pub mod serve;
pub mod settings;
mod shipper;
#[cfg(test)]
mod testing;
mod token;

pub use clock::rfc3339;
pub use dependency::Dependency;
pub use enforcement::Ask;
pub use metrics::Family;
pub use node::{Node, NodeError};
pub use ports::Ports;
pub use serve::serve;
pub use settings::Settings;
#[doc(hidden)]
pub use token::fuzzing;
pub use token::{Attribute, ClaimMap, ClaimMapError};
