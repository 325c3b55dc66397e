//! Watching a node from outside, as its users and operators can: HTTP, its log, its audit file.
//!
//! Used wherever the node is a process of its own. What is polled is recorded with its uncertainty: it
//! changed between the sending of the last poll that did not show it and the answer of the first that did.

mod audit;
mod client;
mod health;
pub(super) mod lines;
mod log_clock;

pub(super) use audit::{AuditTail, read_behind};
pub(super) use client::Client;
pub(super) use health::HealthWatch;
pub(super) use log_clock::LogClock;
