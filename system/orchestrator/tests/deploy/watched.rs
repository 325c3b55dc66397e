//! A store that can be cut between any two of its calls, and made to fail.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_orchestrator::store::{Answer, AuditEntry, ErrorRecord, Link, PhaseRun, ServiceStart};
use dive_orchestrator::{
    Admission, BreakerRow, Checkpoint, DeploymentState, Held, Holder, Instance, InstanceCode, Intent, Lease,
    Operation, Outcome, Phase, Resource, Service, Slot, StateChange, Store, StoreError,
};

use crate::time::{Time, pause};

/// Decides whether a call, given its name, fails.
pub(crate) type Faults = Arc<dyn Fn(&str) -> Option<StoreError> + Send + Sync>;

pub(crate) struct Watched {
    pub(crate) inner: Box<dyn Store>,
    pub(crate) time: Time,
    pub(crate) faults: Faults,
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
            $(async fn $name(&self, $($arg: $of),*) -> Answer<$answer> {
                self.call(stringify!($name), self.inner.$name($($arg),*)).await
            })+
        }
    };
}

watch! {
    migrate() -> ();
    acquire(instance: &Instance, by: &Holder) -> Lease;
    renew(lease: &Lease) -> ();
    release(lease: &Lease) -> ();
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
