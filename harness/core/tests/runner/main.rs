//! The runner in a toy world: one circuit that opens some time after something breaks and closes some
//! time after it is mended, on tokio's paused clock.
//!
//! The toy keeps a log of every call, so that each test shows what the runner did and when, and first
//! that the fault took effect.

mod endings;
mod faults;
mod interrupted;
mod load;
mod order;
mod toy;
mod waiting;
