//! Doing one thing, as often as it takes and may.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::select;

use super::moves::{Trouble, Work};
use super::tries::{Next, Tries};
use super::{Done, Event, Failure, Subject};
use crate::{Admission, ErrorCode, OPEN_FOR, Operation, Outcome, Remedy, StoreError};

/// How long one call of the platform may take.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(180);

/// How long a call that changes something may still take when the operator stops the run. After that it is
/// dropped, as a crash would.
const GRACE: Duration = Duration::from_secs(10);

/// How often an open breaker is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The longest wait for an open breaker: its own time, and that of one probe of somebody else's.
const HELD_AT_MOST: Duration = OPEN_FOR.saturating_mul(2);

/// One try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// Whether it is the first, or follows a remedy: what it waits for may take its whole time.
    pub(super) is_fresh: bool,
}

/// Whether a failure tells that what the operation needs is in trouble. Some tell of the contrary: it answered,
/// and the answer is the trouble.
const fn speaks_of_the_dependency(code: ErrorCode) -> bool {
    use ErrorCode as C;
    !matches!(
        code,
        C::HubNotFound
            | C::HubUnhealthy
            | C::SecretInvalid
            | C::DependencyCycle
            | C::InstanceConflict
            | C::Definition
            | C::Configuration
            | C::StaleContainer
            | C::Cancelled
            | C::InvalidState
    )
}

impl<'a> Work<'a> {
    /// Does `call`, by its operation's breaker and row. `None` when it failed and the run goes on without it.
    pub(super) async fn attempt<T: Send>(
        &self,
        operation: Operation,
        subject: &Subject,
        call: impl Fn(Try) -> BoxFuture<'a, Result<T, Trouble>> + Send,
    ) -> Result<Option<T>, Trouble> {
        let mut tries = Tries::new(operation);
        let mut met: Vec<Failure> = Vec::new();
        let mut is_fresh = true;
        loop {
            let failure = match self.guarded(operation, call(Try { is_fresh })).await {
                Ok(done) => {
                    self.record(&met, true).await?;
                    return Ok(Some(done));
                }
                Err(Trouble::Failed(failure)) => failure,
                Err(interrupted) => return Err(interrupted),
            };
            self.tell(&Event::Failed { subject: subject.clone(), failure: failure.clone() });
            met.retain(|known| known.code != failure.code);
            met.push(failure.clone());
            let chance = (self.engine.chance)();
            let next = tries.failed(&mut self.met.lock().tally, failure.code, &subject.to_string(), chance);
            match next {
                Next::Again { remedy, wait } => {
                    is_fresh = remedy.is_some();
                    if let Some(remedy) = remedy {
                        self.remedy(remedy, subject).await?;
                    }
                    let again = tries.again();
                    self.tell(&Event::TriesAgain { subject: subject.clone(), wait, again });
                    self.wait(wait).await?;
                }
                Next::GoOn => {
                    self.record(&met, false).await?;
                    self.tell(&Event::GoesOn { subject: subject.clone(), failure: failure.clone() });
                    self.met.lock().warnings.push((subject.clone(), failure));
                    return Ok(None);
                }
                Next::End => {
                    self.record(&met, false).await?;
                    return Err(Trouble::Failed(failure));
                }
            }
        }
    }

    /// Tells the store of the errors that one piece of work met.
    async fn record(&self, met: &[Failure], recovered: bool) -> Result<(), StoreError> {
        for failure in met {
            self.engine.store.record_error(&self.holding.lease, failure.record(recovered)).await?;
        }
        Ok(())
    }

    /// One try, let through by the operation's breaker and told to it.
    async fn guarded<T>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let admission = self.admission(operation).await?;
        let result = call.await;
        let outcome = match &result {
            Err(Trouble::Failed(failure)) if speaks_of_the_dependency(failure.code) => Outcome::Failure,
            Ok(_) | Err(Trouble::Failed(_)) => Outcome::Success,
            Err(Trouble::Interrupted(_)) => Outcome::Cancelled,
        };
        self.engine.store.settle(admission, outcome).await?;
        result
    }

    /// Waits until the breaker lets a call through: nothing is tried unprotected.
    async fn admission(&self, operation: Operation) -> Result<Admission, Trouble> {
        let mut waited = Duration::ZERO;
        loop {
            match self.engine.store.admit(operation).await {
                Ok(admission) => return Ok(admission),
                Err(StoreError::BreakerOpen { retry_after, .. }) if waited < HELD_AT_MOST => {
                    self.tell(&Event::Held { operation, left: retry_after });
                    let wait = retry_after.clamp(Duration::from_millis(1), ASK_AGAIN);
                    waited += wait;
                    self.wait(wait).await?;
                }
                Err(open @ StoreError::BreakerOpen { .. }) => {
                    return Err(Trouble::Failed(Failure::new(open.code(), open.to_string())));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn remedy(&self, remedy: Remedy, subject: &Subject) -> Result<(), Trouble> {
        if matches!(remedy, Remedy::TryOnceMore | Remedy::RereadState) {
            return Ok(());
        }
        let done = self.change(self.engine.platform.remedy(self.site, remedy, subject)).await;
        let failure = match done {
            Ok(()) => None,
            Err(Trouble::Failed(failure)) => Some(failure),
            Err(interrupted) => return Err(interrupted),
        };
        self.tell(&Event::Remedied { subject: subject.clone(), remedy, failure });
        Ok(())
    }

    /// A call that changes something outside: never begun without the lock, and let come to its end when the
    /// operator stops the run.
    pub(super) async fn change<T>(&self, call: impl Future<Output = Done<T>>) -> Result<T, Trouble> {
        self.holding.is_sure()?;
        if self.stop.is_cancelled() {
            return Err(self.cancelled());
        }
        let given_up = async {
            self.stop.cancelled().await;
            self.engine.runtime.sleep(GRACE).await;
        };
        let done = select! {
            biased;
            done = self.engine.runtime.timeout(CALL_LIMIT, call) => Some(done),
            () = given_up => None,
        };
        let dropped = match done {
            Some(Ok(done)) => return done.map_err(Trouble::Failed),
            Some(Err(elapsed)) => Trouble::Failed(Failure::new(ErrorCode::Timeout, elapsed.to_string())),
            None => self.cancelled(),
        };
        // It may come to its end at any time.
        self.holding.settle(false);
        Err(dropped)
    }

    /// A call that changes nothing: dropped at once when the operator stops the run.
    pub(super) async fn look<T>(&self, call: impl Future<Output = Done<T>>) -> Result<T, Trouble> {
        select! {
            biased;
            () = self.stop.cancelled() => Err(self.cancelled()),
            done = self.limited(CALL_LIMIT, call) => done.map_err(Trouble::Failed),
        }
    }

    async fn limited<T>(&self, limit: Duration, call: impl Future<Output = Done<T>>) -> Done<T> {
        let done = self.engine.runtime.timeout(limit, call).await;
        done.unwrap_or_else(|elapsed| Err(Failure::new(ErrorCode::Timeout, elapsed.to_string())))
    }

    pub(super) async fn wait(&self, wait: Duration) -> Result<(), Trouble> {
        select! {
            biased;
            () = self.stop.cancelled() => Err(self.cancelled()),
            () = self.engine.runtime.sleep(wait) => Ok(()),
        }
    }
}
