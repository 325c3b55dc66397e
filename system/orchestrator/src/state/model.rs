//! Exhaustive exploration: two writers of one log, each of which reads the state, thinks, and then asks for
//! a transition, legal or not. Logs of up to five entries.

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    /// The newest row is checked, and the new one inserted later.
    ReadThenInsert,
    /// A state that can't be told allows any transition.
    AnythingFromTheUnknown,
    /// The new row replaces the newest.
    Overwrites,
}

/// How far a writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    Idle,
    HasRead(DeploymentState),
    /// For the defect that needs it: the check is passed, the row not yet inserted.
    HasChecked(DeploymentState, DeploymentState),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    entries: Vec<(DeploymentState, DeploymentState)>,
    writers: [Writer; 2],
    refused: bool,
    lost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Read(usize),
    Ask(usize, DeploymentState),
    Insert(usize),
}

struct Exploration(Defect);

impl World {
    fn log(&self) -> StateLog {
        let entry = |(index, (from, to)): (usize, &(DeploymentState, DeploymentState))| StateChange {
            seq: index as u64 + 1,
            from: *from,
            to: *to,
            at: Stamp::default(),
            token: FencingToken::FIRST,
            why: String::new(),
        };
        StateLog(self.entries.iter().enumerate().map(entry).collect())
    }
}

impl Model for Exploration {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World { entries: Vec::new(), writers: [Writer::Idle; 2], refused: false, lost: false }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.entries.len() == 5 {
            return;
        }
        for (who, writer) in world.writers.iter().enumerate() {
            match writer {
                Writer::Idle => actions.push(Action::Read(who)),
                Writer::HasRead(_) => {
                    actions.extend(DeploymentState::ALL.map(|to| Action::Ask(who, to)));
                }
                Writer::HasChecked(..) => actions.push(Action::Insert(who)),
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut world = last.clone();
        let mut log = world.log();
        world.refused = false;
        match action {
            Action::Read(who) => world.writers[who] = Writer::HasRead(log.state()),
            Action::Ask(who, to) => {
                let Writer::HasRead(expected) = world.writers[who] else { return None };
                world.writers[who] = Writer::Idle;
                let found = log.state();
                let answer = log.append(Stamp::default(), FencingToken::FIRST, expected, to, "");
                match (answer.is_ok(), self.0) {
                    (true, Defect::ReadThenInsert) => world.writers[who] = Writer::HasChecked(found, to),
                    (true, Defect::Overwrites) => {
                        world.lost = world.entries.pop().is_some();
                        world.entries.push((found, to));
                    }
                    (true, _) => world.entries.push((found, to)),
                    (false, Defect::AnythingFromTheUnknown) if found == Unknown => {
                        world.entries.push((found, to));
                    }
                    (false, _) => world.refused = true,
                }
            }
            Action::Insert(who) => {
                let Writer::HasChecked(from, to) = world.writers[who] else { return None };
                world.writers[who] = Writer::Idle;
                world.entries.push((from, to));
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("each entry leaves the state the one before it entered", |_, world: &World| {
                let left = world.entries.iter().map(|(from, _)| *from);
                let entered = std::iter::once(Unknown).chain(world.entries.iter().map(|(_, to)| *to));
                left.zip(entered).all(|(from, was)| from == was)
            }),
            Property::always("each transition is legal", |_, world: &World| {
                world.entries.iter().all(|(from, to)| from.may_become(*to))
            }),
            Property::always("no entry is lost", |_, world: &World| !world.lost),
            Property::sometimes("a writer is overtaken", |_, world: &World| {
                world.refused && !world.entries.is_empty()
            }),
        ]
    }
}

#[test]
fn of_two_writers_at_most_one_succeeds_from_each_state() {
    let checker = Exploration(Defect::None).checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert_eq!(checker.unique_state_count(), 6_352);
}

#[test]
fn each_defect_is_seen_as_the_rule_it_breaks() {
    for (defect, rule) in [
        (Defect::ReadThenInsert, "each entry leaves the state the one before it entered"),
        (Defect::AnythingFromTheUnknown, "each transition is legal"),
        (Defect::Overwrites, "no entry is lost"),
    ] {
        let checker =
            Exploration(defect).checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        assert!(checker.discovery(rule).is_some(), "{defect:?}");
    }
}
