//! What a store holds, in memory, and each transaction on it as a plain function of it and the time.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, AuditEntry, ErrorRecord, Lease, Link, PhaseRun, ServiceStart, StoreError};
use crate::checkpoint::Ledger;
use crate::state::StateLog;
use crate::{
    Admission, BreakerRow, Checkpoint, DeploymentState, Holder, Instance, InstanceCode, LockRow, Operation,
    Outcome, Phase, Resource, Service, SessionId, Slot, Stamp, StateChange, Taken,
};

/// The rows of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) lock: LockRow,
    pub(super) log: StateLog,
    /// Whether its newest row holds no state.
    pub(super) log_is_damaged: bool,
    pub(super) ledger: Ledger,
    pub(super) checkpoints: BTreeMap<Phase, Checkpoint>,
    pub(super) checkpoints_saved: u64,
    pub(super) phase_runs: Vec<PhaseRun>,
    pub(super) errors: Vec<ErrorRecord>,
    pub(super) links: BTreeMap<Instance, Link>,
}

impl Rows {
    fn readable_log(&self) -> Answer<&StateLog> {
        if self.log_is_damaged {
            let why = "its newest row holds no state".to_owned();
            return Err(StoreError::Unreadable { table: "state_transitions", why });
        }
        Ok(&self.log)
    }
}

/// All rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tables {
    pub(super) instances: BTreeMap<Instance, Rows>,
    pub(super) breakers: BTreeMap<Operation, BreakerRow>,
    pub(super) slots: BTreeMap<InstanceCode, Slot>,
    pub(super) starts: Vec<(Instance, ServiceStart)>,
    pub(super) audit: Vec<AuditEntry>,
}

impl Tables {
    /// The rows of an instance, to read.
    pub(super) fn read<T: Default>(&self, instance: &Instance, read: impl FnOnce(&Rows) -> T) -> T {
        self.instances.get(instance).map(read).unwrap_or_default()
    }

    /// The states of an instance, to read.
    pub(super) fn read_log<T: Default>(
        &self,
        instance: &Instance,
        read: impl FnOnce(&StateLog) -> T,
    ) -> Answer<T> {
        match self.instances.get(instance) {
            Some(rows) => Ok(read(rows.readable_log()?)),
            None => Ok(T::default()),
        }
    }

    /// The rows of an instance, to write under a lease that is live.
    fn write(&mut self, now: Stamp, lease: &Lease) -> Answer<&mut Rows> {
        let rows = self.instances.entry(lease.instance.clone()).or_default();
        rows.lock.check(now, lease.token).map_err(|lost| StoreError::lost(&lease.instance, lost))?;
        Ok(rows)
    }

    pub(super) fn acquire(
        &mut self,
        now: Stamp,
        session: SessionId,
        instance: &Instance,
        by: &Holder,
    ) -> Answer<Lease> {
        let rows = self.instances.entry(instance.clone()).or_default();
        match rows.lock.acquire(now, session, by.clone()) {
            Ok(Taken { token, after }) => Ok(Lease { instance: instance.clone(), token, after }),
            Err(contended) => Err(StoreError::contended(instance, contended)),
        }
    }

    pub(super) fn renew(&mut self, now: Stamp, lease: &Lease) -> Answer<()> {
        let rows = self.write(now, lease)?;
        rows.lock.renew(now, lease.token).map_err(|lost| StoreError::lost(&lease.instance, lost))
    }

    pub(super) fn release(&mut self, lease: &Lease) {
        if let Some(rows) = self.instances.get_mut(&lease.instance) {
            rows.lock.release(lease.token);
        }
    }

    pub(super) fn leave(&mut self, lease: &Lease) {
        if let Some(rows) = self.instances.get_mut(&lease.instance) {
            rows.lock.leave(lease.token);
        }
    }

    pub(super) fn session_ended(&mut self, session: SessionId) {
        for rows in self.instances.values_mut() {
            rows.lock.session_ended(session);
        }
    }

    pub(super) fn transition(
        &mut self,
        now: Stamp,
        lease: &Lease,
        expected_from: DeploymentState,
        to: DeploymentState,
        why: &str,
    ) -> Answer<StateChange> {
        let rows = self.write(now, lease)?;
        rows.readable_log()?;
        let change = rows.log.append(now, lease.token, expected_from, to, why);
        change.cloned().map_err(|refused| StoreError::Refused { instance: lease.instance.clone(), refused })
    }

    pub(super) fn begin_phase(&mut self, now: Stamp, lease: &Lease, phase: Phase) -> Answer<()> {
        let run = PhaseRun { phase, began: now, ended: None, failure: None };
        self.write(now, lease)?.phase_runs.push(run);
        Ok(())
    }

    pub(super) fn end_phase(
        &mut self,
        now: Stamp,
        lease: &Lease,
        phase: Phase,
        failure: Option<ErrorRecord>,
    ) -> Answer<()> {
        let rows = self.write(now, lease)?;
        let Some(run) = rows.phase_runs.last_mut().filter(|run| run.phase == phase && run.ended.is_none())
        else {
            return Err(StoreError::NotUnderWay { instance: lease.instance.clone(), phase });
        };
        run.ended = Some(now);
        run.failure = failure;
        Ok(())
    }

    pub(super) fn intend(
        &mut self,
        now: Stamp,
        lease: &Lease,
        phase: Phase,
        resource: &Resource,
    ) -> Answer<()> {
        self.write(now, lease)?.ledger.intend(phase, resource);
        Ok(())
    }

    pub(super) fn undone(
        &mut self,
        now: Stamp,
        lease: &Lease,
        phase: Phase,
        resource: &Resource,
    ) -> Answer<()> {
        self.write(now, lease)?.ledger.undone(phase, resource);
        Ok(())
    }

    pub(super) fn save_checkpoint(&mut self, now: Stamp, lease: &Lease, phase: Phase) -> Answer<Checkpoint> {
        let rows = self.write(now, lease)?;
        rows.checkpoints_saved += 1;
        let made = rows.ledger.of(phase);
        let checkpoint = Checkpoint::seal(rows.checkpoints_saved, phase, now, lease.token, made);
        rows.checkpoints.insert(phase, checkpoint.clone());
        Ok(checkpoint)
    }

    pub(super) fn retract(&mut self, now: Stamp, lease: &Lease, phases: &[Phase]) -> Answer<()> {
        self.write(now, lease)?.checkpoints.retain(|phase, _| !phases.contains(phase));
        Ok(())
    }

    pub(super) fn checkpoints(&self, instance: &Instance) -> Answer<Vec<Checkpoint>> {
        let saved: Vec<_> = self.read(instance, |rows| rows.checkpoints.values().cloned().collect());
        for checkpoint in &saved {
            let verified = checkpoint.verify();
            verified.map_err(|corrupt| StoreError::Corrupt { instance: instance.clone(), corrupt })?;
        }
        Ok(saved)
    }

    fn breaker(&mut self, operation: Operation) -> &mut BreakerRow {
        self.breakers.entry(operation).or_insert_with(|| BreakerRow::new(operation))
    }

    pub(super) fn admit(&mut self, now: Stamp, operation: Operation) -> Answer<Admission> {
        let admitted = self.breaker(operation).admit(now);
        admitted.map_err(|open| StoreError::BreakerOpen { operation, retry_after: open.0 })
    }

    pub(super) fn settle(&mut self, now: Stamp, admission: Admission, outcome: Outcome) {
        self.breaker(admission.operation).settle(now, admission, outcome);
    }

    pub(super) fn reset_breaker(&mut self, operation: Operation) {
        self.breaker(operation).reset();
    }

    pub(super) fn claim_slot(&mut self, code: &InstanceCode) -> Answer<Slot> {
        if let Some(slot) = self.slots.get(code) {
            return Ok(*slot);
        }
        let slot = Slot::claim(code, |slot| self.slots.values().any(|taken| *taken == slot))?;
        self.slots.insert(code.clone(), slot);
        Ok(slot)
    }

    pub(super) fn record_error(&mut self, now: Stamp, lease: &Lease, error: ErrorRecord) -> Answer<()> {
        self.write(now, lease)?.errors.push(error);
        Ok(())
    }

    pub(super) fn start_times(&self, now: Stamp, service: Service, since: Duration) -> Vec<Duration> {
        let of_it = self.starts.iter().map(|(_, start)| start).filter(|start| start.service == service);
        of_it.filter(|start| now.saturating_since(start.healthy) <= since).map(|start| start.took).collect()
    }

    pub(super) fn starts_of(&self, of: &Instance) -> Vec<ServiceStart> {
        let its = self.starts.iter().filter(|(instance, _)| instance == of);
        its.map(|(_, start)| start.clone()).collect()
    }

    pub(super) fn save_link(
        &mut self,
        now: Stamp,
        lease: &Lease,
        to: &Instance,
        verified: bool,
    ) -> Answer<()> {
        let link = Link { from: lease.instance.clone(), to: to.clone(), verified, at: now };
        self.write(now, lease)?.links.insert(to.clone(), link);
        Ok(())
    }
}
