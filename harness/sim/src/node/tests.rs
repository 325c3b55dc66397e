//! What a node promises: its tasks end together, freeze together; its wall clock is its own.

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::oneshot;

use super::*;
use crate::{Sim, SimSettings};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> At {
    At::from_start(ms(millis))
}

fn sim() -> Sim {
    Sim::new(SimSettings::seeded(3))
}

type Ticks = Arc<Mutex<Vec<At>>>;

fn tick_every_10ms(node: &Node) -> Ticks {
    let ticks = Ticks::default();
    let (own, seen) = (node.clone(), Arc::clone(&ticks));
    node.spawn(
        "tick",
        Box::pin(async move {
            loop {
                own.sleep_until(own.now() + ms(10)).await;
                seen.lock().push(own.now());
            }
        }),
    );
    ticks
}

#[test]
fn a_crash_drops_every_task_at_once_oldest_first_after_the_hooks() {
    struct Dropped(&'static str, Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.1.lock().push(self.0);
        }
    }
    let mut sim = sim();
    let handle = sim.handle();
    let node = handle.node("hub");
    let log = Arc::<Mutex<Vec<&'static str>>>::default();
    let (gone_tx, gone_rx) = oneshot::channel::<()>();
    for name in ["first", "second"] {
        let held = Dropped(name, Arc::clone(&log));
        node.spawn(
            "holder",
            Box::pin(async move {
                let _held = held;
                std::future::pending::<()>().await;
            }),
        );
    }
    node.spawn(
        "answering",
        Box::pin(async move {
            let _held = gone_tx;
            std::future::pending::<()>().await;
        }),
    );
    let hook_log = Arc::clone(&log);
    node.at_end(move || hook_log.lock().push("disk dead"));

    sim.run(async {
        handle.sleep(ms(5)).await;
        node.crash();
        assert_eq!(*log.lock(), ["disk dead", "first", "second"]);
        assert!(gone_rx.await.is_err(), "who waited sees that");
    })
    .unwrap();
    assert_eq!(handle.now(), at(5), "no time passes");
    assert_eq!(handle.live_tasks(), Vec::<String>::new());
}

#[test]
fn after_a_crash_nothing_is_spawned_into_the_old_life_and_the_next_one_runs() {
    let mut sim = sim();
    let handle = sim.handle();
    let first = handle.node("hub");
    let old_ticks = tick_every_10ms(&first);
    let second = sim
        .run(async {
            handle.sleep(ms(25)).await;
            let second = first.next_life();
            let zombie_ticks = tick_every_10ms(&first);
            let new_ticks = tick_every_10ms(&second);
            handle.sleep(ms(25)).await;
            assert_eq!(*zombie_ticks.lock(), []);
            assert_eq!(*new_ticks.lock(), [at(35), at(45)]);
            second
        })
        .unwrap();
    assert_eq!(*old_ticks.lock(), [at(10), at(20)]);
    assert!(!first.is_alive() && second.is_alive());
    assert_eq!(sim.timers(), 1, "the dead life's timers are gone");
}

#[test]
fn a_task_that_crashes_its_own_node_goes_no_further_than_its_next_wait() {
    let mut sim = sim();
    let handle = sim.handle();
    let node = handle.node("hub");
    let reached = Arc::<Mutex<Vec<&'static str>>>::default();
    let (own, log) = (node.clone(), Arc::clone(&reached));
    node.spawn(
        "suicidal",
        Box::pin(async move {
            own.crash();
            log.lock().push("same poll");
            own.sim().sleep(ms(1)).await;
            log.lock().push("next poll");
        }),
    );
    sim.run(handle.sleep(ms(10))).unwrap();
    assert_eq!(*reached.lock(), ["same poll"]);
    assert_eq!(sim.timers(), 0);
}

#[test]
fn a_pause_freezes_and_a_resume_goes_on_with_timers_that_expired_meanwhile() {
    let mut sim = sim();
    let handle = sim.handle();
    let (frozen, other) = (handle.node("frozen"), handle.node("other"));
    let (frozen_ticks, other_ticks) = (tick_every_10ms(&frozen), tick_every_10ms(&other));
    sim.run(async {
        handle.sleep(ms(15)).await;
        frozen.pause();
        assert!(frozen.is_paused());
        handle.sleep(ms(30)).await;
        assert_eq!(*frozen_ticks.lock(), [at(10)], "frozen at 15 ms");
        assert_eq!(*other_ticks.lock(), [at(10), at(20), at(30), at(40)], "nobody else is");
        frozen.resume();
        handle.sleep(ms(15)).await;
    })
    .unwrap();
    // The timer of 20 ms had expired: noticed at once at 45 ms, and the next is ten milliseconds later.
    assert_eq!(*frozen_ticks.lock(), [at(10), at(45), at(55)]);
}

#[test]
fn a_paused_node_can_crash() {
    let mut sim = sim();
    let handle = sim.handle();
    let node = handle.node("hub");
    tick_every_10ms(&node);
    sim.run(async {
        node.pause();
        handle.sleep(ms(15)).await;
        node.crash();
        node.resume();
        assert_eq!(handle.live_tasks(), Vec::<String>::new());
        assert!(!node.is_paused());
    })
    .unwrap();
}

proptest! {
    #[test]
    fn a_clock_step_moves_the_nodes_wall_clock_and_nothing_else(
        steps in proptest::collection::vec(-7_200_000_000_000i64..7_200_000_000_000, 0..10), run_ms in 0u64..100_000,
    ) {
        let mut sim = sim();
        let handle = sim.handle();
        let (stepped, other) = (handle.node("stepped"), handle.node("other"));
        sim.run(handle.sleep(ms(run_ms))).unwrap();
        for step in &steps {
            stepped.step_clock(*step);
        }
        let stepped = stepped.next_life();
        prop_assert_eq!(stepped.now(), at(run_ms));
        let difference = stepped.wall().as_nanos().cast_signed() - other.wall().as_nanos().cast_signed();
        prop_assert_eq!(difference, steps.iter().map(|step| i128::from(*step)).sum::<i128>());
        prop_assert_eq!(other.wall(), SimSettings::seeded(0).epoch + ms(run_ms));
    }
}
