//! The `dive` command as its users meet it: the built binary, its messages, its exit codes, what it changes.
//!
//! | file | what is tried |
//! |---|---|
//! | `bench` | a place of its own for each test |
//! | `reading` | what is shown of deployments as they stand |
//! | `bad_input` | what is not, what may not be, what can't be reached: told, and nothing changed |
//! | `docker` | the same with a container engine |

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod bad_input;
mod bench;
mod docker;
mod reading;
