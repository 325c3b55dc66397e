//! A breaker shared by requests and the poll, with permits as guards.

use std::sync::Arc;

use dive_resilience::{
    Caller, CircuitBreaker, Moment, Outcome, Permit, Rejected, Snapshot, State, Transition,
};
use dive_runtime::{Monotonic, Runtime};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::moment;
use crate::event::NodeEvent;
use crate::events::Events;

/// The circuit of one dependency.
///
/// Events are emitted while the breaker is locked, so that their order is the order of its steps.
pub(crate) struct Circuit {
    name: &'static str,
    breaker: Mutex<Box<dyn CircuitBreaker>>,
    runtime: Arc<dyn Runtime>,
    events: Arc<Events>,
    moved: Notify,
}

/// The right to make one call. Dropped without a result, it goes back as cancelled.
#[must_use]
pub(crate) struct Admission<'a> {
    circuit: &'a Circuit,
    permit: Option<Permit>,
}

impl Circuit {
    pub(crate) fn new(
        name: &'static str,
        breaker: Box<dyn CircuitBreaker>,
        runtime: Arc<dyn Runtime>,
        events: Arc<Events>,
    ) -> Self {
        Self { name, breaker: Mutex::new(breaker), runtime, events, moved: Notify::new() }
    }

    /// Takes one step and tells what moved.
    fn step<T>(
        &self,
        act: impl FnOnce(&mut dyn CircuitBreaker, Moment, &mut Vec<Transition>) -> T,
        tell: impl FnOnce(&T, &dyn CircuitBreaker),
    ) -> T {
        let mut log = Vec::new();
        let mut breaker = self.breaker.lock();
        let result = act(breaker.as_mut(), moment(&*self.runtime), &mut log);
        tell(&result, breaker.as_ref());
        for transition in &log {
            self.events.emit(&NodeEvent::BreakerMoved { breaker: self.name, transition: *transition });
        }
        drop(breaker);
        if !log.is_empty() {
            self.moved.notify_one();
        }
        result
    }

    /// Asks to call the dependency.
    pub(crate) fn admit(&self, caller: Caller) -> Result<Admission<'_>, Rejected> {
        let permit = self.step(
            |breaker, now, log| breaker.admit(now, caller, log),
            |result, _| {
                if let Err(rejected) = result {
                    let state = rejected.state;
                    self.events.emit(&NodeEvent::CallRejected { breaker: self.name, caller, state });
                }
            },
        )?;
        Ok(Admission { circuit: self, permit: Some(permit) })
    }

    /// Lets time act.
    pub(crate) fn tick(&self) {
        self.step(|breaker, now, log| breaker.tick(now, log), |(), _| {});
    }

    /// The instant at which time alone will move it.
    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.breaker.lock().next_deadline().map(|deadline| Monotonic::from_start(deadline.since_start()))
    }

    /// Completes when it has moved since the last time this completed. For one waiter.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.breaker.lock().snapshot(moment(&*self.runtime))
    }

    pub(crate) fn force(&self, to: State) {
        self.step(|breaker, now, log| breaker.force(now, to, log), |(), _| {});
    }

    pub(crate) fn release(&self) {
        self.step(|breaker, now, log| breaker.release(now, log), |(), _| {});
    }

    pub(crate) fn reset(&self) {
        self.step(|breaker, now, log| breaker.reset(now, log), |(), _| {});
    }
}

impl Admission<'_> {
    /// Gives the permit back with the call's result.
    pub(crate) fn settle(mut self, outcome: Outcome) {
        let Some(permit) = self.permit.take() else { return };
        let circuit = self.circuit;
        circuit.step(
            |breaker, now, log| {
                breaker.settle(now, permit, outcome, log);
                breaker.snapshot(now).failures
            },
            |failures, _| {
                let settled = NodeEvent::CallSettled { breaker: circuit.name, outcome, failures: *failures };
                circuit.events.emit(&settled);
            },
        );
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.circuit.breaker.lock().cancel(permit);
        }
    }
}
