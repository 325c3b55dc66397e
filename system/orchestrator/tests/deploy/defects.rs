//! Known defects put back: each is seen by what these tests hold deployments to.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use dive_orchestrator::deploy::simulated::{CallKind, Fault, failure};
use dive_orchestrator::{ErrorCode, Instance, Service};
use dive_runtime::{Monotonic, Runtime, Task, Wall};

use crate::faulty::{Defect, Faulty};
use crate::time::Time;
use crate::world::{Command, World};

fn world_with(defect: Defect) -> World {
    let mut world = World::in_memory();
    world.platform = Arc::new(Faulty { defect, machine: Arc::new(world.machine.clone()), late: None });
    world
}

/// Whether what the tests hold deployments to is broken.
fn is_seen(defect: Defect, break_it: impl Fn(&World)) -> bool {
    let world = world_with(defect);
    break_it(&world);
    let judged = catch_unwind(AssertUnwindSafe(|| {
        let _ = world.does(&Instance::Hub, Command::Deploy);
        world.is_sound(&Instance::Hub);
        let _ = world.does(&Instance::Hub, Command::Rollback(None));
        world.is_gone(&Instance::Hub);
    }));
    judged.is_err()
}

#[test]
fn running_taken_for_healthy_is_seen() {
    assert!(!is_seen(Defect::None, |_| {}));
    assert!(is_seen(Defect::RunningIsHealthy, |_| {}));
}

#[test]
fn a_next_level_that_starts_though_the_last_failed_is_seen() {
    let opa_fails = |world: &World| {
        world.machine.takes(Service::Opa, Duration::from_secs(1_000_000));
        world.machine.breaks(|call| {
            let hit = call.kind == CallKind::Rung && call.subject == "opa";
            hit.then(|| Fault::Fails(failure(ErrorCode::ContainerUnhealthy)))
        });
    };
    assert!(!is_seen(Defect::None, opa_fails));
    assert!(is_seen(Defect::FailedIsUp, opa_fails));
}

#[test]
fn what_is_made_before_it_is_written_down_is_seen_when_cut_there() {
    let unwritten = |defect| {
        (0..200).any(|steps| {
            let world = world_with(defect);
            let work = Box::pin(World::command(world.engine(), &Instance::Hub, Command::Deploy));
            assert!(world.cut(Some(steps), work).is_none());
            !world.there(&Instance::Hub).is_subset(&world.written_down(&Instance::Hub))
        })
    };
    assert!(!unwritten(Defect::None));
    assert!(unwritten(Defect::MadeWhenFound));
}

#[test]
fn undoing_that_undoes_nothing_is_seen() {
    assert!(is_seen(Defect::RemovesNothing, |_| {}));
}

/// Time in which nobody waits between two tries.
struct Impatient(Time);

impl Runtime for Impatient {
    fn now(&self) -> Monotonic {
        self.0.now()
    }
    fn wall(&self) -> Wall {
        self.0.wall()
    }
    fn sleep_until(&self, deadline: Monotonic) -> Task {
        // All waits alike: what a loop around every call does.
        self.0.sleep_until(deadline.min(self.0.now() + Duration::from_secs(2)))
    }
    fn spawn(&self, name: &'static str, task: Task) {
        self.0.spawn(name, task);
    }
}

#[test]
fn waits_that_are_not_those_of_the_matrix_are_seen() {
    let waited = |impatient: bool| {
        let world = World::in_memory();
        world.machine.breaks(|call| {
            let hit = call.kind == CallKind::Make && call.subject == "hub/secrets/keycloak.1";
            hit.then(|| Fault::Fails(failure(ErrorCode::SecretLoad)))
        });
        let mut engine = world.engine();
        if impatient {
            engine.runtime = Arc::new(Impatient(world.time.clone()));
        }
        let _ = world.run(Box::pin(World::command(engine, &Instance::Hub, Command::Deploy)));
        let calls = world.log.lock();
        let failed = calls.iter().filter(|(_, event)| event.to_string().contains("failed: 1004"));
        let at: Vec<_> = failed.map(|(at, _)| *at).collect();
        at.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect::<Vec<_>>()
    };
    // 5, 10 and 20 s, with 0 to 2 s by chance: 1 here; and what the call itself takes.
    let by_the_matrix = |waits: &[Duration]| {
        let row = [6.0, 11.0, 21.0];
        waits.len() >= 3
            && waits.iter().zip(row).all(|(wait, row)| (row..row + 1.0).contains(&wait.as_secs_f64()))
    };
    assert!(by_the_matrix(&waited(false)), "{:?}", waited(false));
    assert!(!by_the_matrix(&waited(true)), "{:?}", waited(true));
}
