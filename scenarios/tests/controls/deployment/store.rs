//! Stores with something wrong, each in the place of a process's own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_orchestrator::store::{Answer, AuditEntry, ErrorRecord, Link, PhaseRun, ServiceStart};
use dive_orchestrator::{
    Admission, BreakerRow, Checkpoint, DeploymentState, Held, Holder, Instance, InstanceCode, Intent, Lease,
    Operation, Outcome, Phase, Resource, Service, Slot, Stamp, StateChange, Store, StoreError,
};
use parking_lot::Mutex;
use scenarios::worlds::deployment::Connect;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StoreDefect {
    /// D1. The lock is taken on a connection that ends at once, and so for every write.
    LockInAClientThatExits,
    /// D2. Whoever finds a deployment at work takes it for stale, ends its connection and fails it.
    TakenForStale,
    /// D5, B14. A database that is away says yes.
    AwayIsYes,
    /// D6. What became of saving a checkpoint is not looked at.
    CheckpointErrorsIgnored,
    /// D9. No start time can be read, and nobody says so.
    NoStartTimes,
    /// What is going to be made is not written down.
    WritesNothingDown,
    /// Phases whose work was undone count as finished.
    RetractsNothing,
    /// The connection that holds the lock outlives who took it.
    KeepsTheLock,
    /// The lock is not renewed.
    NeverRenews,
    /// There is one lock for all instances.
    OneLockForAll,
    /// Nobody is seen to be at work.
    SeesNoHolder,
    /// A hub that there is not is taken for one that stands.
    UnknownIsComplete,
    /// A hub that failed is taken for one that stands.
    FailedIsComplete,
    /// D5. A row that can't be read is taken for one that is not there, and what follows from that for allowed.
    UnreadableIsNothing,
    /// No phase is known to be finished.
    FindsNoCheckpoint,
    /// B12. Each process has breakers of its own.
    BreakersOfItsOwn,
    /// It is not looked which steps of the schema were made already, and one that is made again fails.
    MigratesBlindly,
}

use StoreDefect as D;

/// The stores of all processes there were.
pub(crate) type Others = Arc<Mutex<Vec<Arc<Mutex<Arc<dyn Store>>>>>>;

pub(crate) struct FaultyStore {
    defect: StoreDefect,
    connect: Connect,
    inner: Arc<Mutex<Arc<dyn Store>>>,
    others: Others,
    by: Mutex<Option<Holder>>,
}

impl FaultyStore {
    pub(crate) fn open(defect: StoreDefect, connect: &Connect, others: &Others) -> Arc<dyn Store> {
        let inner = Arc::new(Mutex::new(connect()));
        if defect == D::KeepsTheLock || defect == D::TakenForStale {
            others.lock().push(inner.clone());
        }
        let connect = connect.clone();
        Arc::new(Self { defect, connect, inner, others: others.clone(), by: Mutex::default() })
    }

    fn inner(&self) -> Arc<dyn Store> {
        self.inner.lock().clone()
    }

    /// What to write with under a lease.
    async fn under(&self, lease: &Lease) -> Answer<(Arc<dyn Store>, Lease)> {
        if self.defect != D::LockInAClientThatExits {
            return Ok((self.inner(), lease.clone()));
        }
        let (client, by) = ((self.connect)(), self.by.lock().clone());
        let by = by.unwrap_or(Holder { host: "operator".to_owned(), pid: 0 });
        let lease = client.acquire(&lease.instance, &by).await?;
        Ok((client, lease))
    }

    /// A yes in the place of what could not be asked, where there is one to be given.
    fn forged<T>(&self, answer: Answer<T>, yes: impl FnOnce() -> Option<T>) -> Answer<T> {
        match answer {
            Err(StoreError::Unavailable { why }) if self.defect == D::AwayIsYes => {
                yes().ok_or(StoreError::Unavailable { why })
            }
            answer => answer,
        }
    }

    /// Ends the connections of all others.
    fn end_others(&self) {
        for other in self.others.lock().iter().filter(|other| !Arc::ptr_eq(other, &self.inner)) {
            *other.lock() = (self.connect)();
        }
    }
}

macro_rules! delegate {
    ({ $($own:item)* }
     $(held $held:ident($($harg:ident: $hof:ty),*) -> $hanswer:ty;)*
     $(free $free:ident($($arg:ident: $of:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for FaultyStore {
            $($own)*
            $(async fn $held(&self, lease: &Lease, $($harg: $hof),*) -> Answer<$hanswer> {
                let (store, lease) = self.under(lease).await?;
                self.forged(store.$held(&lease, $($harg),*).await, || Some(()))
            })*
            $(async fn $free(&self, $($arg: $of),*) -> Answer<$answer> {
                self.inner().$free($($arg),*).await
            })*
        }
    };
}

delegate! {
    {
        async fn acquire(&self, instance: &Instance, by: &Holder) -> Answer<Lease> {
            *self.by.lock() = Some(by.clone());
            if self.defect == D::LockInAClientThatExits {
                return (self.connect)().acquire(instance, by).await;
            }
            if self.defect == D::OneLockForAll && *instance != Instance::Hub {
                self.inner().acquire(&Instance::Hub, by).await?;
            }
            match self.inner().acquire(instance, by).await {
                Err(contended @ StoreError::Contended { .. }) if self.defect == D::TakenForStale => {
                    self.end_others();
                    let store = self.inner();
                    let lease = store.acquire(instance, by).await?;
                    let from = store.state(instance).await?;
                    store.transition(&lease, from, DeploymentState::Failed, "it was stale").await?;
                    store.release(&lease).await?;
                    Err(contended)
                }
                answer => answer,
            }
        }

        async fn renew(&self, lease: &Lease) -> Answer<()> {
            match self.defect {
                D::NeverRenews | D::LockInAClientThatExits => Ok(()),
                _ => {
                    let answer = self.inner().renew(lease).await;
                    self.forged(answer, || Some(()))
                }
            }
        }

        async fn migrate(&self) -> Answer<()> {
            if self.defect == D::MigratesBlindly && self.inner().breakers().await.is_ok() {
                let why = "table sessions already exists".to_owned();
                return Err(StoreError::Unavailable { why });
            }
            self.inner().migrate().await
        }

        async fn release(&self, lease: &Lease) -> Answer<()> {
            if self.defect == D::KeepsTheLock { Ok(()) } else { self.inner().release(lease).await }
        }

        async fn leave(&self, lease: &Lease) -> Answer<()> {
            if self.defect == D::KeepsTheLock { Ok(()) } else { self.inner().leave(lease).await }
        }

        async fn holder(&self, instance: &Instance) -> Answer<Option<Held>> {
            if self.defect == D::SeesNoHolder { Ok(None) } else { self.inner().holder(instance).await }
        }

        async fn state(&self, instance: &Instance) -> Answer<DeploymentState> {
            match self.inner().state(instance).await? {
                DeploymentState::Unknown if self.defect == D::UnknownIsComplete => Ok(DeploymentState::Complete),
                DeploymentState::Failed if self.defect == D::FailedIsComplete => Ok(DeploymentState::Complete),
                state => Ok(state),
            }
        }

        async fn transition(
            &self,
            lease: &Lease,
            from: DeploymentState,
            to: DeploymentState,
            why: &str,
        ) -> Answer<StateChange> {
            let (store, lease) = self.under(lease).await?;
            match store.transition(&lease, from, to, why).await {
                Err(StoreError::Unreadable { .. }) if self.defect == D::UnreadableIsNothing => {
                    let (at, why) = (Stamp::default(), why.to_owned());
                    Ok(StateChange { seq: 1, from, to, at, token: lease.token, why })
                }
                answer => answer,
            }
        }

        async fn history(&self, instance: &Instance) -> Answer<Vec<StateChange>> {
            match self.inner().history(instance).await {
                Err(StoreError::Unreadable { .. }) if self.defect == D::UnreadableIsNothing => Ok(Vec::new()),
                answer => answer,
            }
        }

        async fn checkpoints(&self, instance: &Instance) -> Answer<Vec<Checkpoint>> {
            if self.defect == D::FindsNoCheckpoint {
                return Ok(Vec::new());
            }
            match self.inner().checkpoints(instance).await {
                Err(StoreError::Corrupt { .. }) if self.defect == D::UnreadableIsNothing => Ok(Vec::new()),
                answer => answer,
            }
        }

        async fn intend(&self, lease: &Lease, phase: Phase, resource: &Resource) -> Answer<()> {
            if self.defect == D::WritesNothingDown {
                return Ok(());
            }
            let (store, lease) = self.under(lease).await?;
            self.forged(store.intend(&lease, phase, resource).await, || Some(()))
        }

        async fn retract(&self, lease: &Lease, phases: &[Phase]) -> Answer<()> {
            if self.defect == D::RetractsNothing {
                return Ok(());
            }
            let (store, lease) = self.under(lease).await?;
            self.forged(store.retract(&lease, phases).await, || Some(()))
        }

        async fn save_checkpoint(&self, lease: &Lease, phase: Phase) -> Answer<Checkpoint> {
            let (store, lease) = self.under(lease).await?;
            match store.save_checkpoint(&lease, phase).await {
                Err(_) if self.defect == D::CheckpointErrorsIgnored => {
                    let mut earlier = store.checkpoints(&lease.instance).await?;
                    let why = "there is none at all".to_owned();
                    earlier.pop().ok_or(StoreError::Unavailable { why })
                }
                answer => answer,
            }
        }

        async fn admit(&self, operation: Operation) -> Answer<Admission> {
            let own = Admission { operation, generation: 0 };
            if self.defect == D::BreakersOfItsOwn {
                return Ok(own);
            }
            let answer = self.inner().admit(operation).await;
            self.forged(answer, || Some(own))
        }

        async fn settle(&self, admission: Admission, outcome: Outcome) -> Answer<()> {
            if self.defect == D::BreakersOfItsOwn {
                return Ok(());
            }
            let answer = self.inner().settle(admission, outcome).await;
            self.forged(answer, || Some(()))
        }

        async fn start_times(&self, service: Service, since: Duration) -> Answer<Vec<Duration>> {
            if self.defect == D::NoStartTimes {
                return Ok(Vec::new());
            }
            let answer = self.inner().start_times(service, since).await;
            self.forged(answer, || Some(Vec::new()))
        }

        async fn record_start(&self, of: &Instance, service: Service, took: Duration) -> Answer<()> {
            let answer = self.inner().record_start(of, service, took).await;
            self.forged(answer, || Some(()))
        }
    }
    held begin_phase(phase: Phase) -> ();
    held end_phase(phase: Phase, failure: Option<ErrorRecord>) -> ();
    held undone(phase: Phase, resource: &Resource) -> ();
    held record_error(error: ErrorRecord) -> ();
    held save_link(to: &Instance, verified: bool) -> ();
    free instances() -> Vec<Instance>;
    free phase_runs(instance: &Instance) -> Vec<PhaseRun>;
    free intents(instance: &Instance) -> Vec<Intent>;
    free reset_breaker(operation: Operation) -> ();
    free breakers() -> Vec<BreakerRow>;
    free claim_slot(code: &InstanceCode) -> Slot;
    free slots() -> Vec<(InstanceCode, Slot)>;
    free starts(of: &Instance) -> Vec<ServiceStart>;
    free errors(instance: &Instance) -> Vec<ErrorRecord>;
    free links() -> Vec<Link>;
    free audit(by: &Holder, action: &str) -> ();
    free audit_trail() -> Vec<AuditEntry>;
}
