//! What the executor promises: order, time, ends.

use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::{Notify, mpsc, oneshot};

use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(since_start: Duration) -> At {
    At::from_start(since_start)
}

fn sim(seed: u64) -> Sim {
    Sim::new(SimSettings::seeded(seed))
}

#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<(At, usize)>>>);

impl Trace {
    fn add(&self, at: At, who: usize) {
        self.0.lock().push((at, who));
    }

    fn taken(&self) -> Vec<(At, usize)> {
        std::mem::take(&mut self.0.lock())
    }
}

/// Eight tasks that all tick every ten milliseconds: at each tick the seed decides who comes first.
fn ticking(seed: u64, order: ReadyOrder) -> (Vec<(At, usize)>, u64) {
    let mut sim = Sim::new(SimSettings { ready_order: order, ..SimSettings::seeded(seed) });
    let handle = sim.handle();
    let node = handle.node("n");
    let trace = Trace::default();
    for who in 0..8 {
        let (clock, trace) = (handle.clone(), trace.clone());
        node.spawn(
            "tick",
            Box::pin(async move {
                for tick in 1..=5 {
                    clock.sleep_until(at(ms(10 * tick))).await;
                    trace.add(clock.now(), who);
                }
            }),
        );
    }
    sim.run(handle.sleep(ms(100))).unwrap();
    (trace.taken(), sim.fingerprint())
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another_order_of_equal_deadlines() {
    for order in [ReadyOrder::Fifo, ReadyOrder::Seeded] {
        assert_eq!(ticking(1, order), ticking(1, order));
        let (one, one_print) = ticking(1, order);
        let (two, two_print) = ticking(2, order);
        assert_ne!(one, two);
        assert_ne!(one_print, two_print);
        let sorted = |mut trace: Vec<(At, usize)>| {
            trace.sort_unstable();
            trace
        };
        assert_eq!(sorted(one), sorted(two), "only the order differs");
    }
}

#[test]
fn twenty_runs_on_four_threads_are_one_run() {
    let expected = ticking(7, ReadyOrder::Seeded);
    let runs: Vec<_> = std::thread::scope(|threads| {
        let threads: Vec<_> = (0..4)
            .map(|_| threads.spawn(|| (0..5).map(|_| ticking(7, ReadyOrder::Seeded)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(runs.len(), 20);
    assert!(runs.iter().all(|run| *run == expected));
}

#[test]
fn every_order_of_three_equal_deadlines_is_reached_by_some_seed() {
    let orders: std::collections::BTreeSet<Vec<usize>> = (0..100)
        .map(|seed| {
            let mut sim = sim(seed);
            let handle = sim.handle();
            let node = handle.node("n");
            let trace = Trace::default();
            for who in 0..3 {
                let (clock, trace) = (handle.clone(), trace.clone());
                node.spawn(
                    "once",
                    Box::pin(async move {
                        clock.sleep(ms(1)).await;
                        trace.add(clock.now(), who);
                    }),
                );
            }
            sim.run(handle.sleep(ms(2))).unwrap();
            trace.taken().into_iter().map(|(_, who)| who).collect()
        })
        .collect();
    assert_eq!(orders.len(), 6);
}

proptest! {
    #[test]
    fn a_sleep_ends_at_its_deadline_to_the_nanosecond_and_a_dropped_one_leaves_no_timer(
        seed in any::<u64>(),
        sleeps in proptest::collection::vec((0u64..1_000_000, proptest::option::of(0u64..1_000_000)), 0..40),
    ) {
        let mut sim = sim(seed);
        let handle = sim.handle();
        let node = handle.node("n");
        let trace = Trace::default();
        for (who, &(nanos, given_up)) in sleeps.iter().enumerate() {
            let (clock, trace) = (handle.clone(), trace.clone());
            node.spawn("sleeper", Box::pin(async move {
                let sleep = clock.sleep(Duration::from_nanos(nanos));
                match given_up {
                    None => sleep.await,
                    Some(limit) => {
                        if clock.timeout(Duration::from_nanos(limit), sleep).await.is_none() {
                            return;
                        }
                    }
                }
                trace.add(clock.now(), who);
            }));
        }
        sim.run(handle.sleep(Duration::from_millis(2))).unwrap();
        let mut seen = trace.taken();
        prop_assert!(seen.is_sorted_by_key(|(at, _)| *at));
        seen.sort_unstable_by_key(|(_, who)| *who);
        let expected: Vec<_> = sleeps
            .iter()
            .enumerate()
            .filter(|(_, (nanos, limit))| limit.is_none_or(|limit| *nanos <= limit))
            .map(|(who, (nanos, _))| (at(Duration::from_nanos(*nanos)), who))
            .collect();
        prop_assert_eq!(seen, expected, "at equal deadlines the work wins over its limit");
        prop_assert_eq!(sim.timers(), 0);
        prop_assert_eq!(handle.live_tasks(), Vec::<String>::new());
    }
}

#[test]
fn a_sleep_that_another_task_takes_over_wakes_that_one() {
    let mut sim = sim(1);
    let handle = sim.handle();
    let mut sleep = Box::pin(handle.sleep(ms(5)));
    let polled = sim.run(std::future::poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_pending())));
    assert_eq!((polled, sim.timers()), (Ok(true), 1));
    let (done_tx, done_rx) = oneshot::channel();
    handle.node("heir").spawn(
        "heir",
        Box::pin(async move {
            sleep.await;
            done_tx.send(()).unwrap();
        }),
    );
    assert_eq!(sim.run(done_rx), Ok(Ok(())));
    assert_eq!((handle.now(), sim.timers()), (at(ms(5)), 0));
}

#[test]
fn time_stands_still_while_anything_is_ready() {
    let mut sim = sim(1);
    let handle = sim.handle();
    let node = handle.node("n");
    let trace = Trace::default();
    for who in 0..3 {
        let (clock, trace) = (handle.clone(), trace.clone());
        node.spawn(
            "busy",
            Box::pin(async move {
                for _ in 0..100 {
                    yield_once().await;
                }
                trace.add(clock.now(), who);
            }),
        );
    }
    sim.run(handle.sleep(ms(1))).unwrap();
    assert_eq!(trace.taken(), [(At::START, 0), (At::START, 1), (At::START, 2)]);
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn the_root_need_not_be_send_and_may_borrow() {
    let mut sim = sim(1);
    let handle = sim.handle();
    let local = std::rc::Rc::new(std::cell::Cell::new(0));
    let output = sim.run(async {
        handle.sleep(ms(5)).await;
        local.set(3);
        local.get()
    });
    assert_eq!(output, Ok(3));
    assert_eq!(handle.now(), at(ms(5)));
}

#[test]
fn a_second_run_goes_on_where_the_first_ended() {
    let mut sim = sim(1);
    let handle = sim.handle();
    let node = handle.node("n");
    let trace = Trace::default();
    let (clock, log) = (handle.clone(), trace.clone());
    node.spawn(
        "tick",
        Box::pin(async move {
            for who in 0.. {
                clock.sleep(ms(10)).await;
                log.add(clock.now(), who);
            }
        }),
    );
    sim.run(handle.sleep(ms(15))).unwrap();
    assert_eq!(trace.taken(), [(at(ms(10)), 0)]);
    sim.run(handle.sleep(ms(10))).unwrap();
    assert_eq!(trace.taken(), [(at(ms(20)), 1)]);
}

#[test]
fn tokio_channels_locks_and_notifications_work_inside() {
    let mut sim = sim(1);
    let handle = sim.handle();
    let node = handle.node("n");
    let (tx, mut rx) = mpsc::channel::<u32>(1);
    let (done_tx, done_rx) = oneshot::channel::<u32>();
    let notify = Arc::new(Notify::new());
    let total = Arc::new(tokio::sync::Mutex::new(0));

    let (go, clock) = (Arc::clone(&notify), handle.clone());
    node.spawn(
        "producer",
        Box::pin(async move {
            go.notified().await;
            for n in 1..=10 {
                clock.sleep(ms(1)).await;
                tx.send(n).await.unwrap();
            }
        }),
    );
    let sum = Arc::clone(&total);
    node.spawn(
        "consumer",
        Box::pin(async move {
            while let Some(n) = rx.recv().await {
                *sum.lock().await += n;
            }
            done_tx.send(*sum.lock().await).unwrap();
        }),
    );
    let output = sim.run(async {
        handle.sleep(ms(3)).await;
        notify.notify_one();
        done_rx.await.unwrap()
    });
    assert_eq!(output, Ok(55));
    assert_eq!(handle.now(), at(ms(13)));
}

#[test]
fn an_axum_router_answers_inside() {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;

    let mut sim = sim(1);
    let handle = sim.handle();
    let clock = handle.clone();
    let router = axum::Router::new().route(
        "/slow",
        axum::routing::get(move || async move {
            clock.sleep(ms(7)).await;
            "done"
        }),
    );
    let status = sim
        .run(async {
            router.oneshot(Request::get("/slow").body(Body::empty()).unwrap()).await.unwrap().status()
        })
        .unwrap();
    assert_eq!((status, handle.now()), (StatusCode::OK, at(ms(7))));
}

#[test]
fn a_panic_in_any_task_fails_the_run_with_its_name() {
    let mut sim = sim(1);
    let handle = sim.handle();
    let node = handle.node("hub");
    let clock = handle.clone();
    node.spawn(
        "poller",
        Box::pin(async move {
            clock.sleep(ms(3)).await;
            panic!("no policy after {}", 3);
        }),
    );
    let error = sim.run(handle.sleep(ms(10))).unwrap_err();
    let expected =
        SimError::Panicked { task: "hub/poller".into(), at: at(ms(3)), message: "no policy after 3".into() };
    assert_eq!(error, expected);
}

#[test]
fn a_deadlock_names_who_waits() {
    let mut sim = sim(1);
    let handle = sim.handle();
    let (hub, opa) = (handle.node("hub"), handle.node("opa"));
    hub.spawn("audit", Box::pin(std::future::pending()));
    opa.spawn("server", Box::pin(std::future::pending()));
    opa.pause();
    let error = sim.run(std::future::pending::<()>()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "deadlock at t+0.000s: nothing can happen any more; waiting: hub/audit, opa/server (paused)"
    );
}

#[test]
fn tasks_that_wake_each_other_for_ever_are_named() {
    let mut sim = Sim::new(SimSettings { polls_per_instant: 1_000, ..SimSettings::seeded(1) });
    let handle = sim.handle();
    let node = handle.node("hub");
    node.spawn(
        "spinner",
        Box::pin(async {
            loop {
                yield_once().await;
            }
        }),
    );
    let error = sim.run(handle.sleep(ms(1))).unwrap_err();
    assert_eq!(error, SimError::Livelock { at: At::START, polls: 1_000, busy: vec!["hub/spinner".into()] });
}

#[test]
fn a_run_that_would_pass_its_horizon_fails() {
    let horizon = Duration::from_secs(60);
    let mut sim = Sim::new(SimSettings { horizon, ..SimSettings::seeded(1) });
    let handle = sim.handle();
    let clock = handle.clone();
    handle.node("hub").spawn(
        "poller",
        Box::pin(async move {
            loop {
                clock.sleep(Duration::from_secs(5)).await;
            }
        }),
    );
    let error = sim.run(std::future::pending::<()>()).unwrap_err();
    assert_eq!(error, SimError::Horizon { horizon, waiting: vec!["hub/poller".into()] });
    assert_eq!(handle.now(), at(horizon), "it ran up to the horizon");
}

#[test]
fn dropping_the_simulation_drops_what_its_tasks_hold() {
    let sim = sim(1);
    let handle = sim.handle();
    let held = Arc::new(());
    let (clock, holding) = (handle.clone(), Arc::clone(&held));
    let node = handle.node("n");
    let own = node.clone();
    node.spawn(
        "holder",
        Box::pin(async move {
            let _held = (holding, own);
            clock.sleep(ms(1)).await;
        }),
    );
    assert_eq!(Arc::strong_count(&held), 2);
    drop(sim);
    assert_eq!(Arc::strong_count(&held), 1);
}
