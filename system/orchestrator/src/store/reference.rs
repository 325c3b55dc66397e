//! The store against a reference model: random commands of five contenders on two instances, with crashes,
//! lost databases and time between any two writes. A failure is shrunk to the shortest history that fails.
//!
//! The model is written without any of the code it checks: lists and numbers, one paragraph a command.
//! Contenders keep every lease they were ever given and go on using them, which is what fencing is against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::*;
use crate::state::Refused;
use crate::{ResourceKind, Stamp};

const CONTENDERS: usize = 5;
const LEASE_MS: u64 = 20_000;
const OPEN_MS: u64 = 60_000;

#[derive(Clone, Debug)]
enum Command {
    Acquire {
        who: usize,
        hub: bool,
    },
    /// With the n-th lease ever given, through any client.
    With {
        who: usize,
        lease: prop::sample::Index,
        write: Write,
    },
    Admit(Operation),
    Settle(prop::sample::Index, Outcome),
    Claim(usize),
    Wait(u64),
    Crash(usize),
    GoAway,
    ComeBack,
}

#[derive(Clone, Debug)]
enum Write {
    Renew,
    Release,
    /// Leaving the newest state, as whoever has just read it would, or any other.
    Transition {
        expecting: Option<DeploymentState>,
        to: DeploymentState,
    },
    Intend(Phase, u8),
    Undone(Phase, u8),
    Save(Phase),
    Retract(Phase),
}

/// What a command must have answered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    Done,
    Token(u64),
    Contended { pid: u32, token: u64 },
    LockLost,
    Overtaken,
    Illegal,
    Open { left: u64 },
    Away,
    Skipped,
}

/// One instance, as the model sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plain {
    /// Contender, token, when last renewed.
    lock: Option<(usize, u64, u64)>,
    tokens: u64,
    states: Vec<DeploymentState>,
    made: Vec<(Phase, u8)>,
    checkpoints: BTreeMap<Phase, Vec<u8>>,
}

#[derive(Clone, Debug)]
struct Reference {
    now: u64,
    away: bool,
    hub: Plain,
    spoke: Plain,
    /// Hub or not, token.
    leases: Vec<(bool, u64)>,
    /// Failures in a row; since when open; since when probed.
    breakers: BTreeMap<Operation, (u32, Option<u64>, Option<u64>)>,
    /// Operation; how often its breaker had changed when it was admitted.
    admissions: Vec<(Operation, u64)>,
    changes: BTreeMap<Operation, u64>,
    claimed: BTreeSet<usize>,
    expected: Expected,
}

impl Reference {
    fn instance(&mut self, hub: bool) -> &mut Plain {
        if hub { &mut self.hub } else { &mut self.spoke }
    }

    fn step(&mut self, command: &Command) -> Expected {
        let now = self.now;
        match command {
            Command::Wait(ms) => self.now += ms,
            Command::Crash(who) => self.free(|owner| owner == *who),
            Command::GoAway => {
                self.free(|_| true);
                self.away = true;
            }
            Command::ComeBack => self.away = false,
            _ if self.away => return Expected::Away,
            Command::Acquire { who, hub } => {
                let plain = self.instance(*hub);
                if let Some((owner, token, renewed)) = plain.lock
                    && now < renewed + LEASE_MS
                {
                    return Expected::Contended { pid: owner as u32, token };
                }
                plain.tokens += 1;
                let token = plain.tokens;
                plain.lock = Some((*who, token, now));
                self.leases.push((*hub, token));
                return Expected::Token(token);
            }
            Command::With { lease, write, .. } => {
                if self.leases.is_empty() {
                    return Expected::Skipped;
                }
                let (hub, token) = self.leases[lease.index(self.leases.len())];
                return self.instance(hub).write(now, token, write);
            }
            Command::Admit(operation) => {
                let (failures, open, probed) = self.breakers.get(operation).copied().unwrap_or_default();
                if let Some(since) = probed.or(open) {
                    if now < since + OPEN_MS {
                        return Expected::Open { left: since + OPEN_MS - now };
                    }
                    self.breakers.insert(*operation, (failures, open, Some(now)));
                    *self.changes.entry(*operation).or_default() += 1;
                }
                let changes = self.changes.get(operation).copied().unwrap_or_default();
                self.admissions.push((*operation, changes));
            }
            Command::Settle(index, outcome) => {
                if self.admissions.is_empty() {
                    return Expected::Skipped;
                }
                let (operation, then) = self.admissions.remove(index.index(self.admissions.len()));
                let changes = self.changes.entry(operation).or_default();
                if *changes == then {
                    let row = self.breakers.entry(operation).or_default();
                    let limit = if operation == Operation::Keycloak { 3 } else { 5 };
                    let after = match outcome {
                        Outcome::Success => (0, None, None),
                        Outcome::Failure if row.1.is_some() || row.0 + 1 >= limit => {
                            (row.0 + 1, Some(now), None)
                        }
                        Outcome::Failure => (row.0 + 1, None, None),
                        Outcome::Cancelled => (row.0, row.1, None),
                    };
                    *changes += u64::from((after.1, after.2) != (row.1, row.2));
                    *row = after;
                }
            }
            Command::Claim(which) => {
                self.claimed.insert(*which);
            }
        }
        Expected::Done
    }

    fn free(&mut self, whose: impl Fn(usize) -> bool) {
        for plain in [&mut self.hub, &mut self.spoke] {
            plain.lock = plain.lock.filter(|(owner, ..)| !whose(*owner));
        }
    }
}

impl Plain {
    fn write(&mut self, now: u64, token: u64, write: &Write) -> Expected {
        let live = self.lock.is_some_and(|(_, held, renewed)| held == token && now < renewed + LEASE_MS);
        if let Write::Release = write {
            self.lock = self.lock.filter(|(_, held, _)| *held != token);
            return Expected::Done;
        }
        if !live {
            return Expected::LockLost;
        }
        match write {
            Write::Renew => self.lock = self.lock.map(|(owner, held, _)| (owner, held, now)),
            Write::Release => {}
            Write::Transition { expecting, to } => {
                let newest = self.states.last().copied().unwrap_or(DeploymentState::Unknown);
                if expecting.is_some_and(|expected| expected != newest) {
                    return Expected::Overtaken;
                }
                if !newest.successors().contains(to) {
                    return Expected::Illegal;
                }
                self.states.push(*to);
            }
            Write::Intend(phase, name) => {
                if !self.made.contains(&(*phase, *name)) {
                    self.made.push((*phase, *name));
                }
            }
            Write::Undone(phase, name) => self.made.retain(|made| *made != (*phase, *name)),
            Write::Save(phase) => {
                let made = self.made.iter().filter(|(of, _)| of == phase).map(|(_, name)| *name);
                self.checkpoints.insert(*phase, made.collect());
            }
            Write::Retract(phase) => drop(self.checkpoints.remove(phase)),
        }
        Expected::Done
    }
}

fn write() -> impl Strategy<Value = Write> {
    let phase = || prop::sample::select(Phase::ALL.to_vec());
    let state = || prop::sample::select(DeploymentState::ALL.to_vec());
    prop_oneof![
        2 => Just(Write::Renew),
        1 => Just(Write::Release),
        6 => (prop::option::weighted(0.2, state()), state())
            .prop_map(|(expecting, to)| Write::Transition { expecting, to }),
        3 => (phase(), 0u8..3).prop_map(|(phase, name)| Write::Intend(phase, name)),
        2 => (phase(), 0u8..3).prop_map(|(phase, name)| Write::Undone(phase, name)),
        2 => phase().prop_map(Write::Save),
        1 => phase().prop_map(Write::Retract),
    ]
}

impl ReferenceStateMachine for Reference {
    type State = Self;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self {
            now: 1_000_000_000,
            away: false,
            hub: Plain::default(),
            spoke: Plain::default(),
            leases: Vec::new(),
            breakers: BTreeMap::new(),
            admissions: Vec::new(),
            changes: BTreeMap::new(),
            claimed: BTreeSet::new(),
            expected: Expected::Done,
        })
        .boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Command> {
        if state.away {
            let probe = (0..CONTENDERS).prop_map(|who| Command::Acquire { who, hub: true });
            return prop_oneof![2 => Just(Command::ComeBack), 1 => probe].boxed();
        }
        let operation = prop::sample::select(vec![Operation::Keycloak, Operation::Secret]);
        let outcome = prop_oneof![
            2 => Just(Outcome::Success), 6 => Just(Outcome::Failure), 1 => Just(Outcome::Cancelled)
        ];
        let mut choices = vec![
            (4, (0..CONTENDERS, any::<bool>()).prop_map(|(who, hub)| Command::Acquire { who, hub }).boxed()),
            (4, operation.prop_map(Command::Admit).boxed()),
            (1, (0usize..6).prop_map(Command::Claim).boxed()),
            (2, (0u64..9_000).prop_map(Command::Wait).boxed()),
            (1, (10_000u64..70_000).prop_map(Command::Wait).boxed()),
            (1, (0..CONTENDERS).prop_map(Command::Crash).boxed()),
            (1, Just(Command::GoAway).boxed()),
        ];
        if !state.leases.is_empty() {
            let with = (0..CONTENDERS, any::<prop::sample::Index>(), write());
            choices
                .push((16, with.prop_map(|(who, lease, write)| Command::With { who, lease, write }).boxed()));
        }
        if !state.admissions.is_empty() {
            let settle = (any::<prop::sample::Index>(), outcome);
            choices.push((4, settle.prop_map(|(index, outcome)| Command::Settle(index, outcome)).boxed()));
        }
        Union::new_weighted(choices).boxed()
    }

    fn apply(mut state: Self, command: &Command) -> Self {
        state.expected = state.step(command);
        state
    }
}

struct Subject {
    clock: Arc<AtomicU64>,
    database: Database,
    clients: Vec<MemoryStore>,
    leases: Vec<Lease>,
    admissions: Vec<Admission>,
}

/// A transaction in memory is ready at once.
fn now<T>(transaction: impl Future<Output = T>) -> T {
    transaction.now_or_never().expect("nothing is awaited in memory")
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

fn answered<T>(answer: Answer<T>) -> Expected {
    match answer {
        Ok(_) => Expected::Done,
        Err(StoreError::Contended { held, .. }) => {
            Expected::Contended { pid: held.by.pid, token: held.token.number() }
        }
        Err(StoreError::LockLost { .. }) => Expected::LockLost,
        Err(StoreError::Refused { refused: Refused::Overtaken { .. }, .. }) => Expected::Overtaken,
        Err(StoreError::Refused { refused: Refused::Illegal { .. }, .. }) => Expected::Illegal,
        Err(StoreError::BreakerOpen { retry_after, .. }) => {
            Expected::Open { left: retry_after.as_millis() as u64 }
        }
        Err(StoreError::Unavailable { .. }) => Expected::Away,
        Err(other) => panic!("{other}"),
    }
}

impl Subject {
    fn write(&self, who: usize, lease: &Lease, write: &Write) -> Expected {
        let store = &self.clients[who];
        match write {
            Write::Renew => answered(now(store.renew(lease))),
            Write::Release => answered(now(store.release(lease))),
            Write::Transition { expecting, to } => {
                let newest = now(store.state(&lease.instance)).unwrap();
                answered(now(store.transition(lease, expecting.unwrap_or(newest), *to, "because")))
            }
            Write::Intend(phase, name) => answered(now(store.intend(lease, *phase, &resource(*name)))),
            Write::Undone(phase, name) => answered(now(store.undone(lease, *phase, &resource(*name)))),
            Write::Save(phase) => answered(now(store.save_checkpoint(lease, *phase))),
            Write::Retract(phase) => answered(now(store.retract(lease, &[*phase]))),
        }
    }

    fn step(&mut self, command: &Command) -> Expected {
        match command {
            Command::Acquire { who, hub } => {
                let by = Holder { host: "here".into(), pid: *who as u32 };
                match now(self.clients[*who].acquire(&instance(*hub), &by)) {
                    Ok(lease) => {
                        self.leases.push(lease.clone());
                        Expected::Token(lease.token.number())
                    }
                    refused => answered(refused),
                }
            }
            Command::With { lease, .. } if self.leases.is_empty() => {
                let _ = lease;
                Expected::Skipped
            }
            Command::With { who, lease, write } => {
                let lease = &self.leases[lease.index(self.leases.len())];
                self.write(*who, lease, write)
            }
            Command::Admit(operation) => {
                let admitted = now(self.clients[0].admit(*operation));
                self.admissions.extend(admitted.iter().copied());
                answered(admitted)
            }
            Command::Settle(..) if self.admissions.is_empty() => Expected::Skipped,
            Command::Settle(index, outcome) => {
                let admission = self.admissions.remove(index.index(self.admissions.len()));
                answered(now(self.clients[1].settle(admission, *outcome)))
            }
            Command::Claim(which) => answered(now(self.clients[2].claim_slot(&code(*which)))),
            Command::Wait(ms) => {
                self.clock.fetch_add(*ms, Ordering::Relaxed);
                Expected::Done
            }
            Command::Crash(who) => {
                self.clients[*who] = self.database.connect();
                Expected::Done
            }
            Command::GoAway => {
                self.database.go_away("cut");
                Expected::Done
            }
            Command::ComeBack => {
                self.database.come_back();
                Expected::Done
            }
        }
    }

    fn compare(&self, hub: bool, plain: &Plain, at: u64) {
        let (store, instance) = (&self.clients[4], instance(hub));
        let states: Vec<_> = now(store.history(&instance)).unwrap().into_iter().map(|c| c.to).collect();
        assert_eq!(states, plain.states);
        let state = now(store.state(&instance)).unwrap();
        assert_eq!(state, plain.states.last().copied().unwrap_or(DeploymentState::Unknown));
        let made = now(store.intents(&instance)).unwrap().into_iter();
        let made: Vec<_> = made.map(|i| (i.phase, i.resource.name.parse::<u8>().unwrap())).collect();
        assert_eq!(made, plain.made);
        let saved = now(store.checkpoints(&instance)).unwrap().into_iter();
        let names = |c: &Checkpoint| c.resources.iter().map(|r| r.name.parse().unwrap()).collect();
        assert_eq!(saved.map(|c| (c.phase, names(&c))).collect::<BTreeMap<_, Vec<u8>>>(), plain.checkpoints);
        let holder = now(store.holder(&instance)).unwrap().map(|h| (h.by.pid as usize, h.token.number()));
        let live = plain.lock.filter(|(.., renewed)| at < renewed + LEASE_MS);
        assert_eq!(holder, live.map(|(owner, token, _)| (owner, token)));
    }
}

struct InMemory;

impl StateMachineTest for InMemory {
    type SystemUnderTest = Subject;
    type Reference = Reference;

    fn init_test(reference: &Reference) -> Subject {
        let clock = Arc::new(AtomicU64::new(reference.now));
        let hands = Arc::clone(&clock);
        let database = Database::new(move || Stamp::from_millis(hands.load(Ordering::Relaxed)));
        let clients = (0..CONTENDERS).map(|_| database.connect()).collect();
        Subject { clock, database, clients, leases: Vec::new(), admissions: Vec::new() }
    }

    fn apply(mut subject: Subject, reference: &Reference, command: Command) -> Subject {
        assert_eq!(subject.step(&command), reference.expected, "{command:?}");
        subject
    }

    fn check_invariants(subject: &Subject, reference: &Reference) {
        if reference.away {
            assert_eq!(answered(now(subject.clients[4].state(&Instance::Hub))), Expected::Away);
            return;
        }
        subject.compare(true, &reference.hub, reference.now);
        subject.compare(false, &reference.spoke, reference.now);
        let slots = now(subject.clients[4].slots()).unwrap();
        assert_eq!(slots.len(), reference.claimed.len());
        let distinct: BTreeSet<_> = slots.iter().map(|(_, slot)| *slot).collect();
        assert_eq!(distinct.len(), slots.len(), "a slot has one owner");
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]
    #[test]
    fn whatever_five_contenders_do_the_store_answers_as_the_model(sequential 1..80 => InMemory);
}
