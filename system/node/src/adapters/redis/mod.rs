//! Redis, in three uses: the revocations that all nodes share, the decision cache, and whether it is there.
//!
//! ```text
//!  RevocationStore ◄── RedisRevocations ──┐
//!  DecisionStore   ◄── RedisDecisions ────┼──► link::RedisLink ◄── RedisClient (a process)
//!  Probe           ◄── RedisProbe ────────┘                    ◄── whatever a simulation calls instead
//! ```
//!
//! What is asked of Redis and what its answers mean is in the three above the link and knows no socket; the link
//! carries commands and answers and knows no revocation.

mod client;
mod decisions;
pub mod link;
mod probe;
mod revocations;

pub use client::{RedisClient, RedisClientError};
pub use decisions::RedisDecisions;
pub use link::{Answer, Command, RedisLink, Subscription};
pub use probe::RedisProbe;
pub use revocations::RedisRevocations;

#[cfg(test)]
pub(crate) mod testing;
