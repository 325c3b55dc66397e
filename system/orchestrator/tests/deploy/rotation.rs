//! Newer versions of secrets: whatever cuts a rotation short, doing it again brings everybody to the newest, and what
//! the server takes is always known.

use std::collections::BTreeSet;
use std::sync::Arc;

use dive_orchestrator::deploy::Interrupted;
use dive_orchestrator::deploy::simulated::{CallKind, Fault, failure};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{DeploymentState as S, ErrorCode, Instance, Phase, Service};
use proptest::prelude::*;

use crate::faulty::{Defect, Faulty};
use crate::world::{Command, World};

const HUB: Instance = Instance::Hub;

fn deployed() -> World {
    let world = World::in_memory();
    world.ends(&HUB, Command::Deploy, Ending::Complete);
    world
}

/// How many steps a rotation takes when nothing disturbs it.
fn steps_of_a_rotation() -> u64 {
    let world = deployed();
    world.ends(&HUB, Command::Rotate, Ending::Complete);
    world.time.steps()
}

fn is_cut(world: &World, command: Command, steps: u64) -> bool {
    let cut = world.cut(Some(steps), Box::pin(World::command(world.engine(), &HUB, command)));
    world.is_sound(&HUB);
    cut.is_none()
}

#[test]
fn everybody_works_with_the_newer_version_afterwards_and_the_earlier_one_opens_nothing() {
    let world = deployed();
    assert_eq!((world.versions(&HUB), world.machine.opening(&HUB)), ([1].into(), [1].into()));
    for version in 2..4 {
        world.log.lock().clear();
        world.ends(&HUB, Command::Rotate, Ending::Complete);
        world.stands(&HUB);
        world.is_sound(&HUB);
        assert_eq!(world.machine.opening(&HUB), [version].into());
    }
    let history = world.stored(async |store| store.history(&HUB).await.unwrap());
    let path: Vec<_> = history.iter().rev().take(5).rev().map(|change| change.to).collect();
    assert_eq!(path, [S::Initializing, S::Deploying, S::Configuring, S::Verifying, S::Complete]);
    let audit = world.stored(async |store| store.audit_trail().await.unwrap());
    assert_eq!(audit.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["rotate hub"; 2]);
    // Only who works with it was made anew, and everything else stands as it stood.
    let left_alone = [Service::Postgres, Service::Mongodb, Service::Redis, Service::Opa];
    let started = world.machine.calls().into_iter().filter(|call| call.kind == CallKind::Start);
    assert!(started.count() > left_alone.len());
    world.ends(&HUB, Command::Rollback(None), Ending::RolledBack { to: None });
    world.is_gone(&HUB);
}

#[test]
fn nobody_who_runs_is_shut_out_at_any_instant_of_it() {
    let world = deployed();
    let mut both = 0;
    world
        .watch(
            |_| {
                assert_eq!(world.machine.shut_out(&HUB), []);
                both += u64::from(world.machine.opening(&HUB).len() == 2);
            },
            Box::pin(World::command(world.engine(), &HUB, Command::Rotate)),
        )
        .unwrap();
    assert!(both > 0, "for a while both versions were taken");
}

#[test]
fn of_120_kills_at_drawn_instants_120_are_completed_by_rotating_again_or_by_resuming() {
    let steps = steps_of_a_rotation();
    let (mut states, mut with_both) = (BTreeSet::new(), 0);
    for kill in 0..120_u64 {
        let world = deployed();
        let at = kill.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % steps;
        assert!(is_cut(&world, Command::Rotate, at), "it was killed before its end");
        states.insert(world.state(&HUB));
        with_both += u32::from(world.versions(&HUB).len() == 2);
        if kill % 3 == 0 && world.state(&HUB) != S::Complete {
            world.ends(&HUB, Command::Resume, Ending::Complete);
        } else {
            world.ends(&HUB, Command::Rotate, Ending::Complete);
            assert!(!world.machine.opening(&HUB).contains(&1), "what was rotated opens nothing");
        }
        world.stands(&HUB);
        world.is_sound(&HUB);
    }
    assert!([S::Initializing, S::Deploying, S::Configuring, S::Verifying].iter().all(|s| states.contains(s)));
    assert!((10..120).contains(&with_both), "{with_both} of 120 were cut between making and dropping");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn cut_again_and_again_it_makes_no_version_that_nobody_needs(
        cuts in prop::collection::vec(0u64..900, 1..5)
    ) {
        let world = deployed();
        for steps in cuts {
            let before = world.versions(&HUB);
            is_cut(&world, Command::Rotate, steps);
            let now = world.versions(&HUB);
            prop_assert!(now.len() <= 2, "{now:?}");
            if before.len() == 2 {
                prop_assert!(now.last() == before.last(), "one that is under way is gone on with");
            }
        }
        world.ends(&HUB, Command::Rotate, Ending::Complete);
        world.stands(&HUB);
        prop_assert!(!world.machine.opening(&HUB).contains(&1));
    }
}

#[test]
fn what_is_not_complete_is_refused_unless_a_rotation_left_it_so_and_nothing_is_changed() {
    let world = World::in_memory();
    let refused = |state: S| {
        let before = (world.there(&HUB), world.written_down(&HUB), world.state(&HUB));
        match world.does(&HUB, Command::Rotate) {
            Err(refused @ Interrupted::State { .. }) => assert_eq!(refused.code(), ErrorCode::InvalidState),
            other => panic!("{other:?}"),
        }
        assert_eq!((world.there(&HUB), world.written_down(&HUB), world.state(&HUB)), before);
        assert_eq!(world.state(&HUB), state);
    };
    refused(S::Unknown);
    world.ends(&HUB, Command::Deploy, Ending::Complete);
    world.ends(&HUB, Command::Down, Ending::Stopped);
    refused(S::Failed);
    world.ends(&HUB, Command::Resume, Ending::Complete);
    assert!(is_cut(&world, Command::Rotate, steps_of_a_rotation() / 2));
    world.ends(&HUB, Command::Down, Ending::Stopped);
    world.ends(&HUB, Command::Rotate, Ending::Complete);
    world.stands(&HUB);
    assert!(is_cut(&world, Command::Rotate, steps_of_a_rotation() / 2));
    let to = Phase::Initialization;
    world.ends(&HUB, Command::Rollback(Some(to)), Ending::RolledBack { to: Some(to) });
    refused(S::Failed);
    world.ends(&HUB, Command::Resume, Ending::Complete);
    world.stands(&HUB);
}

fn fails(world: &World, kind: CallKind) {
    world.machine.breaks(move |call| {
        let hit = call.kind == kind && call.subject == "hub/secrets/keycloak.2";
        hit.then(|| Fault::Fails(failure(ErrorCode::SecretLoad)))
    });
}

#[test]
fn with_the_store_of_secrets_away_it_is_tried_by_its_row_and_nothing_is_changed() {
    let world = deployed();
    fails(&world, CallKind::Find);
    let before = (world.there(&HUB), world.written_down(&HUB));
    let began = world.time.since_start();
    match world.does(&HUB, Command::Rotate) {
        Err(Interrupted::Refused(failure)) => assert_eq!(failure.code, ErrorCode::SecretLoad),
        other => panic!("{other:?}"),
    }
    // 5, 10 and 20 s, with 0 to 2 s by chance.
    let waited = world.time.since_start().saturating_sub(began).as_secs();
    assert!((35..43).contains(&waited), "{waited} s");
    assert_eq!((world.there(&HUB), world.written_down(&HUB)), before);
    world.stands(&HUB);
    world.machine.heals();
    world.ends(&HUB, Command::Rotate, Ending::Complete);
    assert_eq!(world.machine.opening(&HUB), [2].into());
}

#[test]
fn a_version_that_can_not_be_made_fails_the_phase_before_any_service_is_touched() {
    let world = deployed();
    fails(&world, CallKind::Make);
    let report = world.ends(&HUB, Command::Rotate, Ending::Kept { failed: Phase::Initialization });
    assert_eq!(report.failure.unwrap().code, ErrorCode::SecretLoad);
    assert_eq!((world.versions(&HUB), world.machine.opening(&HUB)), ([1].into(), [1].into()));
    assert!(world.machine.is_healthy(&HUB));
    world.machine.heals();
    world.ends(&HUB, Command::Rotate, Ending::Complete);
    assert_eq!(world.machine.opening(&HUB), [2].into());
}

#[test]
fn known_defects_put_back_are_seen() {
    let seen = |defect| {
        let mut world = deployed();
        world.platform = Arc::new(Faulty { defect, machine: Arc::new(world.machine.clone()), late: None });
        let complete =
            world.does(&HUB, Command::Rotate).is_ok_and(|report| report.ending == Ending::Complete);
        let newest_alone = world.machine.opening(&HUB) == BTreeSet::from([2]);
        !(complete && newest_alone && world.machine.broken_rules().is_empty())
    };
    assert!(!seen(Defect::None));
    for defect in [Defect::DropsAtOnce, Defect::SkipsAUser, Defect::TellsNoServer, Defect::DropsTheFileAlone]
    {
        assert!(seen(defect), "{defect:?}");
    }
}
