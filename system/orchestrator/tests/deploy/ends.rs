//! How runs end: well, by a failure in each phase, by a stop in each phase, by order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dive_orchestrator::deploy::simulated::{Call, CallKind, Fault, failure};
use dive_orchestrator::deploy::{Confirmed, Event, Interrupted, Thing};
use dive_orchestrator::pipeline::{Ask, Ending, Request};
use dive_orchestrator::{
    DeploymentState, ErrorCode, Instance, NETWORK, OnFailure, Phase, ResourceKind, StoreError,
};
use tokio_util::sync::CancellationToken;

use crate::world::{Command, World, spoke};

/// A call that belongs to one phase alone.
pub(crate) fn is_of(phase: Phase, call: &Call) -> bool {
    let (kind, subject) = match phase {
        Phase::Preflight => (CallKind::Check, "the ports are free"),
        Phase::Initialization => (CallKind::Make, "hub/certificate.pem"),
        Phase::Deployment => (CallKind::Start, "backend"),
        Phase::Configuration => (CallKind::Make, "hub/realm"),
        Phase::Seeding => (CallKind::Make, "hub/users"),
        Phase::Verification => (CallKind::Check, "a user logs in"),
    };
    call.kind == kind && call.subject == subject
}

pub(crate) fn fails_in(world: &World, phase: Phase) {
    world
        .machine
        .breaks(move |call| is_of(phase, call).then(|| Fault::Fails(failure(ErrorCode::VerifyLogin))));
}

#[test]
fn deploying_again_makes_nothing_anew_and_warns_of_nothing() {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    let before = world.there(&Instance::Hub);
    let report = world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    assert_eq!(report.warnings, []);
    assert_eq!(world.there(&Instance::Hub), before);
    world.stands(&Instance::Hub);
    let known = world.events().into_iter().filter_map(|event| match event {
        Event::PhaseBegan { phase, remaining, .. } => Some((phase, remaining.is_some())),
        _ => None,
    });
    let expected = [false, true].iter().flat_map(|known| Phase::ALL.map(|phase| (phase, *known)));
    assert!(known.eq(expected), "the second time it is known how long it takes");
}

#[test]
fn a_failure_in_the_first_three_phases_leaves_nothing_and_in_the_last_three_all_of_it() {
    for phase in Phase::ALL {
        let world = World::in_memory();
        fails_in(&world, phase);
        let report = world.does(&Instance::Hub, Command::Deploy).unwrap();
        world.is_sound(&Instance::Hub);
        assert_eq!(world.state(&Instance::Hub), DeploymentState::Failed);
        assert_eq!(report.failure.as_ref().unwrap().code, ErrorCode::VerifyLogin);
        let next = report.next_step().unwrap();
        if phase.on_failure() == OnFailure::RollBack {
            assert_eq!(report.ending, Ending::Undone { failed: phase });
            world.is_gone(&Instance::Hub);
        } else {
            assert_eq!(report.ending, Ending::Kept { failed: phase });
            assert_eq!(world.finished(&Instance::Hub), phase.earlier().collect::<Vec<_>>());
            assert!(next.contains("--resume") && next.contains("rollback"), "{next}");
        }
        let runs = world.stored(async |store| store.phase_runs(&Instance::Hub).await.unwrap());
        let last = runs.last().unwrap();
        assert_eq!((last.phase, last.failure.as_ref().unwrap().code), (phase, ErrorCode::VerifyLogin));
        world.machine.heals();
        world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
        world.stands(&Instance::Hub);
    }
}

#[test]
fn the_operator_may_say_otherwise_and_what_has_stood_is_kept() {
    let hub = Instance::Hub;
    for (phase, on_failure) in [(Phase::Deployment, OnFailure::Keep), (Phase::Seeding, OnFailure::RollBack)] {
        let world = World::in_memory();
        fails_in(&world, phase);
        let request = Request { on_failure: Some(on_failure), ..Ask::Deploy.into() };
        let engine = world.engine();
        let report = world.run(Box::pin(engine.deploy(&hub, &request, &CancellationToken::new()))).unwrap();
        assert_eq!(world.there(&hub).is_empty(), on_failure == OnFailure::RollBack);
        assert!(!report.is_success());
    }
    let world = World::in_memory();
    world.ends(&hub, Command::Deploy, Ending::Complete);
    fails_in(&world, Phase::Initialization);
    world.ends(&hub, Command::Deploy, Ending::Kept { failed: Phase::Initialization });
    assert!(world.machine.is_healthy(&hub), "a later run's failure takes nothing down");
}

#[test]
fn a_stop_in_each_phase_ends_soon_frees_the_lock_and_can_be_resumed() {
    for phase in Phase::ALL {
        let world = World::in_memory();
        let stop = CancellationToken::new();
        let mut engine = world.engine();
        let (pull, told) = (stop.clone(), Arc::clone(&engine.observer));
        engine.observer = Arc::new(move |event: &Event| {
            told.observe(event);
            if matches!(event, Event::PhaseBegan { phase: begun, .. } if *begun == phase) {
                pull.cancel();
            }
        });
        let ask = Ask::Deploy.into();
        let stopped = world.run(Box::pin(engine.deploy(&Instance::Hub, &ask, &stop))).unwrap_err();
        assert_eq!(stopped, Interrupted::Cancelled { instance: Instance::Hub, phase: Some(phase) });
        assert!(stopped.next_step().contains("--resume"));
        world.is_sound(&Instance::Hub);
        assert_eq!(world.state(&Instance::Hub), DeploymentState::Failed);
        assert_eq!(world.finished(&Instance::Hub), phase.earlier().collect::<Vec<_>>());
        world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
        world.stands(&Instance::Hub);
    }
}

#[test]
fn a_stop_lets_what_is_being_made_come_to_its_end_but_no_longer_than_its_grace() {
    for (slow, whole) in [(4, true), (60, false)] {
        let world = World::in_memory();
        world.machine.breaks(move |call| {
            let hit = call.kind == CallKind::Make && call.subject == "hub/config.toml";
            hit.then_some(Fault::Slow(Duration::from_secs(slow)))
        });
        let stop = CancellationToken::new();
        let engine = world.engine();
        let ask = Ask::Deploy.into();
        let (stopped, ()) = world.run(Box::pin(futures_util::future::join(
            engine.deploy(&Instance::Hub, &ask, &stop),
            async {
                engine.runtime.sleep(Duration::from_secs(2)).await;
                stop.cancel();
            },
        )));
        assert!(matches!(stopped, Err(Interrupted::Cancelled { .. })), "{stopped:?}");
        let config = Thing::new(ResourceKind::File, "hub/config.toml");
        assert_eq!(world.there(&Instance::Hub).contains(&config), whole);
        let end = world.time.since_start();
        assert!(end >= Duration::from_secs(slow.min(12)) && end < Duration::from_secs(13), "{end:?}");
        world.machine.heals();
        world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
    }
}

#[test]
fn taken_down_nothing_runs_and_nothing_is_gone_and_resuming_brings_it_up() {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    let before = world.there(&Instance::Hub);
    world.ends(&Instance::Hub, Command::Down, Ending::Stopped);
    world.is_sound(&Instance::Hub);
    assert_eq!(world.machine.running(&Instance::Hub), []);
    assert_eq!(world.there(&Instance::Hub), before);
    assert_eq!(world.state(&Instance::Hub), DeploymentState::Failed);
    let stops = world.machine.calls().into_iter().filter(|call| call.kind == CallKind::Stop);
    let last = stops.map(|call| call.subject).next_back().unwrap();
    assert!(["postgres", "mongodb", "redis", "opa", "blacklist-redis"].contains(&last.as_str()), "{last}");
    world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
    world.stands(&Instance::Hub);
    let nothing = world.does(&spoke("fra"), Command::Down).unwrap_err();
    assert!(matches!(nothing, Interrupted::State { state: DeploymentState::Unknown, .. }));
}

#[test]
fn one_of_three_is_removed_with_what_no_run_knew_of_and_the_network_stays_for_the_others() {
    let world = World::in_memory();
    let (fra, deu) = (spoke("fra"), spoke("deu"));
    for instance in [&Instance::Hub, &fra, &deu] {
        world.ends(instance, Command::Deploy, Ending::Complete);
    }
    world.machine.stray(&fra, &Thing::new(ResourceKind::Volume, "dive-spoke-fra-forgotten"));
    world.ends(&fra, Command::Remove, Ending::Removed);
    world.is_gone(&fra);
    world.stands(&deu);
    world.stands(&Instance::Hub);
    assert!(world.there(&deu).contains(&Thing::new(ResourceKind::Network, NETWORK)));
    let trail = world.stored(async |store| store.audit_trail().await.unwrap());
    assert_eq!(trail.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["nuke spoke-fra"]);
    world.ends(&fra, Command::Deploy, Ending::Complete);
    world.stands(&fra);
}

#[test]
fn removed_but_for_its_volumes_it_has_them_and_finds_them_again() {
    let world = World::in_memory();
    let hub = Instance::Hub;
    world.ends(&hub, Command::Deploy, Ending::Complete);
    let engine = world.engine();
    world
        .run(Box::pin(engine.remove(&hub, false, Confirmed::said(true).unwrap(), &CancellationToken::new())))
        .unwrap();
    drop(engine);
    let volumes = ["dive-hub-mongodb-data", "dive-hub-postgres-data"];
    let volumes: BTreeSet<_> = volumes.map(|name| Thing::new(ResourceKind::Volume, name)).into();
    assert_eq!(world.there(&hub), volumes);
    world.is_sound(&hub);
    world.ends(&hub, Command::Deploy, Ending::Complete);
    world.stands(&hub);
}

#[test]
fn a_checkpoint_that_could_not_be_saved_fails_its_phase() {
    for (phase, gone) in [(Phase::Initialization, true), (Phase::Configuration, false)] {
        let world = World::in_memory();
        let state = phase.state();
        let log = Arc::clone(&world.log);
        world.store_fails(move |name| {
            let is_it = log.lock().iter().any(|(_, event)| *event == Event::Entered(state));
            (name == "save_checkpoint"
                && is_it
                && log.lock().iter().any(
                    |(_, event)| matches!(event, Event::PhaseEnded { phase: ended, .. } if *ended == phase),
                ))
            .then(|| StoreError::Denied { why: "read-only".to_owned() })
        });
        let report = world.does(&Instance::Hub, Command::Deploy).unwrap();
        assert!(report.failure.as_ref().unwrap().detail.contains("could not be saved"), "{report:?}");
        assert_eq!(world.there(&Instance::Hub).is_empty(), gone);
        assert!(!world.finished(&Instance::Hub).contains(&phase));
        world.store_heals();
        world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
        world.stands(&Instance::Hub);
    }
}

#[test]
fn a_corrupt_checkpoint_is_not_used_and_stands_in_nobodys_way_who_starts_over() {
    for command in [Command::Deploy, Command::Remove, Command::Rollback(None)] {
        let world = World::in_memory();
        fails_in(&world, Phase::Seeding);
        world.ends(&Instance::Hub, Command::Deploy, Ending::Kept { failed: Phase::Seeding });
        world.machine.heals();
        assert!(world.database().corrupt_checkpoint(&Instance::Hub, Phase::Deployment));
        let refused = world.does(&Instance::Hub, Command::Resume).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Database, "{refused}");
        assert!(world.does(&Instance::Hub, command).unwrap().is_success());
        if matches!(command, Command::Deploy) {
            world.stands(&Instance::Hub);
        } else {
            world.is_gone(&Instance::Hub);
        }
    }
}

#[test]
fn what_operators_do_by_hand_is_written_down_and_what_is_refused_is_not() {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    assert!(world.does(&spoke("fra"), Command::Down).is_err());
    assert!(world.does(&spoke("fra"), Command::Rollback(None)).is_err());
    let to = Some(Phase::Deployment);
    world.ends(&Instance::Hub, Command::Down, Ending::Stopped);
    world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
    world.ends(&Instance::Hub, Command::Rollback(to), Ending::RolledBack { to });
    world.ends(&Instance::Hub, Command::Remove, Ending::Removed);
    let trail = world.stored(async |store| store.audit_trail().await.unwrap());
    let acts: Vec<_> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(acts, ["down hub", "rollback hub to DEPLOYMENT", "nuke hub"]);
}

/// A row that holds no state is not read as one, least of all as one from which everything is allowed.
#[test]
fn a_state_that_is_none_allows_nothing_and_nothing_is_changed() {
    let world = World::in_memory();
    let (hub, fra) = (Instance::Hub, spoke("fra"));
    world.ends(&hub, Command::Deploy, Ending::Complete);
    world.database().damage_state(&hub, true);
    let calls = world.machine.calls().len();
    let commands = [
        Command::Deploy,
        Command::Resume,
        Command::Rollback(None),
        Command::Rollback(Some(Phase::Seeding)),
        Command::Remove,
        Command::Down,
    ];
    for (instance, command) in
        commands.map(|command| (&hub, command)).into_iter().chain([(&fra, Command::Deploy)])
    {
        let refused = world.does(instance, command).unwrap_err();
        assert!(
            matches!(refused, Interrupted::Store(StoreError::Unreadable { .. })),
            "{command:?}: {refused}"
        );
        assert_eq!(refused.code(), ErrorCode::Database);
        assert!(refused.next_step().contains("backup"), "{}", refused.next_step());
    }
    assert_eq!(world.machine.calls().len(), calls, "the machine was not even asked");
    world.database().damage_state(&hub, false);
    world.is_sound(&hub);
    world.stands(&hub);
    world.ends(&fra, Command::Deploy, Ending::Complete);
}

#[test]
fn what_was_not_confirmed_can_not_even_be_asked_for() {
    let unconfirmed = Interrupted::from(Confirmed::said(false).unwrap_err());
    assert_eq!(unconfirmed.code(), ErrorCode::Configuration);
    assert!(unconfirmed.next_step().contains("--confirm"));
    assert!(Confirmed::said(true).is_ok());
}
