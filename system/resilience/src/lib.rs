//! Pure state machines of resilience. No clock, no I/O, no async, no logging: `now` comes in, what
//! happened comes out, so that the same logic is property-tested, model-checked, simulated and run.
//!
//! | where | what |
//! |---|---|
//! | [`Moment`] | an instant on a monotonic clock, the only notion of time here |
//! | [`BreakerSettings`] | thresholds and times of one breaker, and the defaults of each dependency |
//! | [`CircuitBreaker`] | the seam: what a caller may do to a breaker |
//! | [`Breaker`] | the product's implementation of that seam |
//! | [`revocation`] | the local copy of revocations: what of it holds, and until when |
//! | [`health`] | from what a check saw to a service's status, from those to the node's status |
//!
//! A call goes `admit` → [`Permit`] → the dependency → `settle` (or `cancel` when nobody waits for the
//! answer any more). Each step appends the [`Transition`]s it caused to a list of the caller's; a step
//! that moves nothing allocates nothing. Start reading at [`Breaker`].

mod breaker;
pub mod health;
mod moment;
pub mod revocation;
mod settings;

pub use breaker::{
    Breaker, Caller, Cause, CircuitBreaker, Counters, Outcome, Permit, Rejected, Snapshot, State, Transition,
};
pub use moment::Moment;
pub use settings::{Admission, BreakerSettings, NotAPercentage, Percent};
