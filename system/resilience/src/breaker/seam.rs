//! What a caller may do to a breaker, and the words both sides use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;

/// A circuit breaker as its callers see it: object-safe, so that another implementation can stand in
/// the product's place.
///
/// Every step takes the present instant of one monotonic clock and appends what moved to `log`, oldest
/// first. Reading ([`snapshot`](Self::snapshot), [`next_deadline`](Self::next_deadline)) takes `&self`:
/// looking never consumes a permit.
pub trait CircuitBreaker: Send {
    /// What rejections and logs call it.
    fn name(&self) -> &str;

    /// Asks to call the dependency.
    ///
    /// # Errors
    /// [`Rejected`] when the call must not be made.
    fn admit(&mut self, now: Moment, caller: Caller, log: &mut Vec<Transition>) -> Result<Permit, Rejected>;

    /// Gives a permit back with the call's result.
    fn settle(&mut self, now: Moment, permit: Permit, outcome: Outcome, log: &mut Vec<Transition>);

    /// Gives a permit back without a result: the caller no longer waits for one.
    fn cancel(&mut self, permit: Permit);

    /// Lets time act; to be called at [`next_deadline`](Self::next_deadline) when nothing else happens.
    fn tick(&mut self, now: Moment, log: &mut Vec<Transition>);

    /// The instant at which time alone will move the breaker, if any.
    fn next_deadline(&self) -> Option<Moment>;

    /// An operator moves it. A forced OPEN holds until released; the other states live on by the rules.
    fn force(&mut self, now: Moment, to: State, log: &mut Vec<Transition>);

    /// Ends a forced OPEN. The time it was open counts: it may become half-open at once.
    fn release(&mut self, now: Moment, log: &mut Vec<Transition>);

    /// CLOSED with all counts of the moment at zero. Running totals stay.
    fn reset(&mut self, now: Moment, log: &mut Vec<Transition>);

    /// How things stand after the last step.
    fn snapshot(&self, now: Moment) -> Snapshot;
}

/// The three states of a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Calls go through.
    Closed,
    /// A few calls go through, to learn whether the dependency is back.
    HalfOpen,
    /// Calls are rejected.
    Open,
}

impl State {
    /// The one number for this state in every metric: 0 CLOSED, 1 HALF_OPEN, 2 OPEN.
    pub const fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }

    /// `CLOSED`, `HALF_OPEN` or `OPEN`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::HalfOpen => "HALF_OPEN",
            Self::Open => "OPEN",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Somebody's request.
    Request,
    /// The periodic check of the dependency.
    Poll,
}

/// The right to make one call, to be given back through [`settle`](CircuitBreaker::settle) or
/// [`cancel`](CircuitBreaker::cancel). It cannot be copied.
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "a permit that is not given back holds its probe slot for ever"]
pub struct Permit {
    generation: u64,
    probe: bool,
}

impl Permit {
    /// For implementations of [`CircuitBreaker`]: a permit of `generation`, which each transition raises.
    pub const fn new(generation: u64, probe: bool) -> Self {
        Self { generation, probe }
    }

    /// The generation the call was admitted in.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the call was admitted as a half-open probe.
    pub const fn is_probe(&self) -> bool {
        self.probe
    }
}

/// What a call told about the *dependency*. A refusal that is the caller's own fault, or a policy's
/// denial, is an answer and hence a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The dependency answered as it should.
    Success,
    /// It did not answer, not in time, or not in a usable way.
    Failure,
}

/// A call that was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("circuit breaker `{breaker}` is {state}")]
pub struct Rejected {
    /// The breaker's name.
    pub breaker: Arc<str>,
    /// Its state.
    pub state: State,
    /// Time until a call may get through: zero in HALF_OPEN, where the next one may; `None` while an
    /// operator holds the breaker open.
    pub retry_after: Option<Duration>,
}

/// Why a breaker moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// CLOSED → OPEN: enough consecutive failures.
    FailureThreshold,
    /// OPEN → HALF_OPEN: the open time has passed.
    OpenElapsed,
    /// HALF_OPEN → OPEN: a probe failed.
    ProbeFailed,
    /// HALF_OPEN → CLOSED: enough consecutive successes.
    ProbesSucceeded,
    /// HALF_OPEN → OPEN: it stayed undecided for too long.
    HalfOpenElapsed,
    /// Any → any: forced or reset.
    Operator,
}

impl Cause {
    /// The cause in `snake_case`, as logs and stored events carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureThreshold => "failure_threshold",
            Self::OpenElapsed => "open_elapsed",
            Self::ProbeFailed => "probe_failed",
            Self::ProbesSucceeded => "probes_succeeded",
            Self::HalfOpenElapsed => "half_open_elapsed",
            Self::Operator => "operator",
        }
    }
}

/// One move of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at: Moment,
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// Why.
    pub cause: Cause,
    /// The exported failure count at that instant.
    pub failures: u32,
}

/// Running totals. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Times it opened.
    pub opens: u64,
    /// *Requests* turned away. A poll turned away costs nobody an answer and is not counted.
    pub rejects: u64,
    /// Results of the current generation that were failures.
    pub failures: u64,
    /// Results of the current generation that were successes.
    pub successes: u64,
    /// Calls admitted while half-open.
    pub probes: u64,
    /// Permits given back without a result.
    pub cancelled: u64,
    /// Results that came after the breaker had moved on, and were ignored.
    pub stale: u64,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The state after the last step.
    pub state: State,
    /// Whether an operator holds it open.
    pub forced: bool,
    /// Raised by every transition.
    pub generation: u64,
    /// Consecutive failures, failed probes included.
    pub failures: u32,
    /// Probes in flight.
    pub probes_in_flight: u32,
    /// As in [`Rejected::retry_after`]; zero when calls go through.
    pub retry_after: Option<Duration>,
    /// Running totals.
    pub counters: Counters,
}
