//! The store in memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::tables::Tables;
use super::{Answer, AuditEntry, ErrorRecord, Lease, Link, PhaseRun, ServiceStart, Store, StoreError};
use crate::{
    Admission, BreakerRow, Checkpoint, DeploymentState, Held, Holder, Instance, InstanceCode, Intent,
    Operation, Outcome, Phase, Resource, Service, SessionId, Slot, Stamp, StateChange,
};

/// A database in memory, outliving its clients.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    inner: Mutex<Inner>,
    clock: Box<dyn Fn() -> Stamp + Send + Sync>,
}

#[derive(Default)]
struct Inner {
    tables: Tables,
    sessions: u64,
    away: Option<String>,
}

impl Database {
    /// An empty database with this clock.
    pub fn new(clock: impl Fn() -> Stamp + Send + Sync + 'static) -> Self {
        Self { shared: Arc::new(Shared { inner: Mutex::default(), clock: Box::new(clock) }) }
    }

    /// A new client of it, with a session of its own.
    pub fn connect(&self) -> MemoryStore {
        let mut inner = self.shared.inner.lock();
        inner.sessions += 1;
        MemoryStore { database: self.clone(), session: SessionId(inner.sessions) }
    }

    /// Takes the database away: all sessions end with their locks, and every call fails until
    /// [`come_back`](Self::come_back).
    pub fn go_away(&self, why: &str) {
        let mut inner = self.shared.inner.lock();
        inner.away = Some(why.to_owned());
        let sessions = inner.sessions;
        for session in 1..=sessions {
            inner.tables.session_ended(SessionId(session));
        }
    }

    /// The database is there again, with all that was committed.
    pub fn come_back(&self) {
        self.shared.inner.lock().away = None;
    }

    /// Puts something that is no state where the newest state of an instance is, behind the store's back; or puts it
    /// back as it was.
    pub fn damage_state(&self, instance: &Instance, is_damaged: bool) {
        let mut inner = self.shared.inner.lock();
        inner.tables.instances.entry(instance.clone()).or_default().log_is_damaged = is_damaged;
    }

    /// Changes a checkpoint behind the store's back, as a disk that lies would.
    /// False when there is none of that phase.
    pub fn corrupt_checkpoint(&self, instance: &Instance, phase: Phase) -> bool {
        let mut inner = self.shared.inner.lock();
        let rows = inner.tables.instances.get_mut(instance);
        let found = rows.and_then(|rows| rows.checkpoints.get_mut(&phase));
        found.map(|checkpoint| checkpoint.digest.insert(0, '0')).is_some()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// One client of a [`Database`]. Dropping it ends its session, and with it the locks it took.
#[derive(Debug)]
pub struct MemoryStore {
    database: Database,
    session: SessionId,
}

impl MemoryStore {
    /// The connection breaks and is made anew: its locks are gone.
    pub fn cut(&mut self) {
        let mut inner = self.database.shared.inner.lock();
        inner.tables.session_ended(self.session);
        inner.sessions += 1;
        self.session = SessionId(inner.sessions);
    }

    /// One transaction.
    fn run<T>(&self, transaction: impl FnOnce(&mut Tables, Stamp) -> Answer<T>) -> Answer<T> {
        let shared = &self.database.shared;
        let mut inner = shared.inner.lock();
        if let Some(why) = &inner.away {
            return Err(StoreError::Unavailable { why: why.clone() });
        }
        transaction(&mut inner.tables, (shared.clock)())
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.database.shared.inner.lock().tables.session_ended(self.session);
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn migrate(&self) -> Answer<()> {
        self.run(|_, _| Ok(()))
    }

    async fn acquire(&self, instance: &Instance, by: &Holder) -> Answer<Lease> {
        self.run(|tables, now| tables.acquire(now, self.session, instance, by))
    }

    async fn renew(&self, lease: &Lease) -> Answer<()> {
        self.run(|tables, now| tables.renew(now, lease))
    }

    async fn release(&self, lease: &Lease) -> Answer<()> {
        self.run(|tables, _| {
            tables.release(lease);
            Ok(())
        })
    }

    async fn leave(&self, lease: &Lease) -> Answer<()> {
        self.run(|tables, _| {
            tables.leave(lease);
            Ok(())
        })
    }

    async fn holder(&self, instance: &Instance) -> Answer<Option<Held>> {
        self.run(|tables, now| Ok(tables.read(instance, |rows| rows.lock.live(now).cloned())))
    }

    async fn instances(&self) -> Answer<Vec<Instance>> {
        self.run(|tables, _| Ok(tables.instances.keys().cloned().collect()))
    }

    async fn state(&self, instance: &Instance) -> Answer<DeploymentState> {
        self.run(|tables, _| tables.read_log(instance, |log| Some(log.state())))
            .map(|state| state.unwrap_or(DeploymentState::Unknown))
    }

    async fn history(&self, instance: &Instance) -> Answer<Vec<StateChange>> {
        self.run(|tables, _| tables.read_log(instance, |log| log.entries().to_vec()))
    }

    async fn transition(
        &self,
        lease: &Lease,
        expected_from: DeploymentState,
        to: DeploymentState,
        why: &str,
    ) -> Answer<StateChange> {
        self.run(|tables, now| tables.transition(now, lease, expected_from, to, why))
    }

    async fn begin_phase(&self, lease: &Lease, phase: Phase) -> Answer<()> {
        self.run(|tables, now| tables.begin_phase(now, lease, phase))
    }

    async fn end_phase(&self, lease: &Lease, phase: Phase, failure: Option<ErrorRecord>) -> Answer<()> {
        self.run(|tables, now| tables.end_phase(now, lease, phase, failure))
    }

    async fn phase_runs(&self, instance: &Instance) -> Answer<Vec<PhaseRun>> {
        self.run(|tables, _| Ok(tables.read(instance, |rows| rows.phase_runs.clone())))
    }

    async fn intend(&self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()> {
        self.run(|tables, now| tables.intend(now, lease, phase, resource))
    }

    async fn undone(&self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()> {
        self.run(|tables, now| tables.undone(now, lease, phase, resource))
    }

    async fn intents(&self, instance: &Instance) -> Answer<Vec<Intent>> {
        self.run(|tables, _| Ok(tables.read(instance, |rows| rows.ledger.entries().to_vec())))
    }

    async fn save_checkpoint(&self, lease: &Lease, phase: Phase) -> Answer<Checkpoint> {
        self.run(|tables, now| tables.save_checkpoint(now, lease, phase))
    }

    async fn retract(&self, lease: &Lease, phases: &[Phase]) -> Answer<()> {
        self.run(|tables, now| tables.retract(now, lease, phases))
    }

    async fn checkpoints(&self, instance: &Instance) -> Answer<Vec<Checkpoint>> {
        self.run(|tables, _| tables.checkpoints(instance))
    }

    async fn admit(&self, operation: Operation) -> Answer<Admission> {
        self.run(|tables, now| tables.admit(now, operation))
    }

    async fn settle(&self, admission: Admission, outcome: Outcome) -> Answer<()> {
        self.run(|tables, now| {
            tables.settle(now, admission, outcome);
            Ok(())
        })
    }

    async fn reset_breaker(&self, operation: Operation) -> Answer<()> {
        self.run(|tables, _| {
            tables.reset_breaker(operation);
            Ok(())
        })
    }

    async fn breakers(&self) -> Answer<Vec<BreakerRow>> {
        self.run(|tables, _| {
            let row = |operation| tables.breakers.get(&operation).cloned();
            Ok(Operation::ALL.map(|op| row(op).unwrap_or_else(|| BreakerRow::new(op))).to_vec())
        })
    }

    async fn claim_slot(&self, code: &InstanceCode) -> Answer<Slot> {
        self.run(|tables, _| tables.claim_slot(code))
    }

    async fn slots(&self) -> Answer<Vec<(InstanceCode, Slot)>> {
        self.run(|tables, _| Ok(tables.slots.iter().map(|(code, slot)| (code.clone(), *slot)).collect()))
    }

    async fn record_error(&self, lease: &Lease, error: ErrorRecord) -> Answer<()> {
        self.run(|tables, now| tables.record_error(now, lease, error))
    }

    async fn errors(&self, instance: &Instance) -> Answer<Vec<ErrorRecord>> {
        self.run(|tables, _| Ok(tables.read(instance, |rows| rows.errors.clone())))
    }

    async fn record_start(&self, of: &Instance, service: Service, took: Duration) -> Answer<()> {
        self.run(|tables, now| {
            tables.starts.push((of.clone(), ServiceStart { service, healthy: now, took }));
            Ok(())
        })
    }

    async fn starts(&self, of: &Instance) -> Answer<Vec<ServiceStart>> {
        self.run(|tables, _| Ok(tables.starts_of(of)))
    }

    async fn start_times(&self, service: Service, since: Duration) -> Answer<Vec<Duration>> {
        self.run(|tables, now| Ok(tables.start_times(now, service, since)))
    }

    async fn save_link(&self, lease: &Lease, to: &Instance, verified: bool) -> Answer<()> {
        self.run(|tables, now| tables.save_link(now, lease, to, verified))
    }

    async fn links(&self) -> Answer<Vec<Link>> {
        self.run(|tables, _| {
            Ok(tables.instances.values().flat_map(|rows| rows.links.values().cloned()).collect())
        })
    }

    async fn audit(&self, by: &Holder, action: &str) -> Answer<()> {
        self.run(|tables, now| {
            tables.audit.push(AuditEntry { by: by.clone(), action: action.to_owned(), at: now });
            Ok(())
        })
    }

    async fn audit_trail(&self) -> Answer<Vec<AuditEntry>> {
        self.run(|tables, _| Ok(tables.audit.clone()))
    }
}
