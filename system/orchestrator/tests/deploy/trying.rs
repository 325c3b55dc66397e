//! Calls that fail for a while: tried again by the operation's row, helped against, held back by the breaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dive_orchestrator::deploy::simulated::{Call, CallKind, Fault, failure};
use dive_orchestrator::deploy::{Event, Thing};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{Class, ErrorCode, Instance, OPEN_FOR, Operation, Phase, ResourceKind, Severity};

use crate::world::{Command, World, spoke};

/// The first `times` calls that `hit` says fail so.
pub(crate) fn times(
    times: u32,
    fault: Fault,
    hit: impl Fn(&Call) -> bool + Send + Sync + 'static,
) -> impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static {
    let left = AtomicU32::new(times);
    move |call| {
        let less = |left: u32| left.checked_sub(1);
        (hit(call) && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok())
            .then(|| fault.clone())
    }
}

fn made(name: &'static str) -> impl Fn(&Call) -> bool + Send + Sync + 'static {
    move |call| call.kind == CallKind::Make && call.subject == name
}

/// The waits before new tries of this subject.
fn waits(world: &World, of: &str) -> Vec<Duration> {
    let again = |event| match event {
        Event::TriesAgain { subject, wait, .. } if subject.to_string().ends_with(of) => Some(wait),
        _ => None,
    };
    world.events().into_iter().filter_map(again).collect()
}

#[test]
fn each_operation_waits_by_its_own_row_and_then_ends() {
    let rows = [
        ("hub/secrets/keycloak.1", Operation::Secret, ErrorCode::SecretLoad),
        ("hub/realm", Operation::Keycloak, ErrorCode::Timeout),
        ("hub/policy-token", Operation::Policy, ErrorCode::Timeout),
        ("hub/resources", Operation::Documents, ErrorCode::Unknown),
    ];
    for (name, operation, code) in rows {
        let world = World::in_memory();
        world.machine.breaks(times(u32::MAX, Fault::Fails(failure(code)), made(name)));
        let report = world.does(&Instance::Hub, Command::Deploy).unwrap();
        assert_eq!(report.failure.unwrap().code, code);
        let row: Vec<_> = (1..).map_while(|n| operation.wait(n, 0.5)).collect();
        assert_eq!(waits(&world, name), row, "{name}");
        // And the waits are waited, not only told.
        let log = world.log.lock();
        let failed = log.iter().filter(|(_, event)| matches!(event, Event::Failed { .. }));
        let at: Vec<_> = failed.map(|(at, _)| *at).collect();
        for (pair, wait) in at.windows(2).zip(row) {
            let between = pair[1].saturating_sub(pair[0]);
            assert!(between >= wait && between < wait + OPEN_FOR + Duration::from_secs(6), "{between:?}");
        }
    }
}

#[test]
fn whatever_can_be_helped_against_is_helped_against_at_any_call_and_warned_of_never() {
    let helped = |code: &&ErrorCode| matches!(code.class(), Class::Transient | Class::Recoverable);
    for code in ErrorCode::ALL.iter().filter(helped) {
        for (kind, name) in [
            (CallKind::Make, "hub/config.toml"),
            (CallKind::Make, "dive-hub-kas"),
            (CallKind::Start, "kas"),
            (CallKind::Rung, "kas"),
            (CallKind::Make, "hub/realm"),
            (CallKind::Check, "a user logs in"),
            (CallKind::Steps, "SEEDING"),
        ] {
            let world = World::in_memory();
            let hit = move |call: &Call| call.kind == kind && call.subject == name;
            world.machine.breaks(times(1, Fault::Fails(failure(*code)), hit));
            let report = world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
            assert_eq!(report.warnings, []);
            world.stands(&Instance::Hub);
            if kind != CallKind::Rung {
                let errors = world.stored(async |store| store.errors(&Instance::Hub).await.unwrap());
                assert_eq!(errors.iter().map(|e| (e.code, e.recovered)).collect::<Vec<_>>(), [(*code, true)]);
            }
        }
    }
}

#[test]
fn what_only_a_person_helps_against_is_not_tried_again() {
    let hopeless = |code: &&ErrorCode| matches!(code.class(), Class::Manual | Class::Permanent);
    for code in ErrorCode::ALL.iter().filter(hopeless) {
        let world = World::in_memory();
        world.machine.breaks(times(1, Fault::Fails(failure(*code)), made("hub/realm")));
        let report = world.does(&Instance::Hub, Command::Deploy).unwrap();
        assert_eq!(report.failure.unwrap().code, *code);
        assert_eq!(waits(&world, "hub/realm"), []);
    }
}

#[test]
fn what_is_not_grave_is_gone_on_from_with_a_warning_and_the_third_ends_the_run() {
    assert_eq!(ErrorCode::Folder.severity(), Severity::Medium);
    let world = World::in_memory();
    world.machine.breaks(times(u32::MAX, Fault::Fails(failure(ErrorCode::Folder)), made("hub/policy-token")));
    let report = world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].1.code, ErrorCode::Folder);
    let world = World::in_memory();
    let files = |call: &Call| call.kind == CallKind::Make && call.subject.starts_with("hub/");
    world.machine.breaks(times(u32::MAX, Fault::Fails(failure(ErrorCode::Folder)), files));
    world.ends(&Instance::Hub, Command::Deploy, Ending::Undone { failed: Phase::Initialization });
}

#[test]
fn an_answer_lost_a_thing_made_in_part_and_a_call_that_hangs_are_no_different_from_a_failure() {
    let lost = failure(ErrorCode::Timeout);
    for fault in [Fault::LosesTheAnswer(lost.clone()), Fault::Halfway(lost), Fault::Hangs] {
        for (kind, name) in [
            (CallKind::Make, "hub/secrets/keycloak.1"),
            (CallKind::Make, "dive-shared"),
            (CallKind::Make, "dive-hub-keycloak"),
            (CallKind::Make, "hub/users"),
            (CallKind::Start, "opa"),
        ] {
            let world = World::in_memory();
            let hit = move |call: &Call| call.kind == kind && call.subject == name;
            world.machine.breaks(times(1, fault.clone(), hit));
            let report = world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
            assert_eq!(report.warnings, []);
            world.stands(&Instance::Hub);
        }
    }
    for fault in [Fault::Halfway(failure(ErrorCode::Timeout)), Fault::Hangs] {
        let world = World::in_memory();
        world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
        world.machine.breaks(times(1, fault, |call| call.kind == CallKind::Unmake));
        world.ends(&Instance::Hub, Command::Remove, Ending::Removed);
        world.is_gone(&Instance::Hub);
    }
}

#[test]
fn undoing_that_fails_says_so_and_goes_on_where_it_was() {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    world.machine.breaks(times(u32::MAX, Fault::Fails(failure(ErrorCode::Volume)), |call| {
        call.kind == CallKind::Unmake && call.subject == "dive-hub-mongodb-data"
    }));
    let report = world.ends(&Instance::Hub, Command::Rollback(None), Ending::UndoFailed);
    assert_eq!(report.failure.unwrap().code, ErrorCode::RollbackFailed);
    let left = world.there(&Instance::Hub);
    world.is_sound(&Instance::Hub);
    assert!(left.contains(&Thing::new(ResourceKind::Volume, "dive-hub-mongodb-data")) && left.len() < 10);
    world.machine.heals();
    world.ends(&Instance::Hub, Command::Rollback(None), Ending::RolledBack { to: None });
    world.is_gone(&Instance::Hub);
}

#[test]
fn a_breaker_that_one_deployment_opened_holds_back_another_until_it_closes() {
    let world = World::in_memory();
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    // Four tries open it: its third failure in a row.
    let realm = |call: &Call| call.kind == CallKind::Make && call.subject == "spoke-fra/realm";
    world.machine.breaks(times(3, Fault::Fails(failure(ErrorCode::Timeout)), realm));
    world.ends(&spoke("fra"), Command::Deploy, Ending::Complete);
    let held = |event: &Event| matches!(event, Event::Held { operation: Operation::Keycloak, .. });
    assert!(world.events().iter().any(held), "the third failure opened it");
    let log = world.log.lock();
    let failed: Vec<_> =
        log.iter().filter(|(_, e)| matches!(e, Event::Failed { .. })).map(|(at, _)| *at).collect();
    let realm = Event::Made(Thing::new(ResourceKind::RealmObject, "spoke-fra/realm"));
    let made = log.iter().find(|(_, event)| *event == realm).unwrap().0;
    let open = made.saturating_sub(*failed.last().unwrap());
    assert!(open >= OPEN_FOR && open < OPEN_FOR + Duration::from_secs(10), "it was held for {open:?}");
}

#[test]
fn a_container_of_a_run_nobody_knows_of_is_removed_and_made_anew_and_a_strangers_is_left() {
    let kas = Thing::new(ResourceKind::Container, "dive-hub-kas");
    let world = World::in_memory();
    world.machine.stray(&Instance::Hub, &kas);
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
    let errors = world.stored(async |store| store.errors(&Instance::Hub).await.unwrap());
    assert_eq!((errors[0].code, errors[0].recovered), (ErrorCode::StaleContainer, true));

    let world = World::in_memory();
    world.machine.strange(kas.clone(), "of another project", false);
    let report = world.ends(&Instance::Hub, Command::Deploy, Ending::Undone { failed: Phase::Preflight });
    let failure = report.failure.unwrap();
    assert_eq!(failure.code, ErrorCode::InstanceConflict);
    assert!(failure.detail.contains("of another project"), "{failure}");
    assert_eq!(world.machine.stranger(&kas).as_deref(), Some("of another project"));
    world.is_gone(&Instance::Hub);
}

#[test]
fn what_stood_there_before_is_put_back() {
    let config = Thing::new(ResourceKind::File, "hub/config.toml");
    for again in [false, true] {
        let world = World::in_memory();
        world.machine.strange(config.clone(), "by hand", true);
        world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
        assert_eq!(world.machine.stranger(&config), None);
        if again {
            world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
        }
        world.ends(&Instance::Hub, Command::Remove, Ending::Removed);
        assert_eq!(world.machine.stranger(&config).as_deref(), Some("by hand"));
    }
}

#[test]
fn a_step_that_cannot_be_asked_unprotected_is_not_asked_at_all() {
    let world = World::in_memory();
    let calls = Arc::new(AtomicU32::new(0));
    world.store_fails(move |name| {
        (name == "admit" && calls.fetch_add(1, Ordering::Relaxed) > 40)
            .then(|| dive_orchestrator::StoreError::Unavailable { why: "away".to_owned() })
    });
    let end = world.does(&Instance::Hub, Command::Deploy).unwrap_err();
    assert_eq!(end.code(), ErrorCode::Database);
    world.is_sound(&Instance::Hub);
    world.store_heals();
    world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
}

/// Whatever the error is: a phase whose work is not known is not done by doing none of it.
#[test]
fn a_phase_of_which_it_can_not_be_told_what_it_consists_of_fails() {
    for code in [ErrorCode::Folder, ErrorCode::StaleContainer, ErrorCode::FederationVerify] {
        let world = World::in_memory();
        world.machine.breaks(move |call| {
            let hit = call.kind == CallKind::Steps && call.subject == "INITIALIZATION";
            hit.then(|| Fault::Fails(failure(code)))
        });
        let failed = Ending::Undone { failed: Phase::Initialization };
        let report = world.ends(&Instance::Hub, Command::Deploy, failed);
        assert_eq!(report.failure.unwrap().code, ErrorCode::Definition);
        world.is_gone(&Instance::Hub);
        world.machine.heals();
        world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
        world.stands(&Instance::Hub);
    }
}
