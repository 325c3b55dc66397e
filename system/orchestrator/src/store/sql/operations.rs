//! The trait's methods, each one transaction.

use std::time::Duration;

use async_trait::async_trait;

use super::link::Schema;
use super::{MIGRATION_PATIENCE, SqlStore};
use crate::store::{Answer, AuditEntry, ErrorRecord, Lease, Link, PhaseRun, ServiceStart, Store};
use crate::{
    Admission, BreakerRow, Checkpoint, DeploymentState, Held, Holder, Instance, InstanceCode, Intent,
    Operation, Outcome, Phase, Resource, Service, Slot, StateChange,
};

/// `writing!(self.method(arguments))`: that method of [`Transaction`](super::transaction::Transaction), in a
/// transaction that writes, within the time a call has.
macro_rules! writing {
    ($store:ident . $method:ident ( $($argument:expr),* )) => {
        run!($store, $store.patience, begin_writing, Schema::Known, $method($($argument),*))
    };
}

/// The same in a transaction that reads.
macro_rules! reading {
    ($store:ident . $method:ident ( $($argument:expr),* )) => {
        run!($store, $store.patience, begin_reading, Schema::Known, $method($($argument),*))
    };
}

macro_rules! run {
    ($store:ident, $patience:expr, $begin:ident, $schema:expr, $method:ident ( $($argument:expr),* )) => {
        $store
            .in_time($patience, async {
                let mut transaction = $store.begin($store.dialect().$begin(), $schema).await?;
                let answer = transaction.$method($($argument),*).await;
                transaction.end(answer).await
            })
            .await
    };
}

#[async_trait]
impl Store for SqlStore {
    async fn migrate(&self) -> Answer<()> {
        run!(self, MIGRATION_PATIENCE, begin_writing, Schema::KnownOrOlder, migrate())
    }

    async fn acquire(&self, instance: &Instance, by: &Holder) -> Answer<Lease> {
        writing!(self.begin_session())?;
        writing!(self.acquire(instance, by))
    }

    async fn renew(&self, lease: &Lease) -> Answer<()> {
        writing!(self.renew(lease))
    }

    async fn release(&self, lease: &Lease) -> Answer<()> {
        writing!(self.release(lease))
    }

    async fn leave(&self, lease: &Lease) -> Answer<()> {
        writing!(self.leave(lease))
    }

    async fn holder(&self, instance: &Instance) -> Answer<Option<Held>> {
        reading!(self.holder(instance))
    }

    async fn instances(&self) -> Answer<Vec<Instance>> {
        reading!(self.instances())
    }

    async fn state(&self, instance: &Instance) -> Answer<DeploymentState> {
        reading!(self.state(instance))
    }

    async fn history(&self, instance: &Instance) -> Answer<Vec<StateChange>> {
        reading!(self.history(instance))
    }

    async fn transition(
        &self,
        lease: &Lease,
        expected_from: DeploymentState,
        to: DeploymentState,
        why: &str,
    ) -> Answer<StateChange> {
        writing!(self.transition(lease, expected_from, to, why))
    }

    async fn begin_phase(&self, lease: &Lease, phase: Phase) -> Answer<()> {
        writing!(self.begin_phase(lease, phase))
    }

    async fn end_phase(&self, lease: &Lease, phase: Phase, failure: Option<ErrorRecord>) -> Answer<()> {
        writing!(self.end_phase(lease, phase, failure.as_ref()))
    }

    async fn phase_runs(&self, instance: &Instance) -> Answer<Vec<PhaseRun>> {
        reading!(self.phase_runs(instance))
    }

    async fn intend(&self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()> {
        writing!(self.intend(lease, phase, resource))
    }

    async fn undone(&self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()> {
        writing!(self.undone(lease, phase, resource))
    }

    async fn intents(&self, instance: &Instance) -> Answer<Vec<Intent>> {
        reading!(self.intents(instance))
    }

    async fn save_checkpoint(&self, lease: &Lease, phase: Phase) -> Answer<Checkpoint> {
        writing!(self.save_checkpoint(lease, phase))
    }

    async fn retract(&self, lease: &Lease, phases: &[Phase]) -> Answer<()> {
        writing!(self.retract(lease, phases))
    }

    async fn checkpoints(&self, instance: &Instance) -> Answer<Vec<Checkpoint>> {
        reading!(self.checkpoints(instance))
    }

    async fn admit(&self, operation: Operation) -> Answer<Admission> {
        writing!(self.admit(operation))
    }

    async fn settle(&self, admission: Admission, outcome: Outcome) -> Answer<()> {
        writing!(self.settle(admission, outcome))
    }

    async fn reset_breaker(&self, operation: Operation) -> Answer<()> {
        writing!(self.reset_breaker(operation))
    }

    async fn breakers(&self) -> Answer<Vec<BreakerRow>> {
        reading!(self.breakers())
    }

    async fn claim_slot(&self, code: &InstanceCode) -> Answer<Slot> {
        writing!(self.claim_slot(code))
    }

    async fn slots(&self) -> Answer<Vec<(InstanceCode, Slot)>> {
        reading!(self.slots())
    }

    async fn record_error(&self, lease: &Lease, error: ErrorRecord) -> Answer<()> {
        writing!(self.record_error(lease, &error))
    }

    async fn errors(&self, instance: &Instance) -> Answer<Vec<ErrorRecord>> {
        reading!(self.errors(instance))
    }

    async fn record_start(&self, of: &Instance, service: Service, took: Duration) -> Answer<()> {
        writing!(self.record_start(of, service, took))
    }

    async fn starts(&self, of: &Instance) -> Answer<Vec<ServiceStart>> {
        reading!(self.starts(of))
    }

    async fn start_times(&self, service: Service, since: Duration) -> Answer<Vec<Duration>> {
        reading!(self.start_times(service, since))
    }

    async fn save_link(&self, lease: &Lease, to: &Instance, verified: bool) -> Answer<()> {
        writing!(self.save_link(lease, to, verified))
    }

    async fn links(&self) -> Answer<Vec<Link>> {
        reading!(self.links())
    }

    async fn audit(&self, by: &Holder, action: &str) -> Answer<()> {
        writing!(self.audit(by, action))
    }

    async fn audit_trail(&self) -> Answer<Vec<AuditEntry>> {
        reading!(self.audit_trail())
    }
}
