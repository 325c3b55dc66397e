//! A circuit breaker with one known defect.
//!
//! Written apart from the product's, on purpose as such breakers are written: correct but for the
//! defect it is given. Without one ([`Defect::None`]) every scenario must hold with it, which shows
//! that a control fails for its defect and not for this breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dive_resilience::{
    Admission, BreakerSettings, Caller, Cause, CircuitBreaker, Counters, Moment, Outcome, Permit, Rejected,
    Snapshot, State, Transition,
};

/// What is wrong with a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Nothing.
    None,
    /// It moves only with traffic: what the poll learns is thrown away.
    OnlyTraffic,
    /// No limit at half-open.
    NoProbeLimit,
    /// Results from before the trip count.
    LateResultsCount,
    /// A rejection re-stamps the instant of opening.
    RejectionsRestamp,
    /// Looking at the state takes the probe's permit.
    LookupTakesPermit,
    /// A cancelled probe does not give its permit back.
    CancelLeaksPermit,
    /// The success count survives re-entry.
    SuccessesSurvive,
    /// Time is the wall clock's.
    WallClock,
    /// The timer of an earlier opening half-opens a later one.
    OldTimerFires,
    /// A forced OPEN ends by itself.
    ForcedOpenHeals,
}

/// Reads the wall clock, as time since the run's clock started.
pub(crate) type WallClock = Arc<dyn Fn() -> Duration + Send + Sync>;

pub(crate) struct DefectiveBreaker {
    name: Arc<str>,
    settings: BreakerSettings,
    defect: Defect,
    wall: WallClock,
    state: State,
    forced: bool,
    generation: u64,
    failures: u32,
    successes: u32,
    in_flight: AtomicU32,
    opened: Moment,
    timers: Vec<Moment>,
    counters: Counters,
}

impl DefectiveBreaker {
    pub(crate) fn new(name: &str, settings: BreakerSettings, defect: Defect, wall: WallClock) -> Self {
        Self {
            name: name.into(),
            settings,
            defect,
            wall,
            state: State::Closed,
            forced: false,
            generation: 0,
            failures: 0,
            successes: 0,
            in_flight: AtomicU32::new(0),
            opened: Moment::START,
            timers: Vec::new(),
            counters: Counters::default(),
        }
    }

    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    /// The clock this breaker goes by.
    fn clock(&self, now: Moment) -> Moment {
        if self.is(Defect::WallClock) { Moment::from_start((self.wall)()) } else { now }
    }

    fn go(&mut self, now: Moment, to: State, cause: Cause, log: &mut Vec<Transition>) {
        if to == self.state {
            return;
        }
        log.push(Transition { at: now, from: self.state, to, cause, failures: self.failures });
        self.state = to;
        self.generation += 1;
        *self.in_flight.get_mut() = 0;
        if !self.is(Defect::SuccessesSurvive) || to == State::Closed {
            self.successes = 0;
        }
        if to == State::Open {
            self.opened = self.clock(now);
            self.counters.opens += 1;
            if !self.is(Defect::OldTimerFires) {
                self.timers.clear();
            }
            self.timers.push(self.opened + self.settings.open_for);
        } else if !self.is(Defect::OldTimerFires) {
            self.timers.clear();
        }
        if to == State::Closed {
            self.failures = 0;
        }
    }

    fn elapse(&mut self, now: Moment, log: &mut Vec<Transition>) {
        let clock = self.clock(now);
        let held = self.forced && !self.is(Defect::ForcedOpenHeals);
        if self.state == State::Open && !held && self.timers.iter().any(|timer| *timer <= clock) {
            self.forced = false;
            self.timers.retain(|timer| *timer > clock);
            self.go(now, State::HalfOpen, Cause::OpenElapsed, log);
        }
    }

    fn slots(&self) -> u32 {
        match self.settings.half_open {
            _ if self.is(Defect::NoProbeLimit) => u32::MAX,
            Admission::Probes(limit) => limit.get(),
            Admission::Sample(_) => u32::MAX,
        }
    }

    fn reject(&mut self, now: Moment, caller: Caller) -> Rejected {
        if caller == Caller::Request {
            self.counters.rejects += 1;
        }
        if self.is(Defect::RejectionsRestamp) && self.state == State::Open && caller == Caller::Request {
            self.opened = self.clock(now);
            self.timers = vec![self.opened + self.settings.open_for];
        }
        let left =
            self.timers.first().map_or(Duration::ZERO, |timer| timer.saturating_since(self.clock(now)));
        Rejected { breaker: self.name.clone(), state: self.state, retry_after: Some(left) }
    }
}

impl CircuitBreaker for DefectiveBreaker {
    fn name(&self) -> &str {
        &self.name
    }

    fn admit(&mut self, now: Moment, caller: Caller, log: &mut Vec<Transition>) -> Result<Permit, Rejected> {
        self.elapse(now, log);
        if self.is(Defect::OnlyTraffic) && caller == Caller::Poll {
            return Err(self.reject(now, caller));
        }
        match self.state {
            State::Closed => Ok(Permit::new(self.generation, false)),
            State::HalfOpen if *self.in_flight.get_mut() < self.slots() => {
                *self.in_flight.get_mut() += 1;
                self.counters.probes += 1;
                Ok(Permit::new(self.generation, true))
            }
            State::Open | State::HalfOpen => Err(self.reject(now, caller)),
        }
    }

    fn settle(&mut self, now: Moment, permit: Permit, outcome: Outcome, log: &mut Vec<Transition>) {
        let stale = permit.generation() != self.generation;
        if stale && !self.is(Defect::LateResultsCount) {
            self.counters.stale += 1;
            return;
        }
        if permit.is_probe() && !stale {
            let in_flight = self.in_flight.get_mut();
            *in_flight = in_flight.saturating_sub(1);
        }
        match (self.state, outcome) {
            (State::Closed, Outcome::Success) => self.failures = 0,
            (State::Closed, Outcome::Failure) => {
                self.failures += 1;
                if self.failures >= self.settings.failures.get() {
                    self.go(now, State::Open, Cause::FailureThreshold, log);
                }
            }
            (State::HalfOpen, Outcome::Success) => {
                self.failures = 0;
                self.successes += 1;
                if self.successes >= self.settings.successes.get() {
                    self.go(now, State::Closed, Cause::ProbesSucceeded, log);
                }
            }
            (State::HalfOpen, Outcome::Failure) => {
                self.failures += 1;
                self.go(now, State::Open, Cause::ProbeFailed, log);
            }
            (State::Open, _) => {}
        }
    }

    fn cancel(&mut self, permit: Permit) {
        self.counters.cancelled += 1;
        if permit.is_probe() && permit.generation() == self.generation && !self.is(Defect::CancelLeaksPermit)
        {
            let in_flight = self.in_flight.get_mut();
            *in_flight = in_flight.saturating_sub(1);
        }
    }

    fn tick(&mut self, now: Moment, log: &mut Vec<Transition>) {
        if !self.is(Defect::OnlyTraffic) {
            self.elapse(now, log);
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        (self.state == State::Open && !self.forced).then(|| self.timers.first().copied()).flatten()
    }

    fn force(&mut self, now: Moment, to: State, log: &mut Vec<Transition>) {
        self.go(now, to, Cause::Operator, log);
        self.forced = to == State::Open;
    }

    fn release(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.forced = false;
        self.elapse(now, log);
    }

    fn reset(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.forced = false;
        self.failures = 0;
        self.go(now, State::Closed, Cause::Operator, log);
    }

    fn snapshot(&self, now: Moment) -> Snapshot {
        if self.is(Defect::LookupTakesPermit) && self.state == State::HalfOpen {
            self.in_flight.store(u32::MAX, Ordering::Relaxed);
        }
        let left =
            self.timers.first().map_or(Duration::ZERO, |timer| timer.saturating_since(self.clock(now)));
        Snapshot {
            state: self.state,
            forced: self.forced,
            generation: self.generation,
            failures: self.failures,
            probes_in_flight: self.in_flight.load(Ordering::Relaxed),
            retry_after: (!self.forced).then_some(left),
            counters: self.counters,
        }
    }
}
