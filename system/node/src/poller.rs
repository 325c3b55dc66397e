//! The periodic check of one dependency: it feeds the breaker, the health board and the decision cache's
//! knowledge of the policy, whether or not there is any traffic.
//!
//! Checks are due at fixed instants, not some time after the last one ended: a hanging dependency must not
//! stretch the time to detect it. Between checks the task lets time act on the breaker.

use std::sync::Arc;

use async_trait::async_trait;
use dive_resilience::health::ServiceStatus;
use dive_resilience::{Caller, Outcome, State};
use dive_runtime::{Monotonic, Runtime};

use crate::circuit::Circuit;
use crate::decisions::Decisions;
use crate::dependency::Dependency;
use crate::event::{CallFault, NodeEvent};
use crate::events::Events;
use crate::health::{HealthBoard, Reading};
use crate::ports::{PolicyEngine, Probe, ProbeError};
use crate::settings::PollSettings;

/// Everything one dependency's poll needs.
pub(crate) struct Poller {
    pub(crate) dependency: Dependency,
    pub(crate) settings: PollSettings,
    pub(crate) probe: Arc<dyn Probe>,
    pub(crate) circuit: Option<Arc<Circuit>>,
    pub(crate) board: Arc<HealthBoard>,
    pub(crate) events: Arc<Events>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) watch: Watch,
}

/// What else a check is good for.
pub(crate) enum Watch {
    Nothing,
    /// Of the policy engine: whom to ask for the policy's revision, and whom to tell.
    Policy {
        engine: Arc<dyn PolicyEngine>,
        decisions: Arc<Decisions>,
    },
    /// Of the shared cache: whom to tell whether it is there.
    Cache(Arc<Decisions>),
}

impl Poller {
    /// Checks at once and then for as long as the node lives.
    pub(crate) async fn run(self) {
        let mut due = self.runtime.now();
        loop {
            self.check().await;
            let now = self.runtime.now();
            while due <= now {
                due = due + self.settings.interval;
            }
            self.let_time_act_until(due).await;
        }
    }

    async fn check(&self) {
        // While the circuit is open, the dependency's status is looked at all the same. Half-open, the
        // probe that is under way is the one call there may be, and it will tell.
        let admission = self.circuit.as_deref().map(|circuit| circuit.admit(Caller::Poll));
        if matches!(&admission, Some(Err(rejected)) if rejected.state == State::HalfOpen) {
            return;
        }
        let started = self.runtime.now();
        let answer = self.runtime.timeout(self.settings.deadline, self.probe.check()).await;
        let took = self.runtime.now().saturating_since(started);
        let (status, error) = match answer {
            Ok(Ok(())) => (ServiceStatus::of_answer(took, self.settings.slow_over), None),
            Ok(Err(ProbeError(why))) => {
                self.tell(CallFault::Error);
                (ServiceStatus::Down, Some(why.into()))
            }
            Err(elapsed) => {
                self.tell(CallFault::Timeout);
                (ServiceStatus::Down, Some(elapsed.to_string().into()))
            }
        };
        if let Some(Ok(admission)) = admission {
            let down = status == ServiceStatus::Down;
            admission.settle(if down { Outcome::Failure } else { Outcome::Success });
        }
        self.board.record(self.dependency, Reading { status, took, error });
        match &self.watch {
            Watch::Cache(decisions) => decisions.shared_is(status),
            Watch::Policy { engine, decisions } if status != ServiceStatus::Down && self.is_closed() => {
                self.look_for_another_policy(engine.as_ref(), decisions).await;
            }
            Watch::Policy { .. } | Watch::Nothing => {}
        }
    }

    fn is_closed(&self) -> bool {
        self.circuit.as_deref().is_none_or(|circuit| circuit.snapshot().state == State::Closed)
    }

    fn tell(&self, fault: CallFault) {
        self.events.emit(&NodeEvent::CallFailed { service: self.dependency, fault });
    }

    async fn look_for_another_policy(&self, engine: &dyn PolicyEngine, decisions: &Decisions) {
        if let Ok(Ok(Some(revision))) = self.runtime.timeout(self.settings.deadline, engine.revision()).await
        {
            decisions.follow(&revision);
        }
    }

    async fn let_time_act_until(&self, due: Monotonic) {
        let Some(circuit) = self.circuit.as_deref() else {
            return self.runtime.sleep_until(due).await;
        };
        loop {
            let deadline = circuit.next_deadline().filter(|deadline| *deadline < due);
            let woken = self.runtime.sleep_until(deadline.unwrap_or(due));
            tokio::select! {
                biased;
                () = woken => match deadline {
                    Some(_) => circuit.tick(),
                    None => return,
                },
                () = circuit.moved() => {}
            }
        }
    }
}

/// The policy engine's check as any dependency's.
pub(crate) struct EngineProbe(pub(crate) Arc<dyn PolicyEngine>);

#[async_trait]
impl Probe for EngineProbe {
    async fn check(&self) -> Result<(), ProbeError> {
        self.0.check().await
    }
}

#[cfg(test)]
#[path = "poller_tests.rs"]
mod tests;
