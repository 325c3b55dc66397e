//! The circuit breaker of one dependency.

mod failure_run;
mod sampling;
mod seam;

#[cfg(test)]
mod model;
#[cfg(test)]
mod properties;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use failure_run::FailureRun;
use sampling::Sampling;
pub use seam::{
    Caller, Cause, CircuitBreaker, Counters, Outcome, Permit, Rejected, Snapshot, State, Transition,
};

use crate::{Admission, BreakerSettings, Moment};

/// The product's [`CircuitBreaker`].
///
/// # Rules
/// - CLOSED: a success clears the run of failures; the threshold-th consecutive failure (inside the
///   window, if one is set) opens.
/// - OPEN: every call is rejected with the time left. It becomes HALF_OPEN once `open_for` has passed
///   since *this* opening, at the first step after that instant.
/// - HALF_OPEN: a bounded number of probes in flight, or a fixed share of the requests. Any failure
///   opens; the set number of consecutive successes closes. Counts start at zero on every entry.
/// - A result or a cancellation of a call admitted before the last transition changes nothing.
/// - A rejection is no failure and moves no timer. A cancelled call is neither failure nor success, and
///   gives its probe slot back.
/// - The exported failure count is the number of consecutive failures, failed probes included. Only a
///   success, or an operator's reset, zeroes it.
/// - A forced OPEN stays until it is released, reset or forced elsewhere.
#[derive(Clone)]
pub struct Breaker {
    name: Arc<str>,
    settings: BreakerSettings,
    phase: Phase,
    generation: u64,
    consecutive_failures: u32,
    counters: Counters,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Closed { failures: FailureRun },
    Open { since: Moment, forced: bool },
    HalfOpen { since: Moment, in_flight: u32, successes: u32, sampling: Sampling },
}

impl Phase {
    const fn state(&self) -> State {
        match self {
            Self::Closed { .. } => State::Closed,
            Self::Open { .. } => State::Open,
            Self::HalfOpen { .. } => State::HalfOpen,
        }
    }
}

impl Breaker {
    /// A closed breaker. `name` is what rejections and logs call it.
    pub fn new(name: &str, settings: &BreakerSettings) -> Self {
        Self {
            name: name.into(),
            settings: *settings,
            phase: closed(settings),
            generation: 0,
            consecutive_failures: 0,
            counters: Counters::default(),
        }
    }

    /// The instant at which time alone will move it.
    fn deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Closed { .. } | Phase::Open { forced: true, .. } => None,
            Phase::Open { since, forced: false } => Some(since + self.settings.open_for),
            Phase::HalfOpen { since, .. } => self.settings.half_open_at_most.map(|limit| since + limit),
        }
    }

    /// What time alone does. Every step begins here, so no step acts on a phase that has run out.
    fn advance(&mut self, now: Moment, log: &mut Vec<Transition>) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match self.phase {
            Phase::Open { .. } => self.enter(now, half_open(&self.settings, now), Cause::OpenElapsed, log),
            _ => self.enter(now, open(now), Cause::HalfOpenElapsed, log),
        }
    }

    fn enter(&mut self, now: Moment, phase: Phase, cause: Cause, log: &mut Vec<Transition>) {
        let (from, to) = (self.phase.state(), phase.state());
        self.phase = phase;
        self.generation += 1;
        self.counters.opens += u64::from(to == State::Open);
        log.push(Transition { at: now, from, to, cause, failures: self.consecutive_failures });
    }

    fn reject(&mut self, caller: Caller, retry_after: Option<Duration>) -> Rejected {
        self.counters.rejects += u64::from(caller == Caller::Request);
        Rejected { breaker: Arc::clone(&self.name), state: self.phase.state(), retry_after }
    }

    /// How long until a call may get through; `None` when only an operator can tell.
    fn retry_after(&self, now: Moment) -> Option<Duration> {
        match self.phase {
            Phase::Open { forced: true, .. } => None,
            Phase::Open { .. } => self.deadline().map(|deadline| deadline.saturating_since(now)),
            Phase::Closed { .. } | Phase::HalfOpen { .. } => Some(Duration::ZERO),
        }
    }

    fn succeeded(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.counters.successes += 1;
        self.consecutive_failures = 0;
        match &mut self.phase {
            Phase::Closed { failures } => failures.clear(),
            Phase::HalfOpen { in_flight, successes, .. } => {
                *in_flight = in_flight.saturating_sub(1);
                *successes += 1;
                if *successes >= self.settings.successes.get() {
                    self.enter(now, closed(&self.settings), Cause::ProbesSucceeded, log);
                }
            }
            Phase::Open { .. } => {}
        }
    }

    fn failed(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.counters.failures += 1;
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        match &mut self.phase {
            Phase::Closed { failures } => {
                if failures.add(now, self.settings.failures, self.settings.within) {
                    self.enter(now, open(now), Cause::FailureThreshold, log);
                }
            }
            Phase::HalfOpen { .. } => self.enter(now, open(now), Cause::ProbeFailed, log),
            Phase::Open { .. } => {}
        }
    }
}

fn closed(settings: &BreakerSettings) -> Phase {
    Phase::Closed { failures: FailureRun::new(settings.within.is_some()) }
}

const fn open(now: Moment) -> Phase {
    Phase::Open { since: now, forced: false }
}

fn half_open(settings: &BreakerSettings, now: Moment) -> Phase {
    let share = match settings.half_open {
        Admission::Sample(share) => Some(share),
        Admission::Probes(_) => None,
    };
    Phase::HalfOpen { since: now, in_flight: 0, successes: 0, sampling: Sampling::new(share) }
}

impl CircuitBreaker for Breaker {
    fn name(&self) -> &str {
        &self.name
    }

    fn admit(&mut self, now: Moment, caller: Caller, log: &mut Vec<Transition>) -> Result<Permit, Rejected> {
        self.advance(now, log);
        match &mut self.phase {
            Phase::Closed { .. } => Ok(Permit::new(self.generation, false)),
            Phase::Open { .. } => {
                let retry_after = self.retry_after(now);
                Err(self.reject(caller, retry_after))
            }
            Phase::HalfOpen { in_flight, sampling, .. } => {
                let through = match (self.settings.half_open, caller) {
                    (Admission::Probes(most), _) => *in_flight < most.get(),
                    (Admission::Sample(_), Caller::Poll) => true,
                    (Admission::Sample(share), Caller::Request) => sampling.draw(share),
                };
                if !through {
                    return Err(self.reject(caller, Some(Duration::ZERO)));
                }
                *in_flight += 1;
                self.counters.probes += 1;
                Ok(Permit::new(self.generation, true))
            }
        }
    }

    fn settle(&mut self, now: Moment, permit: Permit, outcome: Outcome, log: &mut Vec<Transition>) {
        self.advance(now, log);
        if permit.generation() != self.generation {
            self.counters.stale += 1;
            return;
        }
        match outcome {
            Outcome::Success => self.succeeded(now, log),
            Outcome::Failure => self.failed(now, log),
        }
    }

    fn cancel(&mut self, permit: Permit) {
        self.counters.cancelled += 1;
        if permit.generation() == self.generation
            && let Phase::HalfOpen { in_flight, .. } = &mut self.phase
        {
            *in_flight = in_flight.saturating_sub(1);
        }
    }

    fn tick(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.advance(now, log);
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.deadline()
    }

    fn force(&mut self, now: Moment, to: State, log: &mut Vec<Transition>) {
        self.advance(now, log);
        if let (Phase::Open { forced, .. }, State::Open) = (&mut self.phase, to) {
            *forced = true;
        } else if self.phase.state() != to {
            let phase = match to {
                State::Open => Phase::Open { since: now, forced: true },
                State::Closed => closed(&self.settings),
                State::HalfOpen => half_open(&self.settings, now),
            };
            self.enter(now, phase, Cause::Operator, log);
        }
    }

    fn release(&mut self, now: Moment, log: &mut Vec<Transition>) {
        if let Phase::Open { forced, .. } = &mut self.phase {
            *forced = false;
        }
        self.advance(now, log);
    }

    fn reset(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.consecutive_failures = 0;
        if let Phase::Closed { failures } = &mut self.phase {
            failures.clear();
        } else {
            self.enter(now, closed(&self.settings), Cause::Operator, log);
        }
    }

    fn snapshot(&self, now: Moment) -> Snapshot {
        let (forced, probes_in_flight) = match self.phase {
            Phase::Closed { .. } => (false, 0),
            Phase::Open { forced, .. } => (forced, 0),
            Phase::HalfOpen { in_flight, .. } => (false, in_flight),
        };
        Snapshot {
            state: self.phase.state(),
            forced,
            generation: self.generation,
            failures: self.consecutive_failures,
            probes_in_flight,
            retry_after: self.retry_after(now),
            counters: self.counters,
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.name)
            .field("phase", &self.phase)
            .field("generation", &self.generation)
            .field("failures", &self.consecutive_failures)
            .finish_non_exhaustive()
    }
}
