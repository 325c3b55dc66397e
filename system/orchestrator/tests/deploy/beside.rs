//! A spoke beside its hub: what it waits for, and what becomes of it when the hub does not come to its end.

use std::time::Duration;

use dive_orchestrator::deploy::simulated::{Call, CallKind, Fault, failure};
use dive_orchestrator::deploy::{Event, Interrupted, Thing};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance, Phase, ResourceKind, Service, StateChange};
use futures_util::future::{join, join_all, select};
use proptest::prelude::*;

use crate::ends::{fails_in, is_of};
use crate::world::{Command, World, spoke};

#[test]
fn a_hub_and_two_spokes_at_once_stand_and_are_green() {
    let world = World::in_memory();
    let instances = [Instance::Hub, spoke("fra"), spoke("deu")];
    // The spokes find a hub that is being deployed, come up beside it, and wait until it is up with what needs it.
    let hub = World::command(world.engine(), &instances[0], Command::Deploy);
    let spokes = instances[1..].iter().map(|spoke| {
        let engine = world.engine();
        async {
            engine.runtime.sleep(Duration::from_secs(1)).await;
            World::command(engine, spoke, Command::Deploy).await
        }
    });
    let (hub, spokes) = world.run(Box::pin(join(hub, join_all(spokes))));
    for report in spokes.into_iter().chain([hub]) {
        let report = report.unwrap();
        assert_eq!((report.ending, report.warnings), (Ending::Complete, Vec::new()), "{:?}", report.failure);
    }
    for instance in &instances {
        world.is_sound(instance);
        world.stands(instance);
    }
    let at = |is: &dyn Fn(&Event) -> bool| world.log.lock().iter().position(|(_, event)| is(event)).unwrap();
    // No spoke is up, or COMPLETE, before the hub is.
    let up = at(&|event| *event == Event::Entered(DeploymentState::Configuring));
    let made = |name: &str| {
        let container = Thing::new(ResourceKind::Container, name);
        at(&|event| *event == Event::Made(container.clone()))
    };
    for spoke in ["spoke-fra", "spoke-deu"] {
        assert!(made(&format!("dive-{spoke}-keycloak")) < up, "{spoke} comes up beside its hub");
        assert!(made(&format!("dive-{spoke}-backend")) > up, "{spoke}'s node is made with what is the hub's");
    }
    assert!(at(&|event| matches!(event, Event::WaitingForHub { .. })) < up);
    let status = world.run(async { world.engine().status().await }).unwrap();
    assert_eq!(status.len(), 3);
    for status in status {
        assert!(status.is_green() && !status.is_interrupted(), "{status:?}");
        assert_eq!(status.services.len(), if status.instance == Instance::Hub { 11 } else { 9 });
    }
}

#[test]
fn a_spoke_without_a_hub_is_refused_before_anything_is_written_and_beside_a_failed_one_fails() {
    let world = World::in_memory();
    let fra = spoke("fra");
    let refused = world.does(&fra, Command::Deploy).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::HubNotFound);
    assert_eq!(world.stored(async |store| store.instances().await.unwrap()), []);
    fails_in(&world, Phase::Configuration);
    world.ends(&Instance::Hub, Command::Deploy, Ending::Kept { failed: Phase::Configuration });
    let report = world.does(&fra, Command::Deploy).unwrap();
    assert_eq!(report.ending, Ending::Undone { failed: Phase::Preflight });
    assert_eq!(report.failure.unwrap().code, ErrorCode::HubUnhealthy);
    world.is_gone(&fra);
}

#[test]
fn a_hub_that_does_not_come_up_ends_the_spoke_that_waits_for_it_and_nothing_of_the_spoke_is_left() {
    let world = World::in_memory();
    let fra = spoke("fra");
    // By the time the hub gives up, the spoke has come up as far as it can without it.
    world.machine.takes(Service::Frontend, Service::Frontend.start_timeout() * 4);
    let hub = World::command(world.engine(), &Instance::Hub, Command::Deploy);
    let engine = world.engine();
    let spoke = async {
        engine.runtime.sleep(Duration::from_secs(1)).await;
        World::command(engine, &fra, Command::Deploy).await
    };
    let (hub, spoke) = world.run(Box::pin(join(hub, spoke)));
    assert_eq!(hub.unwrap().ending, Ending::Undone { failed: Phase::Deployment });
    let spoke = spoke.unwrap();
    assert_eq!(spoke.ending, Ending::Undone { failed: Phase::Deployment });
    assert_eq!(spoke.failure.unwrap().code, ErrorCode::HubUnhealthy);
    assert!(world.events().iter().any(|event| matches!(event, Event::WaitingForHub { .. })));
    world.is_sound(&fra);
    world.is_gone(&fra);
}

#[test]
fn a_hub_that_fails_once_it_is_up_fails_the_verification_of_the_spoke_beside_it() {
    for phase in [Phase::Configuration, Phase::Seeding, Phase::Verification] {
        let world = World::in_memory();
        let fra = spoke("fra");
        // It is tried again for longer than the spoke takes to look at its hub again.
        world.machine.breaks(move |call| {
            let is_it = call.instance == Instance::Hub && is_of(phase, call);
            is_it.then(|| Fault::Fails(failure(ErrorCode::Timeout)))
        });
        let engine = world.engine();
        let hub = World::command(world.engine(), &Instance::Hub, Command::Deploy);
        let spoke = async {
            engine.runtime.sleep(Duration::from_secs(1)).await;
            World::command(engine, &fra, Command::Deploy).await
        };
        let (hub, spoke) = world.run(Box::pin(join(hub, spoke)));
        assert_eq!(hub.unwrap().ending, Ending::Kept { failed: phase });
        let report = spoke.unwrap();
        assert_eq!(report.ending, Ending::Kept { failed: Phase::Verification }, "{:?}", report.failure);
        assert_eq!(report.failure.unwrap().code, ErrorCode::HubUnhealthy);
        world.is_sound(&fra);
        // Once the hub stands, so does the spoke.
        world.machine.heals();
        world.ends(&fra, Command::Resume, Ending::Kept { failed: Phase::Verification });
        world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
        world.ends(&fra, Command::Resume, Ending::Complete);
        world.stands(&fra);
    }
}

#[test]
fn a_spoke_that_was_taken_down_comes_up_again_without_its_hub() {
    let world = World::in_memory();
    let fra = spoke("fra");
    for instance in [&Instance::Hub, &fra] {
        world.ends(instance, Command::Deploy, Ending::Complete);
    }
    for instance in [&Instance::Hub, &fra] {
        world.ends(instance, Command::Down, Ending::Stopped);
    }
    world.ends(&fra, Command::Resume, Ending::Complete);
    world.stands(&fra);
}

#[test]
fn a_spoke_that_is_deployed_anew_or_was_taken_back_asks_for_its_hub() {
    let world = World::in_memory();
    let fra = spoke("fra");
    for instance in [&Instance::Hub, &fra] {
        world.ends(instance, Command::Deploy, Ending::Complete);
    }
    let to = Some(Phase::Seeding);
    world.ends(&fra, Command::Rollback(to), Ending::RolledBack { to });
    world.ends(&Instance::Hub, Command::Down, Ending::Stopped);
    let report = world.ends(&fra, Command::Resume, Ending::Kept { failed: Phase::Verification });
    assert_eq!(report.failure.unwrap().code, ErrorCode::HubUnhealthy);
    world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
    world.ends(&fra, Command::Resume, Ending::Complete);
    world.ends(&Instance::Hub, Command::Down, Ending::Stopped);
    let report = world.ends(&fra, Command::Deploy, Ending::Kept { failed: Phase::Preflight });
    assert_eq!(report.failure.unwrap().code, ErrorCode::HubUnhealthy);
}

/// What becomes of a hub in the middle, or after its end.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Killed,
    Nuked,
    RolledBack,
    TakenDown,
    DeployedAnew,
}

/// Whether the hub was COMPLETE when the spoke became so, by what is written down.
fn stood_then(hub: &[StateChange], spoke: &[StateChange]) -> bool {
    let complete = |change: &&StateChange| change.to == DeploymentState::Complete;
    let spoke = spoke.iter().rfind(complete).expect("it became COMPLETE").at;
    hub.iter()
        .enumerate()
        .filter(|(_, change)| complete(change))
        .any(|(index, since)| since.at <= spoke && hub.get(index + 1).is_none_or(|left| left.at >= spoke))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Whatever becomes of the hub, and whenever.
    #[test]
    fn a_spoke_becomes_complete_only_beside_a_hub_that_is(
        after in 0u64..22_000,
        fate in prop::sample::select(vec![
            Fate::Killed, Fate::Nuked, Fate::RolledBack, Fate::TakenDown, Fate::DeployedAnew
        ]),
    ) {
        let world = World::in_memory();
        let fra = spoke("fra");
        for service in Service::ALL {
            world.machine.takes(service, Duration::from_secs(2));
        }
        // A hub that is up takes a while until it is COMPLETE.
        world.machine.breaks(|call: &Call| {
            let ends = [CallKind::Make, CallKind::Check].contains(&call.kind)
                && ["hub/realm", "hub/users", "a user logs in"].contains(&call.subject.as_str());
            (ends && call.instance == Instance::Hub).then_some(Fault::Slow(Duration::from_secs(3)))
        });
        let deploying = World::command(world.engine(), &Instance::Hub, Command::Deploy);
        let (here, there) = (world.engine(), world.engine());
        let hub = async {
            let over = there.runtime.sleep(Duration::from_millis(after));
            // Dropping it is killing it.
            drop(select(Box::pin(deploying), over).await);
            let left = there.runtime.now().since_start();
            there.runtime.sleep(Duration::from_millis(after).saturating_sub(left)).await;
            let next = match fate {
                Fate::Killed => return,
                Fate::Nuked => Command::Remove,
                Fate::RolledBack => Command::Rollback(None),
                Fate::TakenDown => Command::Down,
                Fate::DeployedAnew => Command::Deploy,
            };
            // It may be that there is nothing to take back.
            drop(World::command(there, &Instance::Hub, next).await);
        };
        let spoke = async {
            here.runtime.sleep(Duration::from_secs(1)).await;
            World::command(here, &fra, Command::Deploy).await
        };
        let ((), spoke) = world.run(Box::pin(join(hub, spoke)));
        let history = |of| world.stored(async |store| store.history(of).await.unwrap());
        let refusals = [ErrorCode::HubNotFound, ErrorCode::HubUnhealthy];
        match spoke {
            Ok(report) if report.ending == Ending::Complete => {
                prop_assert!(stood_then(&history(&Instance::Hub), &history(&fra)));
                world.stands(&fra);
            }
            Ok(report) => {
                prop_assert!(refusals.contains(&report.failure.unwrap().code), "{:?}", report.ending);
                prop_assert_eq!(world.state(&fra), DeploymentState::Failed);
            }
            Err(Interrupted::Refused(failure)) => prop_assert_eq!(failure.code, ErrorCode::HubNotFound),
            Err(other) => prop_assert!(false, "{}", other),
        }
        world.is_sound(&fra);
    }
}
