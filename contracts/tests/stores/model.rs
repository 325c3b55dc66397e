//! What a store must answer, as a model: random commands of five contenders on two instances, with crashes,
//! lost databases and time between any two writes. A failure is shrunk to the shortest history that fails.
//!
//! The model is written without any of the code it checks: lists and numbers, one paragraph a command.
//! Contenders keep every lease they were ever given and go on using them, which is what fencing is against.

use std::collections::{BTreeMap, BTreeSet};

use dive_orchestrator::{DeploymentState, Operation, Outcome, Phase};
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;

pub(crate) const CONTENDERS: usize = 5;
pub(crate) const LEASE_MS: u64 = 20_000;
const OPEN_MS: u64 = 60_000;

#[derive(Clone, Debug)]
pub(crate) enum Command {
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
    Start(u64),
    Audit,
    Wait(u64),
    Crash(usize),
    GoAway,
    ComeBack,
}

#[derive(Clone, Debug)]
pub(crate) enum Write {
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
    BeginPhase(Phase),
    EndPhase(Phase, bool),
    RecordError,
    Link(bool),
}

/// What a command must have answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Done,
    Token(u64),
    Contended { pid: u32, token: u64 },
    LockLost,
    Overtaken,
    Illegal,
    NotUnderWay,
    Open { left: u64 },
    Away,
    Skipped,
}

/// One instance, as the model sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    /// Contender, token, when last renewed.
    pub(crate) lock: Option<(usize, u64, u64)>,
    pub(crate) tokens: u64,
    pub(crate) states: Vec<DeploymentState>,
    pub(crate) made: Vec<(Phase, u8)>,
    pub(crate) checkpoints: BTreeMap<Phase, Vec<u8>>,
    under_way: Option<Phase>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) now: u64,
    pub(crate) away: bool,
    pub(crate) hub: Plain,
    pub(crate) spoke: Plain,
    /// Hub or not, token.
    leases: Vec<(bool, u64)>,
    /// Failures in a row; since when open; since when probed.
    breakers: BTreeMap<Operation, (u32, Option<u64>, Option<u64>)>,
    /// Operation; how often its breaker had changed when it was admitted.
    admissions: Vec<(Operation, u64)>,
    changes: BTreeMap<Operation, u64>,
    pub(crate) claimed: BTreeSet<usize>,
    pub(crate) expected: Expected,
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
            Command::Start(_) | Command::Audit => {}
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
            Write::Release | Write::RecordError | Write::Link(_) => {}
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
            Write::BeginPhase(phase) => self.under_way = Some(*phase),
            Write::EndPhase(phase, _) if self.under_way != Some(*phase) => return Expected::NotUnderWay,
            Write::EndPhase(..) => self.under_way = None,
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
        1 => phase().prop_map(Write::BeginPhase),
        2 => (phase(), any::<bool>()).prop_map(|(phase, failed)| Write::EndPhase(phase, failed)),
        1 => Just(Write::RecordError),
        1 => any::<bool>().prop_map(Write::Link),
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
            (1, (0u64..90_000).prop_map(Command::Start).boxed()),
            (1, Just(Command::Audit).boxed()),
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
