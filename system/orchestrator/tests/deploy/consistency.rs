//! What is written down and what is there are compared: what agrees is found to, what doesn't is named.

use dive_orchestrator::deploy::simulated::{CallKind, Fault, failure};
use dive_orchestrator::deploy::{Difference, Thing};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{DeploymentState, ErrorCode, Holder, Instance, Phase, ResourceKind, Service};

use crate::world::{Command, World, spoke};

/// What does not agree, by instance.
fn compared(world: &World) -> Vec<(Instance, Vec<Difference>)> {
    let engine = world.engine();
    let compared = world.run(async { engine.check().await }).unwrap();
    let differing = compared.into_iter().filter(|compared| !compared.differences.is_empty());
    differing.map(|compared| (compared.instance, compared.differences)).collect()
}

fn container(instance: &Instance, service: Service) -> Thing {
    Thing::new(ResourceKind::Container, service.container(instance))
}

fn standing() -> World {
    let world = World::on_disk();
    for instance in [Instance::Hub, spoke("fra")] {
        world.ends(&instance, Command::Deploy, Ending::Complete);
    }
    world
}

#[test]
fn what_was_deployed_taken_down_rolled_back_or_removed_agrees_and_looking_changes_nothing() {
    let world = World::on_disk();
    assert_eq!(compared(&world), [], "nothing was ever deployed");
    let world = standing();
    let fra = spoke("fra");
    let there = (world.there(&Instance::Hub), world.there(&fra));
    assert_eq!(compared(&world), []);
    assert_eq!((world.there(&Instance::Hub), world.there(&fra)), there);
    let to = Phase::Configuration;
    for (command, ending) in [
        (Command::Down, Ending::Stopped),
        (Command::Resume, Ending::Complete),
        (Command::Rollback(Some(to)), Ending::RolledBack { to: Some(to) }),
        (Command::Remove, Ending::Removed),
    ] {
        world.ends(&fra, command, ending);
        assert_eq!(compared(&world), [], "after {command:?}");
    }
}

#[test]
fn a_container_that_is_gone_and_one_that_nobody_wrote_down_are_named_and_left_so() {
    let world = standing();
    let fra = spoke("fra");
    let kas = container(&fra, Service::Kas);
    let engine = world.engine();
    let slot = dive_orchestrator::ports::slot_of(&fra, dive_orchestrator::Slot::fixed).unwrap();
    let site = dive_orchestrator::deploy::Site { instance: fra.clone(), slot };
    world.run(async { engine.platform.unmake(&site, &kas.clone().over(None)).await }).unwrap();
    let stray = Thing::new(ResourceKind::Container, "dive-hub-old");
    world.machine.stray(&Instance::Hub, &stray);
    let expected = [
        (Instance::Hub, vec![Difference::Stray(stray.clone())]),
        (fra.clone(), vec![Difference::Missing(kas.clone())]),
    ];
    for _ in 0..2 {
        assert_eq!(compared(&world), expected, "nothing is repaired");
    }
    world.machine.strange(kas.clone(), "of somebody else", false);
    assert_eq!(compared(&world)[1].1, [Difference::Strangers(kas, "of somebody else".into())]);
}

#[test]
fn what_is_of_a_deployment_that_the_database_does_not_know_is_named_and_left_and_can_be_removed() {
    let world = standing();
    let deu = spoke("deu");
    let strays = [Service::Redis, Service::Opa].map(|service| container(&deu, service));
    for stray in &strays {
        world.machine.stray(&deu, stray);
    }
    let mut expected = strays.to_vec();
    expected.sort();
    let expected = [(deu.clone(), expected.into_iter().map(Difference::Unknown).collect::<Vec<_>>())];
    for _ in 0..2 {
        assert_eq!(compared(&world), expected, "it is left as it is");
    }
    assert!(
        world.stored(async |store| !store.instances().await.unwrap().contains(&deu)),
        "nor is it known now"
    );
    world.machine.breaks(|call| {
        (call.kind == CallKind::Unknown).then(|| Fault::Fails(failure(ErrorCode::ContainerStart)))
    });
    let unseen = compared(&world);
    assert!(matches!(&unseen[..], [(Instance::Hub, told)] if !told[0].is_seen()), "{unseen:?}");
    world.machine.heals();
    // The next step it is told with.
    world.ends(&deu, Command::Remove, Ending::Removed);
    assert_eq!(compared(&world), []);
}

#[test]
fn a_run_that_was_cut_short_and_one_under_way_are_told_apart() {
    let world = World::on_disk();
    let command = World::command(world.engine(), &Instance::Hub, Command::Deploy);
    assert!(world.cut(Some(120), Box::pin(command)).is_none(), "it is cut");
    let state = world.state(&Instance::Hub);
    assert!(state.needs_a_holder(), "{state}");
    let cut = compared(&world);
    assert_eq!(cut.len(), 1);
    assert!(cut[0].1.contains(&Difference::CutShort(state)), "{cut:?}");

    let engine = world.engine();
    let holder = Holder { host: "elsewhere".into(), pid: 9 };
    world.run(async { engine.store.acquire(&Instance::Hub, &holder).await }).unwrap();
    assert_eq!(compared(&world), [(Instance::Hub, vec![Difference::AtWork(holder)])]);
}

#[test]
fn a_checkpoint_that_lies_is_named() {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    assert!(world.database().corrupt_checkpoint(&Instance::Hub, Phase::Seeding));
    let compared = compared(&world);
    assert!(matches!(&compared[0].1[..], [Difference::Corrupt(corrupt)] if corrupt.phase == Phase::Seeding));
}

#[test]
fn a_link_to_what_is_removed_is_named() {
    let world = standing();
    let (fra, hub) = (spoke("fra"), Instance::Hub);
    let engine = world.engine();
    world
        .run(async {
            let lease = engine.store.acquire(&hub, &engine.holder).await?;
            engine.store.save_link(&lease, &fra, true).await?;
            engine.store.release(&lease).await
        })
        .unwrap();
    assert_eq!(compared(&world), []);
    world.ends(&fra, Command::Remove, Ending::Removed);
    assert_eq!(world.state(&fra), DeploymentState::Unknown);
    assert_eq!(compared(&world), [(hub.clone(), vec![Difference::Dangling { from: hub, to: fra }])]);
}

#[test]
fn what_cannot_be_looked_at_is_not_said_to_agree() {
    let world = standing();
    for kind in [CallKind::Existing, CallKind::Find] {
        world.machine.breaks(move |call| {
            (call.kind == kind && call.instance == Instance::Hub)
                .then(|| Fault::Fails(failure(ErrorCode::ContainerStart)))
        });
        let compared = compared(&world);
        assert_eq!(compared.len(), 1, "{compared:?}");
        assert!(compared[0].1.iter().all(|difference| !difference.is_seen()), "{compared:?}");
    }
    world.machine.breaks(|call| (call.kind == CallKind::Existing).then_some(Fault::Hangs));
    assert_eq!(compared(&world).len(), 2, "and one that never answers holds nobody up");
}
