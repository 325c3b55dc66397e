//! Services: their order, their ladders, their time.

use std::time::Duration;

use dive_orchestrator::deploy::simulated::{Call, CallKind, Fault, failure};
use dive_orchestrator::deploy::{Event, Order};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::timeouts::Source;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance, Phase, Service};

use crate::trying::times;
use crate::world::{Command, World, spoke};

fn calls(world: &World, kind: CallKind, subject: &str) -> usize {
    let hit = |call: &&Call| call.kind == kind && call.subject == subject;
    world.machine.calls().iter().filter(hit).count()
}

#[test]
fn a_slow_but_healthy_service_is_let_come_up_and_touched_no_more() {
    let world = World::in_memory();
    world.machine.takes(Service::Keycloak, Duration::from_secs(239));
    let report = world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    assert!(report.took > Duration::from_secs(239) && report.took < Duration::from_secs(260), "{report:?}");
    assert_eq!(report.warnings, []);
    assert_eq!(calls(&world, CallKind::Start, "keycloak"), 1);
    assert_eq!(calls(&world, CallKind::Remedy, "keycloak"), 0);
    let errors = world.stored(async |store| store.errors(&Instance::Hub).await.unwrap());
    assert_eq!(errors, []);
}

#[test]
fn a_service_that_is_not_up_in_its_time_is_looked_at_again_by_the_row_and_then_ends_the_phase() {
    let world = World::in_memory();
    world.machine.takes(Service::Keycloak, Duration::from_secs(10_000));
    let report = world.ends(&Instance::Hub, Command::Deploy, Ending::Undone { failed: Phase::Deployment });
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::ContainerTimeout);
    assert!(failure.detail.contains("keycloak") && failure.detail.contains("last lines"), "{failure}");
    let least = Duration::from_secs(240 + 5 + 10 + 15);
    assert!(report.took > least && report.took < least + Duration::from_secs(15), "{:?}", report.took);
    assert_eq!(calls(&world, CallKind::Remedy, "keycloak"), 0, "late is no reason to kill it");
    world.is_gone(&Instance::Hub);

    let world = World::in_memory();
    world.machine.takes(Service::Keycloak, Duration::from_secs(250));
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
}

#[test]
fn the_time_is_learnt_from_starts_from_nothing_alone() {
    let world = World::in_memory();
    let hub = Instance::Hub;
    world.machine.takes(Service::Keycloak, Duration::from_secs(100));
    let timeout = |world: &World| {
        let of_keycloak = |event| match event {
            Event::Started { service: Service::Keycloak, timeout } => Some(timeout),
            _ => None,
        };
        world.events().into_iter().filter_map(of_keycloak).next_back().unwrap()
    };
    for samples in 0..4 {
        world.ends(&hub, Command::Deploy, Ending::Complete);
        if samples < 3 {
            assert_eq!(timeout(&world).from, Source::Table { samples });
        }
        // Found running: no start to learn from.
        world.ends(&hub, Command::Deploy, Ending::Complete);
        world.ends(&hub, Command::Remove, Ending::Removed);
    }
    let learnt = timeout(&world);
    let Source::Learnt { samples: 4, p95 } = learnt.from else { panic!("{learnt:?}") };
    assert!(p95 >= Duration::from_secs(100) && p95 < Duration::from_secs(102), "{p95:?}");
    assert_eq!(learnt.limit, p95 * 3 / 2);
}

#[test]
fn an_unhealthy_container_is_restarted_once_and_then_ends_the_phase() {
    let unhealthy = || Fault::Fails(failure(ErrorCode::ContainerUnhealthy));
    let of_kas = |call: &Call| call.kind == CallKind::Rung && call.subject == "kas";
    for (count, restarts) in [(2, 1), (u32::MAX, 1)] {
        let world = World::in_memory();
        // The first look is whether it already runs.
        let begun = world.machine.clone();
        world.machine.breaks(times(count, unhealthy(), move |call| {
            of_kas(call) && begun.running(&Instance::Hub).contains(&Service::Kas)
        }));
        let report = world.does(&Instance::Hub, Command::Deploy).unwrap();
        assert_eq!(report.is_success(), count == 2, "{report:?}");
        assert_eq!(calls(&world, CallKind::Remedy, "kas"), restarts);
        if count > 2 {
            assert_eq!(report.failure.unwrap().code, ErrorCode::ContainerUnhealthy);
            world.is_gone(&Instance::Hub);
        }
    }
}

#[test]
fn nothing_of_the_next_level_is_made_when_one_service_failed() {
    for failing in [Service::Redis, Service::Keycloak, Service::Backend] {
        let world = World::in_memory();
        let name = failing.to_string();
        let hit = move |call: &Call| call.kind == CallKind::Start && call.subject == name;
        world.machine.breaks(times(u32::MAX, Fault::Fails(failure(ErrorCode::ContainerStart)), hit));
        let report = world.does(&Instance::Hub, Command::Deploy).unwrap();
        assert_eq!(report.ending, Ending::Undone { failed: Phase::Deployment });
        assert!(report.failure.unwrap().detail.contains(failing.as_str()));
        let levels = world.events().into_iter().filter(|event| matches!(event, Event::Level { .. }));
        let level = match failing {
            Service::Redis => 0,
            Service::Keycloak => 1,
            _ => 2,
        };
        assert_eq!(levels.count(), level + 1);
        assert_eq!(calls(&world, CallKind::Make, "dive-hub-kas"), 0);
        world.is_gone(&Instance::Hub);
    }
}

#[test]
fn starting_a_level_at_once_saves_at_least_thirty_percent() {
    let took = |order| {
        let mut world = World::in_memory();
        world.order = order;
        // A machine on which each takes about as long as in containers.
        for service in Service::ALL {
            world.machine.takes(service, service.start_timeout() / 10);
        }
        world.ends(&Instance::Hub, Command::Deploy, Ending::Complete).took
    };
    let (serial, parallel) = (took(Order::Serial), took(Order::Parallel));
    assert!(parallel.as_secs_f64() <= 0.7 * serial.as_secs_f64(), "{parallel:?} instead of {serial:?}");
}

#[test]
fn a_service_that_dies_before_verification_is_seen_and_started_again() {
    let world = World::in_memory();
    let mut has_died = false;
    let report = world
        .watch(
            |_| {
                let seeding =
                    |event: &Event| matches!(event, Event::PhaseBegan { phase: Phase::Seeding, .. });
                if !has_died && world.events().iter().any(seeding) {
                    world.machine.dies(&Instance::Hub, Service::Opa);
                    has_died = true;
                }
            },
            Box::pin(World::command(world.engine(), &Instance::Hub, Command::Deploy)),
        )
        .unwrap();
    assert_eq!((report.ending, has_died), (Ending::Complete, true), "{report:?}");
    assert_eq!(calls(&world, CallKind::Remedy, "opa"), 1);
    world.stands(&Instance::Hub);
}

/// The levels of services that needs of each other make impossible are named before anything is made.
#[test]
fn what_needs_itself_is_named_before_anything_is_made_and_stops_nothing_that_stands() {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    let fra = spoke("fra");
    world.machine.depends(Service::Keycloak, &[Service::Postgres, Service::Backend]);
    let report = world.ends(&fra, Command::Deploy, Ending::Undone { failed: Phase::Preflight });
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::DependencyCycle);
    assert_eq!(failure.detail, "a dependency cycle: keycloak → backend → keycloak");
    world.is_gone(&fra);
    let changes = [CallKind::Make, CallKind::Start, CallKind::Stop];
    let changed = |call: &Call| changes.contains(&call.kind) && call.instance == fra;
    assert!(!world.machine.calls().iter().any(changed), "nothing was made");
    // In which order to stop can't be told either: nothing is stopped.
    let refused = world.does(&Instance::Hub, Command::Down).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::DependencyCycle);
    assert_eq!(world.state(&Instance::Hub), DeploymentState::Complete);
    assert!(world.machine.is_healthy(&Instance::Hub));

    world.machine.depends(Service::Keycloak, &[Service::OpalServer]);
    let report = world.ends(&fra, Command::Deploy, Ending::Undone { failed: Phase::Preflight });
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::Dependency, "a spoke has no such service: {failure}");
}

#[test]
fn a_service_comes_up_after_what_its_platform_says_it_needs() {
    let world = World::in_memory();
    world.machine.depends(Service::Redis, &[Service::Postgres]);
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    world.stands(&Instance::Hub);
    let levels: Vec<_> = world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Level { level, services } => Some((level, services)),
            _ => None,
        })
        .collect();
    assert!(levels[1].1.contains(&Service::Redis) && !levels[0].1.contains(&Service::Redis), "{levels:?}");
}

/// What was issued may have expired when a deployment comes up again: it is found before anything is started, issued
/// again, and nobody is asked.
#[test]
fn a_certificate_that_expired_while_it_was_down_is_issued_again_before_anything_is_started() {
    let world = World::in_memory();
    let hub = Instance::Hub;
    world.ends(&hub, Command::Deploy, Ending::Complete);
    world.ends(&hub, Command::Down, Ending::Stopped);
    world.time.jump(Duration::from_hours(400 * 24));
    let before = world.machine.calls().len();
    world.ends(&hub, Command::Resume, Ending::Complete);
    world.stands(&hub);
    world.is_sound(&hub);
    let calls = world.machine.calls().split_off(before);
    let at = |kind: CallKind| calls.iter().position(|call| call.kind == kind).unwrap();
    assert!(at(CallKind::Remedy) < at(CallKind::Start), "{calls:?}");
    let errors = world.stored(async |store| store.errors(&hub).await.unwrap());
    assert_eq!(errors.iter().map(|error| error.code).collect::<Vec<_>>(), [ErrorCode::Certificate]);
}
