//! A store that can be cut between any two of its calls, and made to fail.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_orchestrator::store::{Answer, AuditEntry, ErrorRecord, Link, PhaseRun, ServiceStart};
use dive_orchestrator::{
    Admission, BreakerRow, Checkpoint, DeploymentState, Held, Holder, Instance, InstanceCode, Intent, Lease,
    Operation, Outcome, Phase, Resource, Service, Slot, StateChange, Store, StoreError,
};
use parking_lot::Mutex;

use crate::time::{Time, pause};

/// Decides whether a call, given its name, fails.
pub(crate) type Faults = Arc<dyn Fn(&str) -> Option<StoreError> + Send + Sync>;

/// The process numbers of operators at work.
#[derive(Clone, Default)]
pub(crate) struct Alive(Arc<Mutex<BTreeSet<u32>>>);

impl Alive {
    pub(crate) fn is_gone(&self, pid: u32) -> bool {
        !self.0.lock().contains(&pid)
    }
}

/// One of them. Dropping it is its end.
pub(crate) struct Process {
    pid: u32,
    alive: Alive,
}

impl Process {
    pub(crate) fn started(pid: u32, alive: &Alive) -> Self {
        alive.0.lock().insert(pid);
        Self { pid, alive: alive.clone() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.alive.0.lock().remove(&self.pid);
    }
}

pub(crate) struct Watched {
    pub(crate) inner: Box<dyn Store>,
    pub(crate) _process: Process,
    pub(crate) time: Time,
    pub(crate) faults: Faults,
    /// Whether nobody is told that the holder before did not give the lock back.
    pub(crate) forgets: bool,
}

impl Watched {
    async fn call<T>(&self, name: &str, call: impl Future<Output = Answer<T>>) -> Answer<T> {
        pause().await;
        if let Some(error) = (self.faults)(name) {
            return Err(error);
        }
        let outside = self.time.outside();
        let answer = call.await;
        drop(outside);
        pause().await;
        answer
    }
}

macro_rules! watch {
    ($($name:ident($($arg:ident: $of:ty),*) -> $answer:ty;)+) => {
        #[async_trait]
        impl Store for Watched {
            async fn acquire(&self, instance: &Instance, by: &Holder) -> Answer<Lease> {
                let lease = self.call("acquire", self.inner.acquire(instance, by)).await?;
                Ok(if self.forgets { Lease { after: Vec::new(), ..lease } } else { lease })
            }
            $(async fn $name(&self, $($arg: $of),*) -> Answer<$answer> {
                self.call(stringify!($name), self.inner.$name($($arg),*)).await
            })+
        }
    };
}

watch! {
    migrate() -> ();
    renew(lease: &Lease) -> ();
    release(lease: &Lease) -> ();
    leave(lease: &Lease) -> ();
    holder(instance: &Instance) -> Option<Held>;
    instances() -> Vec<Instance>;
    state(instance: &Instance) -> DeploymentState;
    history(instance: &Instance) -> Vec<StateChange>;
    transition(lease: &Lease, expected_from: DeploymentState, to: DeploymentState, why: &str) -> StateChange;
    begin_phase(lease: &Lease, phase: Phase) -> ();
    end_phase(lease: &Lease, phase: Phase, failure: Option<ErrorRecord>) -> ();
    phase_runs(instance: &Instance) -> Vec<PhaseRun>;
    intend(lease: &Lease, phase: Phase, resource: &Resource) -> ();
    undone(lease: &Lease, phase: Phase, resource: &Resource) -> ();
    intents(instance: &Instance) -> Vec<Intent>;
    save_checkpoint(lease: &Lease, phase: Phase) -> Checkpoint;
    retract(lease: &Lease, phases: &[Phase]) -> ();
    checkpoints(instance: &Instance) -> Vec<Checkpoint>;
    admit(operation: Operation) -> Admission;
    settle(admission: Admission, outcome: Outcome) -> ();
    reset_breaker(operation: Operation) -> ();
    breakers() -> Vec<BreakerRow>;
    claim_slot(code: &InstanceCode) -> Slot;
    slots() -> Vec<(InstanceCode, Slot)>;
    record_error(lease: &Lease, error: ErrorRecord) -> ();
    errors(instance: &Instance) -> Vec<ErrorRecord>;
    record_start(of: &Instance, service: Service, took: Duration) -> ();
    starts(of: &Instance) -> Vec<ServiceStart>;
    start_times(service: Service, since: Duration) -> Vec<Duration>;
    save_link(lease: &Lease, to: &Instance, verified: bool) -> ();
    links() -> Vec<Link>;
    audit(by: &Holder, action: &str) -> ();
    audit_trail() -> Vec<AuditEntry>;
}
