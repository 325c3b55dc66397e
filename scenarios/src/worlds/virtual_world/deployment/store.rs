//! A process's connection to the orchestration's database, over a link.
//!
//! What the database does is told where it is done: a write whose answer is lost is on the timeline all the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_orchestrator::deploy::Thing;
use dive_orchestrator::store::{
    Answer, AuditEntry, Database, ErrorRecord, Link as FederationLink, MemoryStore, PhaseRun, ServiceStart,
};
use dive_orchestrator::{
    Admission, BreakerRow, Checkpoint, DeploymentState, Held, Holder, Instance, InstanceCode, Intent, Lease,
    Operation, Outcome, Phase, Resource, Service, Slot, StateChange, Store, StoreError,
};
use harness_core::fault::Edge;
use harness_sim::{Link, Node, Reply};
use parking_lot::Mutex;

use super::Site;
use crate::binding::deployment::deeds;
use crate::binding::deployment::topology::{STORE, watched};

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The database's end of a connection. It ends with the connection, and with it the locks taken on it.
type ServerSide = Arc<Mutex<Option<Arc<MemoryStore>>>>;

/// The connection as it stands, made now where there is none.
fn connected(server: &ServerSide, database: &Database) -> Arc<MemoryStore> {
    server.lock().get_or_insert_with(|| Arc::new(database.connect())).clone()
}

/// A connection, made anew when it broke: the session it was is over then.
pub(super) struct Session {
    link: Link<Database>,
    server: ServerSide,
    node: Node,
    by: String,
    site: Arc<Site>,
    /// What it ever took the lock of.
    taken: Arc<Mutex<BTreeSet<Instance>>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl Session {
    pub(super) fn new(host: &str, by: &str, node: &Node, site: &Arc<Site>) -> Self {
        Self {
            link: site.links.link(&Edge::new(host, STORE), &site.store),
            server: ServerSide::default(),
            node: node.clone(),
            by: by.to_owned(),
            site: site.clone(),
            taken: Arc::default(),
        }
    }

    /// The connection breaks, and the server sees it.
    fn end(&self) {
        drop(self.server.lock().take());
        for instance in &*self.taken.lock() {
            self.site.see_lock(instance);
        }
    }

    fn unavailable<T>(why: &impl ToString) -> Answer<T> {
        Err(StoreError::Unavailable { why: why.to_string() })
    }

    /// Has `call` done by the database. A wrong answer `name: text` is one to this call alone; others get through.
    async fn ask<T, F, C>(&self, name: &str, call: C) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
        C: FnOnce(Arc<MemoryStore>) -> F + Clone + Send + 'static,
    {
        let (server, again) = (self.server.clone(), call.clone());
        let at_server = move |database: Database| call(connected(&server, &database));
        match self.node.sim().timeout(PATIENCE, self.link.call(at_server)).await {
            None => Self::unavailable(&format!("no answer within {} s", PATIENCE.as_secs())),
            Some(Ok(Reply::Answer(answer))) => answer,
            Some(Ok(Reply::Truncated { .. })) => Self::unavailable(&"the answer was cut short"),
            Some(Ok(Reply::Wrong { body, .. })) => {
                match (body.split_once(": "), self.site.store.occupant()) {
                    (Some((only, _)), Some((_, database))) if only != name => {
                        again(connected(&self.server, &database)).await
                    }
                    (Some((_, why)), _) => Self::unavailable(&why),
                    _ => Self::unavailable(&body),
                }
            }
            Some(Err(error)) => {
                self.end();
                Self::unavailable(&error)
            }
        }
    }
}

/// Each method of the store, called over the link; what is told of it, given its arguments and answer, once it is done.
macro_rules! over_the_link {
    ($($name:ident($($arg:ident: $of:ty),*) -> $answer:ty = ($($pass:expr),*)
        $(, told($site:ident, $by:ident, $done:ident, $taken:ident) $told:block)?;)+) => {
        #[async_trait]
        impl Store for Session {
            $(async fn $name(&self, $($arg: $of),*) -> Answer<$answer> {
                $(let $arg = $arg.to_owned();)*
                let (_site, _by, _taken) = (self.site.clone(), self.by.clone(), self.taken.clone());
                self.ask(stringify!($name), move |store| async move {
                    let answer = store.$name($($pass),*).await;
                    $(if let Ok($done) = &answer {
                        let ($site, $by, $taken) = (&*_site, _by.as_str(), &_taken);
                        $told
                    })?
                    answer
                })
                .await
            })+
        }
    };
}

over_the_link! {
    migrate() -> () = ();
    acquire(instance: &Instance, by: &Holder) -> Lease = (&instance, &by),
        told(site, by, lease, taken) {
            taken.lock().insert(lease.instance.clone());
            site.tell(deeds::lock(&lease.instance, by, lease.token));
            site.see_lock(&lease.instance);
        };
    renew(lease: &Lease) -> () = (&lease),
        told(site, by, _done, _taken) { site.tell(deeds::renewal(&lease.instance, by)); };
    release(lease: &Lease) -> () = (&lease),
        told(site, _by, _done, _taken) { site.see_lock(&lease.instance); };
    leave(lease: &Lease) -> () = (&lease),
        told(site, _by, _done, _taken) { site.see_lock(&lease.instance); };
    holder(instance: &Instance) -> Option<Held> = (&instance);
    instances() -> Vec<Instance> = ();
    state(instance: &Instance) -> DeploymentState = (&instance);
    history(instance: &Instance) -> Vec<StateChange> = (&instance);
    transition(lease: &Lease, from: DeploymentState, to: DeploymentState, why: &str) -> StateChange
        = (&lease, from, to, &why),
        told(site, by, change, _taken) {
            site.tell(deeds::state(&lease.instance, by, change));
            if watched().contains(&lease.instance) {
                site.tell(deeds::state_seen(&lease.instance, change.to.as_str()));
            }
        };
    begin_phase(lease: &Lease, phase: Phase) -> () = (&lease, phase),
        told(site, _by, _done, _taken) { site.see_error(&lease.instance, None); };
    end_phase(lease: &Lease, phase: Phase, failure: Option<ErrorRecord>) -> () = (&lease, phase, failure.clone()),
        told(site, _by, _done, _taken) { site.see_error(&lease.instance, failure.as_ref()); };
    phase_runs(instance: &Instance) -> Vec<PhaseRun> = (&instance);
    intend(lease: &Lease, phase: Phase, resource: &Resource) -> () = (&lease, phase, &resource),
        told(site, _by, _done, _taken) { site.tell(deeds::written(&lease.instance, &Thing::from(&resource))); };
    undone(lease: &Lease, phase: Phase, resource: &Resource) -> () = (&lease, phase, &resource),
        told(site, _by, _done, _taken) { site.tell(deeds::struck_out(&lease.instance, &Thing::from(&resource))); };
    intents(instance: &Instance) -> Vec<Intent> = (&instance);
    save_checkpoint(lease: &Lease, phase: Phase) -> Checkpoint = (&lease, phase);
    retract(lease: &Lease, phases: &[Phase]) -> () = (&lease, &phases);
    checkpoints(instance: &Instance) -> Vec<Checkpoint> = (&instance);
    admit(operation: Operation) -> Admission = (operation);
    settle(admission: Admission, outcome: Outcome) -> () = (admission, outcome);
    reset_breaker(operation: Operation) -> () = (operation);
    breakers() -> Vec<BreakerRow> = ();
    claim_slot(code: &InstanceCode) -> Slot = (&code);
    slots() -> Vec<(InstanceCode, Slot)> = ();
    record_error(lease: &Lease, error: ErrorRecord) -> () = (&lease, error.clone()),
        told(site, _by, _done, _taken) { site.tell(deeds::error(&lease.instance, error.code, error.recovered)); };
    errors(instance: &Instance) -> Vec<ErrorRecord> = (&instance);
    record_start(of: &Instance, service: Service, took: Duration) -> () = (&of, service, took);
    starts(of: &Instance) -> Vec<ServiceStart> = (&of);
    start_times(service: Service, since: Duration) -> Vec<Duration> = (service, since);
    save_link(lease: &Lease, to: &Instance, verified: bool) -> () = (&lease, &to, verified);
    links() -> Vec<FederationLink> = ();
    audit(by: &Holder, action: &str) -> () = (&by, &action);
    audit_trail() -> Vec<AuditEntry> = ();
}
