//! Where the state of all deployments is kept.
//!
//! [`Store`] is the seam. Its methods are transactions: each happens as a whole or not at all, and the ones
//! that write for a deployment carry a [`Lease`], whose token is checked in the same transaction. What a
//! transaction *decides* is not the store's: it loads rows, steps [`LockRow`](crate::LockRow),
//! [`state::permit`](crate::state::permit) or [`BreakerRow`], and writes them back. So every store answers
//! alike. [`SqlStore`] keeps it in a SQLite file or in PostgreSQL; [`Database`] is all of it in memory, for
//! simulated worlds.

mod error;
mod memory;
mod records;
mod sql;
mod tables;

use std::time::Duration;

use async_trait::async_trait;

pub use error::StoreError;
pub use memory::{Database, MemoryStore};
pub use records::{AuditEntry, ErrorRecord, Link, PhaseRun, ServiceStart};
pub use sql::{PATIENCE, SqlStore};

use crate::{
    Admission, BreakerRow, Checkpoint, DeploymentState, FencingToken, Forsaken, Held, Holder, Instance,
    InstanceCode, Intent, Operation, Outcome, Phase, Resource, Service, Slot, StateChange,
};

/// What every store method answers.
pub type Answer<T> = Result<T, StoreError>;

/// A holding of an instance's lock, as its holder carries it. It proves nothing by itself: each write's
/// transaction checks whether its token is still the live one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Whose lock.
    pub instance: Instance,
    /// Which holding.
    pub token: FencingToken,
    /// The holdings before that were not given back and whose leases were not over then, one a holder.
    pub after: Vec<Forsaken>,
}

/// The one store of the orchestration's state, seen through one client of it.
///
/// # Rules
/// - A method is one transaction: when it fails, nothing of it was written; the exception is
///   [`StoreError::Unavailable`], after which it may have been, and is to be looked at.
/// - A lock belongs to the client it was taken through: when the client goes (dropped, its process killed,
///   its connection cut), its locks are free at once.
/// - A write with a lease that is no longer the live one fails with [`StoreError::LockLost`].
/// - An unreadable row is an error that names it, and never read as something else.
/// - A store that can't be reached is an error, never a permission.
/// - `now` is the store's own clock.
#[async_trait]
pub trait Store: Send + Sync {
    /// Brings the schema to this program's version. Any number of processes may do so at once. Until it was
    /// done, all else fails with [`StoreError::OlderSchema`].
    async fn migrate(&self) -> Answer<()>;

    /// Takes the lock of `instance`.
    ///
    /// # Errors
    /// [`StoreError::Contended`] at once when another holding is live.
    async fn acquire(&self, instance: &Instance, by: &Holder) -> Answer<Lease>;

    /// Prolongs a lock by another [`LEASE`](crate::LEASE).
    async fn renew(&self, lease: &Lease) -> Answer<()>;

    /// Gives a lock back. One that is no longer held is no error.
    async fn release(&self, lease: &Lease) -> Answer<()>;

    /// Ends a holding without giving the lock back, as a crash would: what its holder asked for may still be under way.
    /// One that is over is no error.
    async fn leave(&self, lease: &Lease) -> Answer<()>;

    /// Who holds the lock now.
    async fn holder(&self, instance: &Instance) -> Answer<Option<Held>>;

    /// All instances that were ever locked, in order.
    async fn instances(&self) -> Answer<Vec<Instance>>;

    /// The newest state.
    async fn state(&self, instance: &Instance) -> Answer<DeploymentState>;

    /// All state changes, oldest first.
    async fn history(&self, instance: &Instance) -> Answer<Vec<StateChange>>;

    /// Appends a state change, if `expected_from` still is the newest state and `to` may follow it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when not.
    async fn transition(
        &self,
        lease: &Lease,
        expected_from: DeploymentState,
        to: DeploymentState,
        why: &str,
    ) -> Answer<StateChange>;

    /// Writes down that a phase begins.
    async fn begin_phase(&self, lease: &Lease, phase: Phase) -> Answer<()>;

    /// Writes down how the phase begun last ended; `None` is success.
    async fn end_phase(&self, lease: &Lease, phase: Phase, failure: Option<ErrorRecord>) -> Answer<()>;

    /// All runs of phases, oldest first. One that never ended was interrupted, or is under way.
    async fn phase_runs(&self, instance: &Instance) -> Answer<Vec<PhaseRun>>;

    /// Writes down what a phase is about to make, before it makes it.
    async fn intend(&self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()>;

    /// Strikes out what was undone. What isn't there is no error.
    async fn undone(&self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()>;

    /// What may have been made and not undone, oldest first.
    async fn intents(&self, instance: &Instance) -> Answer<Vec<Intent>>;

    /// Saves the checkpoint of a finished phase, over all the phase intended. It takes the place of an
    /// earlier one of the same phase.
    async fn save_checkpoint(&self, lease: &Lease, phase: Phase) -> Answer<Checkpoint>;

    /// Takes back the checkpoints of these phases: they are no longer finished.
    async fn retract(&self, lease: &Lease, phases: &[Phase]) -> Answer<()>;

    /// The checkpoints, by phase, each verified.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one doesn't hold what was saved.
    async fn checkpoints(&self, instance: &Instance) -> Answer<Vec<Checkpoint>>;

    /// Asks the breaker of an operation for a call.
    ///
    /// # Errors
    /// [`StoreError::BreakerOpen`] with the time left.
    async fn admit(&self, operation: Operation) -> Answer<Admission>;

    /// Tells the breaker how an admitted call went.
    async fn settle(&self, admission: Admission, outcome: Outcome) -> Answer<()>;

    /// Closes the breaker of an operation, by order of an operator.
    async fn reset_breaker(&self, operation: Operation) -> Answer<()>;

    /// The breakers of all operations, in order.
    async fn breakers(&self) -> Answer<Vec<BreakerRow>>;

    /// The port slot of a spoke, given to it now if it has none: unique, and for good.
    ///
    /// # Errors
    /// [`StoreError::NoSlot`] when none is left.
    async fn claim_slot(&self, code: &InstanceCode) -> Answer<Slot>;

    /// The slots given out, by code.
    async fn slots(&self) -> Answer<Vec<(InstanceCode, Slot)>>;

    /// Writes down an error of a deployment.
    async fn record_error(&self, lease: &Lease, error: ErrorRecord) -> Answer<()>;

    /// The errors of a deployment, oldest first.
    async fn errors(&self, instance: &Instance) -> Answer<Vec<ErrorRecord>>;

    /// Writes down how long a service of an instance took to become healthy, as it is now.
    async fn record_start(&self, of: &Instance, service: Service, took: Duration) -> Answer<()>;

    /// The starts of an instance's services, oldest first.
    async fn starts(&self, of: &Instance) -> Answer<Vec<ServiceStart>>;

    /// How long a service took to become healthy, at whichever instance, each time within the last `since`,
    /// oldest first.
    async fn start_times(&self, service: Service, since: Duration) -> Answer<Vec<Duration>>;

    /// Writes down a link of the federation between two instances; `verified` when it was seen to work.
    async fn save_link(&self, lease: &Lease, to: &Instance, verified: bool) -> Answer<()>;

    /// The links of the federation.
    async fn links(&self) -> Answer<Vec<Link>>;

    /// Writes down what an operator did.
    async fn audit(&self, by: &Holder, action: &str) -> Answer<()>;

    /// What operators did, oldest first.
    async fn audit_trail(&self) -> Answer<Vec<AuditEntry>>;
}
