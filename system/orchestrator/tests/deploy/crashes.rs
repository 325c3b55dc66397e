//! Cut anywhere: what is left can be resumed, and can be rolled back.

use dive_orchestrator::deploy::Interrupted;
use dive_orchestrator::pipeline::{CannotPlan, Ending};
use dive_orchestrator::{DeploymentState, Instance, Phase};
use proptest::prelude::*;

use crate::world::{Command, World, spoke};

/// How many steps a deployment takes when nothing disturbs it.
pub(crate) fn steps_of_a_deployment() -> u64 {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    world.time.steps()
}

/// Begins a command and cuts it; true when it was cut, false when it had ended before.
fn is_cut(world: &World, command: Command, steps: u64) -> bool {
    let cut = world.cut(Some(steps), Box::pin(World::command(world.engine(), &Instance::Hub, command)));
    world.is_sound(&Instance::Hub);
    cut.is_none()
}

fn resumes(world: &World) {
    match world.does(&Instance::Hub, Command::Resume) {
        Ok(report) => assert_eq!(report.ending, Ending::Complete, "{:?}", report.failure),
        Err(Interrupted::Plan(CannotPlan::NothingToResume)) => {}
        Err(error) => panic!("{error}"),
    }
    world.stands(&Instance::Hub);
}

fn rolls_back(world: &World) {
    match world.does(&Instance::Hub, Command::Rollback(None)) {
        Ok(report) => assert_eq!(report.ending, Ending::RolledBack { to: None }, "{:?}", report.failure),
        // It was cut before it had even taken the lock.
        Err(Interrupted::State { state: DeploymentState::Unknown, .. }) => {}
        Err(error) => panic!("{error}"),
    }
    world.is_gone(&Instance::Hub);
    assert_eq!(world.state(&Instance::Hub), DeploymentState::Unknown);
}

/// A number from [0, below), as if by chance.
fn drawn(index: u64, below: u64) -> u64 {
    index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % below
}

fn kills_are_survived(new: fn() -> World, kills: u64) {
    let steps = steps_of_a_deployment();
    let (mut cut, mut states) = (0, std::collections::BTreeSet::new());
    for kill in 0..kills {
        let world = new();
        cut += u64::from(is_cut(&world, Command::Deploy, drawn(kill, steps)));
        states.insert(world.state(&Instance::Hub));
        if kill % 2 == 0 { resumes(&world) } else { rolls_back(&world) }
    }
    assert_eq!(cut, kills, "each was killed before its end");
    if kills >= 100 {
        use DeploymentState as S;
        let at_work = [S::Initializing, S::Deploying, S::Configuring, S::Verifying];
        assert!(at_work.iter().all(|state| states.contains(state)), "in each state: {states:?}");
    }
}

#[test]
fn of_200_kills_at_drawn_instants_200_are_resumed_or_cleanly_rolled_back() {
    kills_are_survived(World::in_memory, 200);
}

#[test]
fn of_12_kills_with_a_sqlite_file_12_are_resumed_or_cleanly_rolled_back() {
    kills_are_survived(World::on_disk, 12);
}

#[test]
fn a_crash_between_any_two_writes_of_the_first_two_phases_is_survived() {
    let world = World::in_memory();
    let mut until = 0;
    world
        .watch(
            |step| {
                if world.events().iter().all(|event| event.to_string() != "made network dive-shared") {
                    until = step;
                }
            },
            Box::pin(World::command(world.engine(), &Instance::Hub, Command::Deploy)),
        )
        .unwrap();
    assert!((60..1_000).contains(&until), "{until} steps before the first container");
    for step in 0..until {
        let world = World::in_memory();
        assert!(is_cut(&world, Command::Deploy, step));
        if step % 2 == 0 { resumes(&world) } else { rolls_back(&world) }
    }
}

fn command() -> impl Strategy<Value = Command> {
    let point = prop::option::of(prop::sample::select(Phase::ALL.to_vec()));
    prop_oneof![
        3 => Just(Command::Deploy),
        3 => Just(Command::Resume),
        2 => point.prop_map(Command::Rollback),
        1 => Just(Command::Remove),
        1 => Just(Command::Down),
        2 => Just(Command::Rotate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_was_begun_and_cut_a_resumed_run_completes_and_a_rolled_back_one_leaves_nothing(
        history in prop::collection::vec((command(), 0u64..2_500), 1..5), resume: bool
    ) {
        let world = World::in_memory();
        for (command, steps) in history {
            is_cut(&world, command, steps);
        }
        if resume { resumes(&world) } else { rolls_back(&world) }
    }
}

#[test]
fn a_spoke_that_is_killed_leaves_the_others_alone() {
    let world = World::in_memory();
    let (fra, deu) = (spoke("fra"), spoke("deu"));
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    world.ends(&deu, Command::Deploy, Ending::Complete);
    let cut = world.cut(Some(900), Box::pin(World::command(world.engine(), &fra, Command::Deploy)));
    assert!(cut.is_none() && !world.there(&fra).is_empty());
    world.ends(&fra, Command::Rollback(None), Ending::RolledBack { to: None });
    world.is_gone(&fra);
    world.stands(&deu);
    world.stands(&Instance::Hub);
}

#[test]
fn rolling_back_to_each_phase_restores_that_point_and_twice_is_once() {
    for to in Phase::ALL {
        let world = World::in_memory();
        world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
        let mut seen = Vec::new();
        for _ in 0..2 {
            world.ends(&Instance::Hub, Command::Rollback(Some(to)), Ending::RolledBack { to: Some(to) });
            world.is_sound(&Instance::Hub);
            assert_eq!(world.finished(&Instance::Hub), to.earlier().chain([to]).collect::<Vec<_>>());
            assert_eq!(world.state(&Instance::Hub), DeploymentState::Failed);
            seen.push((world.there(&Instance::Hub), world.written_down(&Instance::Hub)));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0].0, seen[0].1);
        resumes(&world);
    }
}
