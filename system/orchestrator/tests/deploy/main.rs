//! Deployments on a simulated machine, in simulated time: each run can be cut at each of its steps, each call made
//! to fail.
//!
//! Method: a run is one future. Its steps are counted, and a crash at the n-th is dropping it there; the store's
//! calls begin and end with a step of their own, so that between any two writes there is one to be cut at. What is
//! left is held to the rules, and then resumed or rolled back. In memory always, with a SQLite file where the
//! store could make a difference.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod beside;
mod consistency;
mod contention;
mod crashes;
mod defects;
mod ends;
mod faulty;
mod late;
mod rotation;
mod services;
mod time;
mod trying;
mod watched;
mod world;
