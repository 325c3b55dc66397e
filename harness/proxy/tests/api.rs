//! The API under everything that could be sent to it.
//!
//! `sequences` plays random calls against a model of what a server holds; `hostile` sends what no client should.

#![expect(clippy::unwrap_used, reason = "a test's unwrap is its assertion")]

#[path = "api/hostile.rs"]
mod hostile;
#[path = "api/sequences.rs"]
mod sequences;
#[expect(dead_code, reason = "each test binary uses a part of it")]
mod support;
