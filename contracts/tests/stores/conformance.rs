//! Random histories, on one store and on the one in memory side by side: each answer is the model's, and what
//! can be read afterwards is the same in both, to the last number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dive_orchestrator::state::Refused;
use dive_orchestrator::store::{Answer, ErrorRecord};
use dive_orchestrator::{
    Admission, Checkpoint, DeploymentState, ErrorCode, Holder, Instance, InstanceCode, Lease, Resource,
    ResourceKind, Service, SessionId, Store, StoreError,
};
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use proptest_state_machine::ReferenceStateMachine;

use crate::arms::{Arm, Client, Hands, Memory};
use crate::model::{CONTENDERS, Command, Expected, LEASE_MS, Plain, Reference, Write};

/// Runs `cases` histories on `arm`.
pub(crate) fn holds(runtime: &tokio::runtime::Runtime, arm: &mut dyn Arm, cases: u32) {
    let persistence = FileFailurePersistence::WithSource("proptest-regressions");
    let config = Config {
        cases,
        max_shrink_iters: 300,
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(persistence)),
        ..Config::default()
    };
    let arm = std::cell::RefCell::new(arm);
    let history = |(reference, commands, seen): (Reference, Vec<Command>, Option<Arc<AtomicUsize>>)| {
        let mut arm = arm.borrow_mut();
        runtime.block_on(run(&mut **arm, reference, &commands, seen.as_deref()));
        Ok(())
    };
    if let Err(failure) = TestRunner::new(config).run(&Reference::sequential_strategy(1..80), history) {
        panic!("{failure}");
    }
}

async fn run(arm: &mut dyn Arm, mut reference: Reference, commands: &[Command], seen: Option<&AtomicUsize>) {
    let hands = Arc::new(AtomicU64::new(reference.now));
    let mut memory = Memory::default();
    let mut subject = Subject::new(arm, &hands).await;
    let mut twin = Subject::new(&mut memory, &hands).await;
    for command in commands {
        if let Some(seen) = seen {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        reference = Reference::apply(reference, command);
        assert_eq!(subject.step(command).await, reference.expected, "{command:?}");
        twin.step(command).await;
        if let Command::Wait(ms) = command {
            hands.fetch_add(*ms, Ordering::Relaxed);
        }
        subject.check(&reference).await;
        assert_eq!(subject.everything().await, twin.everything().await, "after {command:?}");
    }
}

/// A store in use by all contenders.
struct Subject<'a> {
    arm: &'a mut dyn Arm,
    hands: Hands,
    clients: Vec<Client>,
    leases: Vec<Lease>,
    admissions: Vec<Admission>,
}

fn code(which: usize) -> InstanceCode {
    // Two with fixed slots; the others wherever their hashes lead.
    ["fra", "deu", "aut", "che", "irl", "zzz"][which].parse().unwrap()
}

fn instance(hub: bool) -> Instance {
    if hub { Instance::Hub } else { Instance::Spoke(code(0)) }
}

fn resource(name: u8) -> Resource {
    Resource { kind: ResourceKind::Container, name: name.to_string(), before: None }
}

fn error() -> ErrorRecord {
    ErrorRecord { code: ErrorCode::Timeout, message: "nobody's \"fault\"".to_owned(), recovered: true }
}

fn holder(who: usize) -> Holder {
    Holder { host: "here".to_owned(), pid: who as u32 }
}

fn answered<T>(answer: Answer<T>) -> Expected {
    match answer {
        Ok(_) => Expected::Done,
        Err(StoreError::Contended { held, .. }) => {
            Expected::Contended { pid: held.by.pid, token: held.token.number() }
        }
        Err(StoreError::LockLost { .. }) => Expected::LockLost,
        Err(StoreError::Refused { refused: Refused::Overtaken { .. }, .. }) => Expected::Overtaken,
        Err(StoreError::Refused { refused: Refused::Illegal { .. }, .. }) => Expected::Illegal,
        Err(StoreError::NotUnderWay { .. }) => Expected::NotUnderWay,
        Err(StoreError::BreakerOpen { retry_after, .. }) => {
            Expected::Open { left: retry_after.as_millis() as u64 }
        }
        Err(StoreError::Unavailable { .. }) => Expected::Away,
        Err(other) => panic!("{other}"),
    }
}

impl<'a> Subject<'a> {
    async fn new(arm: &'a mut dyn Arm, hands: &Hands) -> Self {
        arm.empty().await;
        let clients = (0..CONTENDERS).map(|_| arm.connect(hands)).collect();
        Self { arm, hands: Arc::clone(hands), clients, leases: Vec::new(), admissions: Vec::new() }
    }

    fn client(&self, which: usize) -> &dyn Store {
        &*self.clients[which].store
    }

    async fn write(&self, who: usize, lease: &Lease, write: &Write) -> Expected {
        let store = self.client(who);
        match write {
            Write::Renew => answered(store.renew(lease).await),
            Write::Release => answered(store.release(lease).await),
            Write::Transition { expecting, to } => {
                let newest = store.state(&lease.instance).await.unwrap();
                answered(store.transition(lease, expecting.unwrap_or(newest), *to, "because").await)
            }
            Write::Intend(phase, name) => answered(store.intend(lease, *phase, &resource(*name)).await),
            Write::Undone(phase, name) => answered(store.undone(lease, *phase, &resource(*name)).await),
            Write::Save(phase) => answered(store.save_checkpoint(lease, *phase).await),
            Write::Retract(phase) => answered(store.retract(lease, &[*phase]).await),
            Write::BeginPhase(phase) => answered(store.begin_phase(lease, *phase).await),
            Write::EndPhase(phase, failed) => {
                answered(store.end_phase(lease, *phase, failed.then(error)).await)
            }
            Write::RecordError => answered(store.record_error(lease, error()).await),
            Write::Link(verified) => answered(store.save_link(lease, &instance(false), *verified).await),
        }
    }

    async fn step(&mut self, command: &Command) -> Expected {
        match command {
            Command::Acquire { who, hub } => {
                match self.client(*who).acquire(&instance(*hub), &holder(*who)).await {
                    Ok(lease) => {
                        self.leases.push(lease.clone());
                        Expected::Token(lease.token.number())
                    }
                    refused => answered(refused),
                }
            }
            Command::With { .. } if self.leases.is_empty() => Expected::Skipped,
            Command::With { who, lease, write } => {
                let lease = &self.leases[lease.index(self.leases.len())];
                self.write(*who, lease, write).await
            }
            Command::Admit(operation) => {
                let admitted = self.client(0).admit(*operation).await;
                self.admissions.extend(admitted.iter().copied());
                answered(admitted)
            }
            Command::Settle(..) if self.admissions.is_empty() => Expected::Skipped,
            Command::Settle(index, outcome) => {
                let admission = self.admissions.remove(index.index(self.admissions.len()));
                answered(self.client(1).settle(admission, *outcome).await)
            }
            Command::Claim(which) => answered(self.client(2).claim_slot(&code(*which)).await),
            Command::Start(ms) => {
                let took = Duration::from_millis(*ms) + Duration::from_nanos(1);
                answered(self.client(3).record_start(&Instance::Hub, Service::Keycloak, took).await)
            }
            Command::Audit => answered(self.client(3).audit(&holder(3), "down --all").await),
            Command::Wait(_) => Expected::Done,
            Command::Crash(who) => {
                let fresh = self.arm.connect(&self.hands);
                let client = std::mem::replace(&mut self.clients[*who], fresh);
                self.arm.crash(client).await;
                Expected::Done
            }
            Command::GoAway => {
                self.arm.go_away(&mut self.clients, &self.hands).await;
                Expected::Done
            }
            Command::ComeBack => {
                self.arm.come_back().await;
                Expected::Done
            }
        }
    }

    async fn check(&self, reference: &Reference) {
        if reference.away {
            let answer = self.client(4).state(&Instance::Hub).await;
            assert_eq!(answered(answer), Expected::Away);
            return;
        }
        self.compare(true, &reference.hub, reference.now).await;
        self.compare(false, &reference.spoke, reference.now).await;
        let slots = self.client(4).slots().await.unwrap();
        assert_eq!(slots.len(), reference.claimed.len());
        let distinct: BTreeSet<_> = slots.iter().map(|(_, slot)| *slot).collect();
        assert_eq!(distinct.len(), slots.len(), "a slot has one owner");
    }

    async fn compare(&self, hub: bool, plain: &Plain, at: u64) {
        let (store, instance) = (self.client(4), instance(hub));
        let states: Vec<_> = store.history(&instance).await.unwrap().into_iter().map(|c| c.to).collect();
        assert_eq!(states, plain.states);
        let state = store.state(&instance).await.unwrap();
        assert_eq!(state, plain.states.last().copied().unwrap_or(DeploymentState::Unknown));
        let made = store.intents(&instance).await.unwrap().into_iter();
        let made: Vec<_> = made.map(|i| (i.phase, i.resource.name.parse::<u8>().unwrap())).collect();
        assert_eq!(made, plain.made);
        let saved = store.checkpoints(&instance).await.unwrap().into_iter();
        let names = |c: &Checkpoint| c.resources.iter().map(|r| r.name.parse().unwrap()).collect();
        assert_eq!(saved.map(|c| (c.phase, names(&c))).collect::<BTreeMap<_, Vec<u8>>>(), plain.checkpoints);
        let holder = store.holder(&instance).await.unwrap().map(|h| (h.by.pid as usize, h.token.number()));
        let live = plain.lock.filter(|(.., renewed)| at < renewed + LEASE_MS);
        assert_eq!(holder, live.map(|(owner, token, _)| (owner, token)));
    }

    /// All that can be read, but for the numbers of sessions.
    async fn everything(&self) -> Vec<String> {
        let store = self.client(4);
        let mut all = Vec::new();
        for instance in [Instance::Hub, instance(false)] {
            let held = store.holder(&instance).await.unwrap_or_default();
            let held = held.map(|mut held| {
                held.session = SessionId(0);
                held
            });
            all.push(format!("{held:?}"));
            all.push(format!("{:?}", store.history(&instance).await.ok()));
            all.push(format!("{:?}", store.phase_runs(&instance).await.ok()));
            all.push(format!("{:?}", store.intents(&instance).await.ok()));
            all.push(format!("{:?}", store.checkpoints(&instance).await.ok()));
            all.push(format!("{:?}", store.errors(&instance).await.ok()));
            all.push(format!("{:?}", store.starts(&instance).await.ok()));
        }
        let recently = Duration::from_secs(60);
        all.push(format!("{:?}", store.breakers().await.ok()));
        all.push(format!("{:?}", store.slots().await.ok()));
        all.push(format!("{:?}", store.start_times(Service::Keycloak, recently).await.ok()));
        all.push(format!("{:?}", store.links().await.ok()));
        all.push(format!("{:?}", store.audit_trail().await.ok()));
        all.push(format!("{:?}", store.instances().await.ok()));
        all
    }
}
