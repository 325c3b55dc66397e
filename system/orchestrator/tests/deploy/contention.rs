//! Several at work, and locks that are lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dive_orchestrator::deploy::simulated::{Call, CallKind};
use dive_orchestrator::deploy::{Event, Interrupted};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{ErrorCode, Instance, LEASE, StoreError};
use futures_util::future::join_all;

use crate::crashes::steps_of_a_deployment;
use crate::world::{Command, World};

fn one_of_five_wins(world: &World) {
    let contenders = (0..5).map(|_| World::command(world.engine(), &Instance::Hub, Command::Deploy));
    let began = world.time.since_start();
    let ends = world.run(Box::pin(join_all(contenders.map(|contender| async {
        let end = contender.await;
        (world.time.since_start().saturating_sub(began), end)
    }))));
    let mut won = 0;
    for (after, end) in ends {
        match end {
            Ok(report) => {
                assert_eq!(report.ending, Ending::Complete);
                won += 1;
            }
            Err(Interrupted::Store(error @ StoreError::Contended { .. })) => {
                assert_eq!(error.code(), ErrorCode::InstanceConflict);
                assert!(
                    error.to_string().contains("process") && error.to_string().contains("on here"),
                    "{error}"
                );
                assert!(after < Duration::from_secs(30), "told after {after:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(won, 1);
    world.stands(&Instance::Hub);
}

#[test]
fn of_five_who_deploy_the_same_one_wins_and_the_others_are_told_who() {
    one_of_five_wins(&World::in_memory());
}

#[test]
fn of_five_with_a_sqlite_file_one_wins() {
    one_of_five_wins(&World::on_disk());
}

/// So many steps of a deployment, spread over all of it.
fn instants(count: u64) -> impl Iterator<Item = u64> {
    let steps = steps_of_a_deployment();
    assert!(steps > 1_000, "{steps}");
    (1..=count).map(move |nth| nth * (steps - 20) / count)
}

/// Calls that change something.
fn changes(calls: &[Call]) -> usize {
    use CallKind as K;
    let changes = |call: &&Call| matches!(call.kind, K::Make | K::Unmake | K::Start | K::Stop | K::Remedy);
    calls.iter().filter(changes).count()
}

#[test]
fn a_process_that_was_stopped_past_its_lease_changes_nothing_when_it_goes_on() {
    for stopped_at in instants(25) {
        let world = World::in_memory();
        let mut before = 0;
        let end = world.watch(
            |step| {
                if step == stopped_at {
                    world.time.jump(LEASE);
                    before = changes(&world.machine.calls());
                }
            },
            Box::pin(World::command(world.engine(), &Instance::Hub, Command::Deploy)),
        );
        let end = end.unwrap_err();
        assert!(
            matches!(end, Interrupted::LockLost { .. } | Interrupted::Store(StoreError::LockLost { .. })),
            "{end}"
        );
        assert_eq!(changes(&world.machine.calls()), before, "stopped at {stopped_at}");
        world.is_sound(&Instance::Hub);
        world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
        world.stands(&Instance::Hub);
    }
}

#[test]
fn a_holder_that_cannot_renew_stops_before_its_lease_is_over() {
    let world = World::in_memory();
    let log = Arc::clone(&world.log);
    let has_started = move || log.lock().iter().any(|(_, event)| matches!(event, Event::Started { .. }));
    world.store_fails(move |name| {
        (name == "renew" && has_started()).then(|| StoreError::Unavailable { why: "cut".to_owned() })
    });
    let lost = world.does(&Instance::Hub, Command::Deploy).unwrap_err();
    assert!(matches!(lost, Interrupted::LockLost { .. }), "{lost}");
    let began = world.log.lock().iter().find(|(_, event)| matches!(event, Event::Started { .. })).unwrap().0;
    let last = world.time.since_start();
    assert!(last < began + LEASE, "from {began:?} to {last:?}");
    world.store_heals();
    world.time.jump(LEASE);
    world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
    world.stands(&Instance::Hub);
}

#[test]
fn one_lost_renewal_is_no_matter() {
    let world = World::in_memory();
    let failed = AtomicBool::new(true);
    world.store_fails(move |name| {
        let odd = name == "renew" && failed.fetch_xor(true, Ordering::Relaxed);
        odd.then(|| StoreError::Unavailable { why: "cut".to_owned() })
    });
    world.ends(&Instance::Hub, Command::Deploy, Ending::Complete);
}

#[test]
fn the_database_gone_at_any_instant_leaves_what_can_be_resumed() {
    for gone_at in instants(25) {
        let world = World::in_memory();
        let end = world.watch(
            |step| {
                if step == gone_at {
                    world.database().go_away("the plug was pulled");
                }
            },
            Box::pin(World::command(world.engine(), &Instance::Hub, Command::Deploy)),
        );
        let end = end.unwrap_err();
        assert!(matches!(end.code(), ErrorCode::Database | ErrorCode::InvalidState), "{end}");
        world.database().come_back();
        world.is_sound(&Instance::Hub);
        world.ends(&Instance::Hub, Command::Resume, Ending::Complete);
        world.stands(&Instance::Hub);
    }
}
