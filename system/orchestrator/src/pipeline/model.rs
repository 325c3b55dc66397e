//! Exhaustive exploration: runs, a crash after any single write, and whatever an operator does next.
//!
//! The durable part is small: the newest state, which phases have a checkpoint, what is written down, what
//! is there. Each phase makes one thing (PREFLIGHT and VERIFICATION make none), in two steps: writing it
//! down, making it; undoing it is two steps as well. Crashes and failures are not counted, so every
//! sequence of them is covered. In each state without a run it is tried what a resumed run and a rolled back
//! one would lead to. Each rule is shown to bite by a defect that breaks it.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::*;
use crate::Phase::{Configuration, Deployment, Initialization, Preflight, Seeding, Verification};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Rule {
    TransitionsLegal,
    NothingUnknownIsLeft,
    FinishedMeansThere,
    FinishedInOrder,
    CompleteMeansWhole,
    ConfiguringMeansUp,
    UndoneMeansNothingLeft,
    FailureSparesWhatStood,
    ResumeCompletes,
    RollbackLeavesNothing,
    RollbackTwiceIsOnce,
    RollbackRestoresThePoint,
    LiveRunUndisturbed,
}

/// What is wrong with the deployment under exploration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    /// Things are made first and written down after.
    MadeBeforeWrittenDown,
    /// A checkpoint that could not be saved is shrugged off.
    SaveErrorsIgnored,
    /// A rollback goes by what checkpoints hold, and they hold nothing.
    CheckpointsWithoutContent,
    /// A rollback goes to the point before the last command, which after a rollback is where that began.
    RollbackPingPongs,
    /// A deployment whose state looks old is declared failed, lock or no lock.
    StaleStateRecovery,
    /// A rollback to a point undoes everything.
    RollbackIgnoresThePoint,
    /// Checkpoints are taken back after the undoing.
    RetractedLate,
    /// A failure in an early phase undoes everything, whatever stood.
    FailureTakesAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Command {
    Deploy(Ask),
    Rollback(Option<Phase>),
    Remove,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Begin(Command),
    Step,
    Fail,
    Crash,
    Sweep,
}

/// What a crash leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Durable {
    facts: Facts,
    written: BTreeSet<Phase>,
    there: BTreeSet<Phase>,
    /// For the defect that needs it: what was before the last command.
    earlier: Option<Box<Durable>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    durable: Durable,
    run: Option<Run>,
    /// Whether the first of the two steps of making or undoing one thing was made.
    halfway: bool,
    broken: Option<Rule>,
}

impl World {
    fn ends(&self) -> Option<Ending> {
        match self.run.as_ref()?.next()? {
            Move::End(ending) => Some(*ending),
            _ => None,
        }
    }
}

struct Exploration(Defect);

const MAKERS: [Phase; 4] = [Initialization, Deployment, Configuration, Seeding];

impl Exploration {
    fn begin(facts: &Facts, command: Command) -> Option<Run> {
        Some(match command {
            Command::Deploy(ask) => Run::deploy(&ask.into(), facts).ok()?,
            Command::Rollback(to) => Run::rollback(to, facts).ok()?,
            Command::Remove => Run::remove(facts),
        })
    }

    /// What the rollback that ping-pongs does: the first remembers where it began, the second goes back there.
    fn ping_pongs(&self, durable: &mut Durable, command: Command) -> bool {
        if self.0 != Defect::RollbackPingPongs || command != Command::Rollback(None) {
            return false;
        }
        let Some(earlier) = durable.earlier.take() else {
            durable.earlier = Some(Box::new(durable.clone()));
            return false;
        };
        *durable = *earlier;
        true
    }

    /// One step. True when the move is made, false when only its first half is.
    fn step(&self, durable: &mut Durable, next: &Move, halfway: bool) -> (bool, Option<Rule>) {
        match next {
            Move::Enter { from, to } => {
                if durable.facts.state != *from {
                    return (true, Some(Rule::LiveRunUndisturbed));
                }
                let broken = (!from.may_become(*to)).then_some(Rule::TransitionsLegal);
                durable.facts.state = *to;
                durable.facts.has_stood = match to {
                    DeploymentState::Complete => true,
                    DeploymentState::RollingBack | DeploymentState::Cleanup | DeploymentState::Unknown => {
                        false
                    }
                    _ => durable.facts.has_stood,
                };
                return (true, broken);
            }
            Move::Retract(phases) => {
                if self.0 != Defect::RetractedLate {
                    durable.facts.finished.retain(|phase| !phases.contains(phase));
                }
            }
            Move::Perform(phase) if MAKERS.contains(phase) => {
                let first = halfway == (self.0 == Defect::MadeBeforeWrittenDown);
                let set = if first { &mut durable.written } else { &mut durable.there };
                set.insert(*phase);
                return (halfway, None);
            }
            Move::Perform(_) | Move::End(_) => {}
            Move::Checkpoint(phase) => {
                durable.facts.finished.insert(*phase);
            }
            Move::Undo { keep } => {
                if self.0 == Defect::CheckpointsWithoutContent {
                    return (true, None);
                }
                let keep = if self.0 == Defect::RollbackIgnoresThePoint { &None } else { keep };
                let newest =
                    durable.written.iter().rev().find(|phase| keep.is_none_or(|keep| **phase > keep));
                if let Some(phase) = newest.copied() {
                    if halfway {
                        durable.written.remove(&phase)
                    } else {
                        durable.there.remove(&phase)
                    };
                    return (false, None);
                }
                if self.0 == Defect::RetractedLate {
                    durable.facts.finished.retain(|phase| keep.is_some_and(|keep| *phase <= keep));
                }
            }
        }
        (true, None)
    }

    /// Carries a command through without a crash.
    fn carry_through(&self, durable: &Durable, command: Command) -> Option<(Durable, Ending)> {
        let mut durable = durable.clone();
        if self.ping_pongs(&mut durable, command) {
            return Some((durable, Ending::RolledBack { to: None }));
        }
        let mut run = Self::begin(&durable.facts, command)?;
        let mut halfway = false;
        while let Some(next) = run.next().cloned() {
            if let Move::End(ending) = next {
                return Some((durable, ending));
            }
            let (made, broken) = self.step(&mut durable, &next, halfway);
            if broken.is_some() {
                return None;
            }
            halfway = !made && !halfway;
            if made {
                run.done();
            }
        }
        None
    }

    /// What is wrong with what a crash, or the end of a run, has left.
    fn judge_what_is_left(&self, durable: &Durable) -> Option<Rule> {
        if durable.facts.state != DeploymentState::Complete {
            let resumed = self.carry_through(durable, Command::Deploy(Ask::Resume));
            let complete = resumed.is_some_and(|(after, ending)| {
                let there = [Initialization, Deployment, Configuration];
                ending == Ending::Complete && there.iter().all(|phase| after.there.contains(phase))
            });
            if !complete {
                return Some(Rule::ResumeCompletes);
            }
        }
        let Some((once, _)) = self.carry_through(durable, Command::Rollback(None)) else {
            return Some(Rule::RollbackLeavesNothing);
        };
        if !once.there.is_empty() || !once.written.is_empty() || !once.facts.finished.is_empty() {
            return Some(Rule::RollbackLeavesNothing);
        }
        let twice = self.carry_through(&once, Command::Rollback(None));
        let content = |d: &Durable| (d.there.clone(), d.written.clone(), d.facts.clone());
        if twice.map(|(twice, _)| content(&twice)) != Some(content(&once)) {
            return Some(Rule::RollbackTwiceIsOnce);
        }
        for to in &durable.facts.finished {
            let after = self.carry_through(durable, Command::Rollback(Some(*to)));
            let up_to = |set: &BTreeSet<Phase>| set.iter().filter(|phase| *phase <= to).copied().collect();
            let exact = after.is_some_and(|(after, _)| {
                let expected: BTreeSet<Phase> = up_to(&durable.there);
                after.there == expected && after.facts.finished == up_to(&durable.facts.finished)
            });
            if !exact {
                return Some(Rule::RollbackRestoresThePoint);
            }
        }
        None
    }

    fn judge(&self, before: &World, after: &World) -> Option<Rule> {
        let Durable { facts, written, there, .. } = &after.durable;
        if !there.is_subset(written) {
            return Some(Rule::NothingUnknownIsLeft);
        }
        if facts.finished.iter().any(|phase| MAKERS.contains(phase) && !there.contains(phase)) {
            return Some(Rule::FinishedMeansThere);
        }
        let gap = |phase: &Phase| phase.earlier().any(|p| !p.is_optional() && !facts.finished.contains(&p));
        if facts.finished.iter().any(gap) {
            return Some(Rule::FinishedInOrder);
        }
        if facts.state == DeploymentState::Complete && !facts.is_whole() {
            return Some(Rule::CompleteMeansWhole);
        }
        let is_past_deployment =
            matches!(facts.state, DeploymentState::Configuring | DeploymentState::Verifying);
        if is_past_deployment && !facts.finished.contains(&Deployment) {
            return Some(Rule::ConfiguringMeansUp);
        }
        match before.run.as_ref().and_then(Run::next) {
            Some(Move::End(Ending::Undone { .. })) if !there.is_empty() => Some(Rule::UndoneMeansNothingLeft),
            _ if after.run.is_none() => self.judge_what_is_left(&after.durable),
            _ => None,
        }
    }
}

impl Model for Exploration {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let facts = Facts { state: DeploymentState::Unknown, has_stood: false, finished: BTreeSet::new() };
        let durable = Durable { facts, written: BTreeSet::new(), there: BTreeSet::new(), earlier: None };
        vec![World { durable, run: None, halfway: false, broken: None }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.broken.is_some() {
            return;
        }
        let Some(run) = &world.run else {
            let asks = [
                Ask::Deploy,
                Ask::Resume,
                Ask::From(Deployment),
                Ask::From(Configuration),
                Ask::Only(Seeding),
                Ask::Only(Verification),
            ];
            let points = [None, Some(Preflight), Some(Initialization), Some(Deployment), Some(Configuration)];
            actions.extend(asks.map(|ask| Action::Begin(Command::Deploy(ask))));
            actions.extend(points.map(|to| Action::Begin(Command::Rollback(to))));
            actions.push(Action::Begin(Command::Remove));
            return;
        };
        actions.extend([Action::Step, Action::Crash]);
        if matches!(run.next(), Some(Move::Perform(_) | Move::Checkpoint(_) | Move::Undo { .. })) {
            actions.push(Action::Fail);
        }
        if self.0 == Defect::StaleStateRecovery && world.durable.facts.state == DeploymentState::Deploying {
            actions.push(Action::Sweep);
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        match action {
            Action::Begin(command) => {
                if !self.ping_pongs(&mut world.durable, command) {
                    world.run = Some(Self::begin(&world.durable.facts, command)?);
                }
            }
            Action::Crash => {
                world.run = None;
                world.halfway = false;
            }
            Action::Sweep => world.durable.facts.state = DeploymentState::Failed,
            Action::Step => {
                let mut run = world.run.take()?;
                let next = run.next()?.clone();
                let (made, broken) = self.step(&mut world.durable, &next, world.halfway);
                world.broken = broken;
                world.halfway = !made && !world.halfway;
                if made {
                    run.done();
                }
                world.run = Some(run).filter(|_| !matches!(next, Move::End(_)));
            }
            Action::Fail => {
                let run = world.run.as_mut()?;
                world.halfway = false;
                match (self.0, run.next()) {
                    (Defect::SaveErrorsIgnored, Some(Move::Checkpoint(_))) => run.done(),
                    (Defect::FailureTakesAll, Some(Move::Perform(_))) => {
                        let facts = &world.durable.facts;
                        *run = Run::rollback(None, facts).ok()?;
                    }
                    _ => run.failed(),
                }
                let takes_all = |run: &Run| {
                    matches!(run.next(), Some(Move::Enter { to: DeploymentState::RollingBack, .. }))
                };
                if last.durable.facts.has_stood && takes_all(run) {
                    world.broken = Some(Rule::FailureSparesWhatStood);
                }
            }
        }
        world.broken = world.broken.or_else(|| self.judge(last, &world));
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("every rule holds", |_, world: &World| world.broken.is_none()),
            Property::sometimes("it completes", |_, world: &World| world.ends() == Some(Ending::Complete)),
            Property::sometimes("it stops where it was asked to", |_, world: &World| {
                world.ends() == Some(Ending::Stopped)
            }),
            Property::sometimes("a failure is undone", |_, world: &World| {
                matches!(world.ends(), Some(Ending::Undone { .. }))
            }),
            Property::sometimes("a failure is kept", |_, world: &World| {
                matches!(world.ends(), Some(Ending::Kept { .. }))
            }),
            Property::sometimes("undoing fails", |_, world: &World| world.ends() == Some(Ending::UndoFailed)),
            Property::sometimes("a crash leaves something half undone", |_, world: &World| {
                world.run.is_none() && world.durable.there.len() < world.durable.written.len()
            }),
        ]
    }
}

fn seen(defect: Defect) -> Option<Rule> {
    let checker = Exploration(defect).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    checker.discovery("every rule holds").and_then(|path| path.last_state().broken)
}

#[test]
fn wherever_it_is_cut_short_it_can_be_resumed_and_rolled_back() {
    let checker = Exploration(Defect::None).checker().threads(2).spawn_bfs().join();
    if let Some(path) = checker.discovery("every rule holds") {
        panic!("{:?}: {:?}", path.last_state().broken, path.clone().into_actions());
    }
    checker.assert_properties();
    assert_eq!(checker.unique_state_count(), 36_201);
}

#[test]
fn each_defect_is_seen_as_the_rule_it_breaks() {
    for (defect, rule) in [
        (Defect::MadeBeforeWrittenDown, Rule::NothingUnknownIsLeft),
        (Defect::SaveErrorsIgnored, Rule::FinishedInOrder),
        (Defect::CheckpointsWithoutContent, Rule::RollbackLeavesNothing),
        (Defect::RollbackIgnoresThePoint, Rule::RollbackRestoresThePoint),
        (Defect::RollbackPingPongs, Rule::RollbackTwiceIsOnce),
        (Defect::StaleStateRecovery, Rule::LiveRunUndisturbed),
        (Defect::RetractedLate, Rule::FinishedMeansThere),
        (Defect::FailureTakesAll, Rule::FailureSparesWhatStood),
    ] {
        assert_eq!(seen(defect), Some(rule), "{defect:?}");
    }
}
