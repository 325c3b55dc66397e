//! Exhaustive exploration: a breaker, concurrent callers, polls, cancellation, time and an operator.
//!
//! Two states are the same when the future cannot tell them apart: instants count by their distance from
//! now, generations only as *current* or *past*, callers as a multiset. So the state space is finite
//! although time and history are not, and every reachable situation is visited, whatever the length of
//! the history that leads there. The number of states is asserted, so that a model that silently became
//! smaller shows. Each rule's check is shown to bite by a breaker that breaks the rule.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use stateright::{Checker, Model, Property};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const CALLERS: usize = 4;

/// A rule of the breaker that a step can be seen to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rule {
    LegalPath,
    OpenRejects,
    ClosedAdmits,
    HalfOpenBounded,
    HalfOpenNeverWedged,
    PollsPassTheSampling,
    OpenTimeExact,
    HalfOpenTimeBounded,
    StaleChangesNothing,
    CancelChangesNothing,
    ForcedOpenStays,
    FailureCountExact,
    OpensAtThreshold,
    ClosesAfterSuccesses,
}

/// What is wrong with the breaker under exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    UnlimitedProbes,
    LateResultsCount,
    RejectionMovesTimer,
    CancelKeepsTheProbe,
    SuccessesSurviveReentry,
    FirstOpeningsTimer,
    ForcedOpenHeals,
}

#[derive(Clone, Debug)]
struct Subject {
    inner: Breaker,
    defect: Defect,
    kept_successes: u32,
    first_opening: Option<Moment>,
}

impl Subject {
    /// Re-applies what the defect keeps across a transition.
    fn distort(&mut self) {
        match (&mut self.inner.phase, self.defect) {
            (Phase::HalfOpen { successes, .. }, Defect::SuccessesSurviveReentry) => {
                *successes = (*successes).max(self.kept_successes);
                self.kept_successes = *successes;
            }
            (Phase::Closed { .. }, _) => {
                self.kept_successes = 0;
                self.first_opening = None;
            }
            (Phase::Open { since, .. }, Defect::FirstOpeningsTimer) => {
                *since = *self.first_opening.get_or_insert(*since);
            }
            (Phase::Open { forced, .. }, Defect::ForcedOpenHeals) => *forced = false,
            _ => {}
        }
    }

    fn admit(&mut self, now: Moment, caller: Caller, log: &mut Vec<Transition>) -> Option<Permit> {
        let answer = self.inner.admit(now, caller, log);
        self.distort();
        match (answer, self.defect, &mut self.inner.phase) {
            (Ok(permit), ..) => Some(permit),
            (Err(_), Defect::UnlimitedProbes, Phase::HalfOpen { in_flight, .. }) => {
                *in_flight += 1;
                Some(Permit::new(self.inner.generation, true))
            }
            (Err(_), Defect::RejectionMovesTimer, Phase::Open { since, .. }) => {
                *since = now;
                None
            }
            (Err(_), ..) => None,
        }
    }

    fn settle(&mut self, now: Moment, permit: Permit, outcome: Outcome, log: &mut Vec<Transition>) {
        let permit = match self.defect {
            Defect::LateResultsCount => Permit::new(self.inner.generation, permit.is_probe()),
            _ => permit,
        };
        self.inner.settle(now, permit, outcome, log);
        self.distort();
    }

    fn cancel(&mut self, permit: Permit) {
        if self.defect != Defect::CancelKeepsTheProbe {
            self.inner.cancel(permit);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Second,
    Admit(Caller),
    Settle(usize, Outcome),
    Cancel(usize),
    Force(State),
    Release,
    Reset,
}

/// What the last step was an instance of, for what must be *reached*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Situation {
    Ordinary,
    StaleResult,
    CancelledProbe,
    ProbeTurnedAway,
    Recovered,
    Relapsed,
    HalfOpenRanOut,
}

/// One state: the breaker, who holds a permit, and what an onlooker remembers.
#[derive(Clone, Debug)]
struct World {
    subject: Subject,
    now: Moment,
    permits: Vec<(u64, bool)>,
    situation: Situation,
    broken: Option<Rule>,
    // the onlooker's own account
    state: State,
    entered: Moment,
    forced: bool,
    failures: u32,
    run: Vec<Moment>,
    successes: u32,
}

impl World {
    fn age(&self, instant: Moment) -> u64 {
        self.now.saturating_since(instant).as_secs().min(4)
    }

    /// Everything the future depends on, and nothing else.
    fn essence(&self) -> impl Hash + PartialEq + use<> {
        let inner = &self.subject.inner;
        let lasted = if self.state == State::Closed { 0 } else { self.age(self.entered) };
        let windowed = inner.settings.within.is_some();
        let run = |failures: &FailureRun| match failures {
            FailureRun::Count(count) => (*count, Vec::new()),
            FailureRun::Instants(instants) => (0, instants.iter().map(|at| self.age(*at)).collect()),
        };
        let phase = match &inner.phase {
            Phase::Closed { failures } => (0, run(failures), 0, 0, None, false),
            Phase::Open { since, forced } => (1, Default::default(), self.age(*since), 0, None, *forced),
            Phase::HalfOpen { since, in_flight, successes, sampling } => {
                (2, (*in_flight, Vec::new()), self.age(*since), *successes, Some(sampling.clone()), false)
            }
        };
        let mut permits: Vec<_> = self
            .permits
            .iter()
            .map(|(generation, probe)| (*generation == inner.generation, *probe))
            .collect();
        permits.sort_unstable();
        (
            phase,
            inner.consecutive_failures.min(4),
            permits,
            (self.situation, self.broken),
            (self.state, lasted, self.forced, self.failures.min(4), self.successes),
            (
                self.run.len(),
                self.run.iter().map(|at| self.age(*at)).filter(|_| windowed).collect::<Vec<_>>(),
            ),
            (self.subject.kept_successes, self.subject.first_opening.map(|at| self.age(at))),
        )
    }

    fn holds(&self, index: usize) -> Option<(u64, bool)> {
        self.permits.get(index).copied()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.essence().hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.essence() == other.essence()
    }
}

struct Exploration {
    settings: BreakerSettings,
    defect: Defect,
    operator: bool,
}

impl Exploration {
    fn break_unless(world: &mut World, holds: bool, rule: Rule) {
        if !holds && world.broken.is_none() {
            world.broken = Some(rule);
        }
    }

    /// Follows the transitions of one step in the onlooker's account and judges them.
    fn follow(&self, world: &mut World, log: &[Transition], step: Action, counted: Option<Outcome>) {
        match counted {
            Some(Outcome::Failure) => {
                world.failures += 1;
                world.run.push(world.now);
            }
            Some(Outcome::Success) => {
                world.failures = 0;
                world.run.clear();
                world.successes += u32::from(world.state == State::HalfOpen);
            }
            None => {}
        }
        if let Some(within) = self.settings.within {
            let now = world.now;
            world.run.retain(|at| now.saturating_since(*at) <= within);
        }
        let enough = world.run.len() >= self.settings.failures.get() as usize;
        let must_open = world.state == State::Closed && counted == Some(Outcome::Failure) && enough;
        let must_close = world.state == State::HalfOpen
            && counted == Some(Outcome::Success)
            && world.successes >= self.settings.successes.get();
        let mut opened_at_threshold = false;
        let mut closed_after_successes = false;
        for moved in log {
            let lasted = moved.at.saturating_since(world.entered);
            let legal = match (moved.from, moved.to, moved.cause) {
                (_, _, Cause::Operator) => matches!(step, Action::Force(_) | Action::Reset),
                (State::Closed, State::Open, Cause::FailureThreshold) => {
                    opened_at_threshold = true;
                    true
                }
                (State::Open, State::HalfOpen, Cause::OpenElapsed) => {
                    Self::break_unless(world, lasted >= self.settings.open_for, Rule::OpenTimeExact);
                    let held = world.forced && step != Action::Release;
                    Self::break_unless(world, !held, Rule::ForcedOpenStays);
                    true
                }
                (State::HalfOpen, State::Open, Cause::ProbeFailed) => {
                    world.situation = Situation::Relapsed;
                    counted == Some(Outcome::Failure)
                }
                (State::HalfOpen, State::Open, Cause::HalfOpenElapsed) => {
                    world.situation = Situation::HalfOpenRanOut;
                    self.settings.half_open_at_most.is_some_and(|limit| lasted >= limit)
                }
                (State::HalfOpen, State::Closed, Cause::ProbesSucceeded) => {
                    world.situation = Situation::Recovered;
                    closed_after_successes = true;
                    true
                }
                _ => false,
            };
            Self::break_unless(world, legal && moved.from == world.state, Rule::LegalPath);
            (world.state, world.entered, world.forced) = (moved.to, moved.at, false);
            world.successes = 0;
            if moved.to == State::Closed {
                world.run.clear();
            }
        }
        Self::break_unless(world, opened_at_threshold == must_open, Rule::OpensAtThreshold);
        Self::break_unless(world, closed_after_successes == must_close, Rule::ClosesAfterSuccesses);
        if world.state == State::Open {
            world.run.clear();
        }
        let exported = world.subject.inner.snapshot(world.now).failures;
        Self::break_unless(world, exported == world.failures, Rule::FailureCountExact);
    }

    fn admit(&self, world: &mut World, caller: Caller) {
        let mut log = Vec::new();
        let permit = world.subject.admit(world.now, caller, &mut log);
        self.follow(world, &log, Action::Admit(caller), None);
        let generation = world.subject.inner.generation;
        let in_flight = world.permits.iter().filter(|(of, _)| *of == generation).count();
        match (world.state, self.settings.half_open) {
            (State::Open, _) => {
                Self::break_unless(world, permit.is_none(), Rule::OpenRejects);
                let overdue =
                    !world.forced && world.now.saturating_since(world.entered) >= self.settings.open_for;
                Self::break_unless(world, !overdue, Rule::OpenTimeExact);
            }
            (State::Closed, _) => Self::break_unless(world, permit.is_some(), Rule::ClosedAdmits),
            (State::HalfOpen, Admission::Probes(most)) => {
                let free = in_flight < most.get() as usize;
                Self::break_unless(world, free || permit.is_none(), Rule::HalfOpenBounded);
                Self::break_unless(world, !free || permit.is_some(), Rule::HalfOpenNeverWedged);
                if permit.is_none() {
                    world.situation = Situation::ProbeTurnedAway;
                }
            }
            (State::HalfOpen, Admission::Sample(_)) => {
                let passed = caller == Caller::Request || permit.is_some();
                Self::break_unless(world, passed, Rule::PollsPassTheSampling);
            }
        }
        if let Some(permit) = permit {
            world.permits.push((permit.generation(), permit.is_probe()));
        }
    }

    fn settle(&self, world: &mut World, (generation, probe): (u64, bool), outcome: Outcome, step: Action) {
        let mut log = Vec::new();
        let mut timed = world.subject.inner.clone();
        timed.tick(world.now, &mut Vec::new());
        let current = timed.generation == generation;
        let before = timed.snapshot(world.now);
        world.subject.settle(world.now, Permit::new(generation, probe), outcome, &mut log);
        if !current {
            world.situation = Situation::StaleResult;
            let after = world.subject.inner.snapshot(world.now);
            let same = (before.state, before.failures, before.probes_in_flight)
                == (after.state, after.failures, after.probes_in_flight);
            Self::break_unless(world, same, Rule::StaleChangesNothing);
        }
        self.follow(world, &log, step, current.then_some(outcome));
    }

    fn cancel(world: &mut World, (generation, probe): (u64, bool)) {
        let before = world.subject.inner.snapshot(world.now);
        world.subject.cancel(Permit::new(generation, probe));
        let after = world.subject.inner.snapshot(world.now);
        let same = (before.state, before.failures) == (after.state, after.failures);
        Self::break_unless(world, same, Rule::CancelChangesNothing);
        if probe && generation == after.generation && before.state == State::HalfOpen {
            world.situation = Situation::CancelledProbe;
        }
    }
}

impl Model for Exploration {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            subject: Subject {
                inner: Breaker::new("opa", &self.settings),
                defect: self.defect,
                kept_successes: 0,
                first_opening: None,
            },
            now: Moment::START,
            permits: Vec::new(),
            situation: Situation::Ordinary,
            broken: None,
            state: State::Closed,
            entered: Moment::START,
            forced: false,
            failures: 0,
            run: Vec::new(),
            successes: 0,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        actions.push(Action::Second);
        if world.permits.len() < CALLERS {
            actions.extend([Action::Admit(Caller::Request), Action::Admit(Caller::Poll)]);
        }
        for index in 0..world.permits.len() {
            actions.extend([
                Action::Settle(index, Outcome::Success),
                Action::Settle(index, Outcome::Failure),
                Action::Cancel(index),
            ]);
        }
        if self.operator {
            actions.extend([State::Closed, State::HalfOpen, State::Open].map(Action::Force));
            actions.extend([Action::Release, Action::Reset]);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        world.situation = Situation::Ordinary;
        let mut log = Vec::new();
        match action {
            Action::Second => {
                world.now = world.now + SECOND;
                world.subject.inner.tick(world.now, &mut log);
                world.subject.distort();
                self.follow(&mut world, &log, action, None);
                let limit = match world.state {
                    State::Open if !world.forced => Some((self.settings.open_for, Rule::OpenTimeExact)),
                    State::HalfOpen => {
                        self.settings.half_open_at_most.map(|limit| (limit, Rule::HalfOpenTimeBounded))
                    }
                    _ => None,
                };
                if let Some((limit, rule)) = limit {
                    let in_time = world.now.saturating_since(world.entered) < limit;
                    Self::break_unless(&mut world, in_time, rule);
                }
            }
            Action::Admit(caller) => self.admit(&mut world, caller),
            Action::Settle(index, outcome) => {
                let permit = world.holds(index)?;
                world.permits.remove(index);
                self.settle(&mut world, permit, outcome, action);
            }
            Action::Cancel(index) => {
                let permit = world.holds(index)?;
                world.permits.remove(index);
                Self::cancel(&mut world, permit);
            }
            Action::Force(to) => {
                world.subject.inner.force(world.now, to, &mut log);
                world.subject.distort();
                self.follow(&mut world, &log, action, None);
                world.forced = to == State::Open;
            }
            Action::Release => {
                world.subject.inner.release(world.now, &mut log);
                world.subject.distort();
                self.follow(&mut world, &log, action, None);
                world.forced = false;
            }
            Action::Reset => {
                world.failures = 0;
                world.run.clear();
                world.subject.inner.reset(world.now, &mut log);
                world.subject.distort();
                self.follow(&mut world, &log, action, None);
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("every rule holds", |_, world: &World| world.broken.is_none()),
            Property::sometimes("a result comes too late", |_, world: &World| {
                world.situation == Situation::StaleResult
            }),
            Property::sometimes("a probe is cancelled", |_, world: &World| {
                world.situation == Situation::CancelledProbe
            }),
            Property::sometimes("it recovers", |_, world: &World| world.situation == Situation::Recovered),
            Property::sometimes("it relapses", |_, world: &World| world.situation == Situation::Relapsed),
        ]
    }
}

fn small() -> BreakerSettings {
    BreakerSettings {
        failures: 3.try_into().unwrap(),
        open_for: 3 * SECOND,
        successes: 2.try_into().unwrap(),
        ..BreakerSettings::OPA
    }
}

fn small_failover() -> BreakerSettings {
    BreakerSettings {
        failures: 3.try_into().unwrap(),
        within: Some(2 * SECOND),
        open_for: 3 * SECOND,
        successes: 2.try_into().unwrap(),
        half_open: Admission::Sample(crate::Percent::new(50).unwrap()),
        half_open_at_most: Some(3 * SECOND),
    }
}

fn explore(settings: BreakerSettings, operator: bool) -> usize {
    let checker = Exploration { settings, defect: Defect::None, operator }.checker().spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

/// The rule that the exploration sees broken when the breaker has `defect`.
fn seen(settings: BreakerSettings, defect: Defect) -> Option<Rule> {
    let checker = Exploration { settings, defect, operator: true }.checker().spawn_bfs().join();
    checker.discovery("every rule holds").and_then(|path| path.last_state().broken)
}

#[test]
fn one_probe_at_a_time_every_rule_holds_in_every_reachable_state() {
    assert_eq!(explore(small(), false), 698);
}

#[test]
fn two_probes_at_a_time_every_rule_holds_in_every_reachable_state() {
    let settings = BreakerSettings { half_open: Admission::Probes(2.try_into().unwrap()), ..small() };
    assert_eq!(explore(settings, false), 1_880);
}

#[test]
fn with_an_operator_every_rule_holds_in_every_reachable_state() {
    assert_eq!(explore(small(), true), 5_272);
}

#[test]
fn failover_every_rule_holds_in_every_reachable_state() {
    assert_eq!(explore(small_failover(), false), 5_558);
}

#[test]
fn failover_with_an_operator_every_rule_holds_in_every_reachable_state() {
    assert_eq!(explore(small_failover(), true), 14_047);
}

#[test]
fn each_defect_is_seen_as_the_rule_it_breaks() {
    for (defect, rule) in [
        (Defect::UnlimitedProbes, Rule::HalfOpenBounded),
        (Defect::LateResultsCount, Rule::StaleChangesNothing),
        (Defect::RejectionMovesTimer, Rule::OpenTimeExact),
        (Defect::CancelKeepsTheProbe, Rule::HalfOpenNeverWedged),
        (Defect::SuccessesSurviveReentry, Rule::ClosesAfterSuccesses),
        (Defect::FirstOpeningsTimer, Rule::OpenTimeExact),
        (Defect::ForcedOpenHeals, Rule::ForcedOpenStays),
    ] {
        assert_eq!(seen(small(), defect), Some(rule), "{defect:?}");
    }
}
