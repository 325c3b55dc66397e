//! A node and a key access service in one process, over one store and one policy engine that runs the real
//! policies. Everything but time, store and audit is the product's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod circuit;
mod opening;
mod ports;
mod process;
mod refusals;
mod releases;
mod world;
