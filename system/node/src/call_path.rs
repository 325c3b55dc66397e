//! How a dependency is called on a request's behalf: through its circuit, bounded in time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use dive_resilience::{Caller, Outcome, Rejected};
use dive_runtime::{Elapsed, Runtime};

use crate::circuit::Circuit;
use crate::dependency::Dependency;
use crate::event::{CallFault, NodeEvent};
use crate::events::Events;

/// The one way to a dependency. Every call's result is the breaker's to know.
#[derive(Clone)]
pub(crate) struct CallPath {
    pub(crate) dependency: Dependency,
    /// `None` where the dependency is no service that could fail by itself, such as a file.
    pub(crate) circuit: Option<Arc<Circuit>>,
    pub(crate) limit: Duration,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) events: Arc<Events>,
}

/// Why a call gave no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer<E> {
    /// It was not made.
    Rejected(Rejected),
    /// It took too long.
    TimedOut(Elapsed),
    /// The dependency said so.
    Failed(E),
}

impl<E> NoAnswer<E> {
    /// When to come back, if that is known.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            // While half-open the next call may get through, but not within this second.
            Self::Rejected(rejected) => rejected.retry_after.map(|left| left.max(Duration::from_secs(1))),
            Self::TimedOut(_) | Self::Failed(_) => None,
        }
    }
}

impl CallPath {
    /// Makes one call, if the circuit lets it through. `at_fault` tells whether an error is the dependency's
    /// own. A call that is dropped half-way gives its permit back.
    pub(crate) async fn call<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
        at_fault: impl FnOnce(&E) -> bool,
    ) -> Result<T, NoAnswer<E>> {
        let admission = match &self.circuit {
            Some(circuit) => Some(circuit.admit(Caller::Request).map_err(NoAnswer::Rejected)?),
            None => None,
        };
        let answer = match self.runtime.timeout(self.limit, work).await {
            Ok(answer) => answer.map_err(NoAnswer::Failed),
            Err(elapsed) => Err(NoAnswer::TimedOut(elapsed)),
        };
        let fault = match &answer {
            Err(NoAnswer::TimedOut(_)) => Some(CallFault::Timeout),
            Err(NoAnswer::Failed(error)) if at_fault(error) => Some(CallFault::Error),
            _ => None,
        };
        if let Some(admission) = admission {
            admission.settle(if fault.is_some() { Outcome::Failure } else { Outcome::Success });
        }
        if let Some(fault) = fault {
            self.events.emit(&NodeEvent::CallFailed { service: self.dependency, fault });
        }
        answer
    }
}
