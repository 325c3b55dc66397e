//! What each rule does to a call, and to a call that is already under way: with lower and upper bounds.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{join, join_all};
use harness_core::time::At;
use proptest::prelude::*;

use super::*;
use crate::node::Node;
use crate::{Sim, SimSettings};

const LATENCY: Latency = Latency { up: Duration::from_millis(2), down: Duration::from_millis(3) };

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The callee's service: counts the handlers that began and those that ended.
#[derive(Clone)]
struct Echo {
    clock: SimHandle,
    began: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Echo {
    async fn after(self, work: Duration) -> &'static str {
        self.began.fetch_add(1, Ordering::Relaxed);
        self.clock.sleep(work).await;
        self.ended.fetch_add(1, Ordering::Relaxed);
        "done"
    }
}

/// A caller and a callee with an edge between them.
struct Pair {
    sim: Sim,
    handle: SimHandle,
    callee: Node,
    echo: Echo,
    slot: Slot<Echo>,
    link: Link<Echo>,
    links: Links,
}

type Outcome = Result<Reply<&'static str>, LinkError>;

impl Pair {
    fn new() -> Self {
        Self::seeded(1)
    }

    fn seeded(seed: u64) -> Self {
        let sim = Sim::new(SimSettings::seeded(seed));
        let handle = sim.handle();
        let callee = handle.node("opa");
        let echo = Echo { clock: handle.clone(), began: Arc::default(), ended: Arc::default() };
        let slot = Slot::new();
        slot.occupy(&callee, echo.clone());
        let links = Links::with_latency(&handle, LATENCY);
        let link = links.link(&Edge::new("hub", "opa"), &slot);
        Self { sim, handle, callee, echo, slot, link, links }
    }

    fn parts(&self) -> (SimHandle, Link<Echo>, Arc<Wire>) {
        (self.handle.clone(), self.link.clone(), self.links.wire(&Edge::new("hub", "opa")).unwrap())
    }

    fn began(&self) -> usize {
        self.echo.began.load(Ordering::Relaxed)
    }

    fn ended(&self) -> usize {
        self.echo.ended.load(Ordering::Relaxed)
    }
}

/// A call whose handler takes ten milliseconds, given up after a second; with the time it took.
async fn call(clock: &SimHandle, link: &Link<Echo>) -> (Option<Outcome>, Duration) {
    let began = clock.now();
    let outcome = clock.timeout(ms(1_000), link.call(|echo| echo.after(ms(10)))).await;
    (outcome, clock.now() - began)
}

#[test]
fn a_call_takes_up_latency_plus_work_plus_down_latency() {
    let mut pair = Pair::new();
    let (clock, link, wire) = pair.parts();
    let seen = pair.sim.run(call(&clock, &link)).unwrap();
    assert_eq!(seen, (Some(Ok(Reply::Answer("done"))), ms(15)));
    let expected = Traffic { calls: 1, high_water: 1, answered: 1, ..Traffic::default() };
    assert_eq!(wire.traffic(), expected);
    assert_eq!(pair.sim.timers(), 0);
}

/// (the rule, what a new call gets and after how long, whether the callee's handler ran)
fn table() -> Vec<(Rule, Option<Outcome>, Duration, bool)> {
    let wrong = Reply::Wrong { status: 500, body: "{".into() };
    let truncated = Reply::Truncated { answer: "done", after_bytes: 2 };
    let delay = Rule::Delay { delay: ms(300), jitter: Duration::ZERO };
    vec![
        (Rule::Refuse, Some(Err(LinkError::Refused)), ms(5), false),
        (Rule::Reset, Some(Err(LinkError::Reset)), ms(5), false),
        (Rule::Lose { up: true, down: true }, None, ms(1_000), false),
        (Rule::Lose { up: true, down: false }, None, ms(1_000), false),
        (Rule::Lose { up: false, down: true }, None, ms(1_000), true),
        (Rule::Stall, None, ms(1_000), false),
        (delay, Some(Ok(Reply::Answer("done"))), ms(315), true),
        (Rule::WrongAnswer { status: 500, body: "{".into() }, Some(Ok(wrong)), ms(5), false),
        (Rule::Truncate { after_bytes: 2 }, Some(Ok(truncated)), ms(15), true),
    ]
}

#[test]
fn every_rule_shows_in_a_new_call_and_is_gone_once_lifted() {
    for (rule, outcome, took, handled) in table() {
        let mut pair = Pair::new();
        let (clock, link, wire) = pair.parts();
        let (broken, healed) = pair
            .sim
            .run(async {
                wire.impose("x", rule.clone());
                let broken = call(&clock, &link).await;
                assert!(wire.lift("x") && !wire.lift("x"));
                clock.sleep(ms(100)).await;
                (broken, call(&clock, &link).await)
            })
            .unwrap();
        assert_eq!(broken, (outcome, took), "{rule:?}");
        assert_eq!(healed, (Some(Ok(Reply::Answer("done"))), ms(15)), "{rule:?} lifted");
        assert_eq!(pair.began(), 1 + usize::from(handled), "{rule:?}");
        assert_eq!((pair.sim.timers(), wire.traffic().in_flight), (0, 0), "{rule:?}");
    }
}

#[test]
fn a_call_under_way_meets_a_rule_where_its_answer_arrives() {
    let late = Some(Ok(Reply::Answer("done")));
    let delay = Rule::Delay { delay: ms(300), jitter: Duration::ZERO };
    let table = [
        (Rule::Refuse, late.clone(), ms(15)),
        (Rule::Reset, late.clone(), ms(15)),
        (Rule::Lose { up: true, down: false }, late.clone(), ms(15)),
        (Rule::Lose { up: false, down: true }, None, ms(1_000)),
        (Rule::Lose { up: true, down: true }, None, ms(1_000)),
        (Rule::WrongAnswer { status: 500, body: String::new() }, late.clone(), ms(15)),
        (delay, late, ms(315)),
    ];
    for (rule, outcome, took) in table {
        let mut pair = Pair::new();
        let (clock, link, wire) = pair.parts();
        let imposed = rule.clone();
        pair.handle.node("fault").spawn(
            "impose",
            Box::pin({
                let clock = clock.clone();
                async move {
                    clock.sleep(ms(6)).await;
                    wire.impose("x", imposed);
                }
            }),
        );
        let seen = pair.sim.run(call(&clock, &link)).unwrap();
        assert_eq!(seen, (outcome, took), "{rule:?}");
    }
}

#[test]
fn what_is_stalled_goes_on_when_the_stall_is_lifted_on_the_way_up_and_on_the_way_down() {
    for (imposed_at, ends_at) in [(ms(0), ms(113)), (ms(5), ms(100))] {
        let mut pair = Pair::new();
        let (clock, link, wire) = pair.parts();
        pair.handle.node("fault").spawn(
            "stall",
            Box::pin({
                let clock = clock.clone();
                async move {
                    clock.sleep(imposed_at).await;
                    wire.impose("x", Rule::Stall);
                    clock.sleep_until(At::from_start(ms(100))).await;
                    wire.lift("x");
                }
            }),
        );
        let (outcome, took) = pair.sim.run(call(&clock, &link)).unwrap();
        assert_eq!(outcome, Some(Ok(Reply::Answer("done"))));
        // Held requests: the work still has to be done; held answers: they were already there.
        assert_eq!(took, ends_at, "imposed at {imposed_at:?}");
    }
}

#[test]
fn a_cut_ends_every_call_under_way_at_once_and_no_later_one() {
    let mut pair = Pair::new();
    let (clock, link, wire) = pair.parts();
    let (cut, later) = pair
        .sim
        .run(async {
            let cutter = async {
                clock.sleep(ms(6)).await;
                assert_eq!(wire.cut(LinkError::Reset), 3);
            };
            let calls = join_all((0..3).map(|_| call(&clock, &link)));
            let (cut, ()) = join(calls, cutter).await;
            (cut, call(&clock, &link).await)
        })
        .unwrap();
    assert_eq!(cut, vec![(Some(Err(LinkError::Reset)), ms(6)); 3]);
    assert_eq!(later, (Some(Ok(Reply::Answer("done"))), ms(15)));
    assert_eq!(wire.traffic().high_water, 3);
    assert_eq!((pair.began(), pair.ended()), (4, 1), "who is hung up on does not go on");
    wire.reset_high_water();
    assert_eq!(wire.traffic().high_water, 0);
}

#[test]
fn a_stalled_call_can_be_cut() {
    let mut pair = Pair::new();
    let (clock, link, wire) = pair.parts();
    let seen = pair
        .sim
        .run(async {
            wire.impose("x", Rule::Stall);
            let cutter = async {
                clock.sleep(ms(50)).await;
                wire.cut(LinkError::Closed);
            };
            join(call(&clock, &link), cutter).await.0
        })
        .unwrap();
    assert_eq!(seen, (Some(Err(LinkError::Closed)), ms(50)));
}

#[test]
fn a_callee_that_crashes_resets_its_callers_then_refuses_until_its_next_life() {
    let mut pair = Pair::new();
    let (clock, link, _) = pair.parts();
    let (callee, slot, echo) = (pair.callee.clone(), pair.slot.clone(), pair.echo.clone());
    pair.sim
        .run(async {
            let crash = async {
                clock.sleep(ms(6)).await;
                callee.crash();
            };
            let (under_way, ()) = join(call(&clock, &link), crash).await;
            assert_eq!(under_way, (Some(Err(LinkError::Reset)), ms(6) + LATENCY.down));
            assert_eq!(call(&clock, &link).await, (Some(Err(LinkError::Refused)), ms(5)));
            slot.occupy(&callee.next_life(), echo);
            assert_eq!(call(&clock, &link).await, (Some(Ok(Reply::Answer("done"))), ms(15)));
        })
        .unwrap();
}

#[test]
fn a_paused_callee_answers_nobody_until_it_is_resumed() {
    let mut pair = Pair::new();
    let (clock, link, _) = pair.parts();
    let callee = pair.callee.clone();
    pair.sim
        .run(async {
            callee.pause();
            assert_eq!(call(&clock, &link).await, (None, ms(1_000)));
            let resume = async {
                clock.sleep(ms(100)).await;
                callee.resume();
            };
            let (seen, ()) = join(call(&clock, &link), resume).await;
            assert_eq!(seen, (Some(Ok(Reply::Answer("done"))), ms(100) + ms(10) + LATENCY.down));
        })
        .unwrap();
}

#[test]
fn a_caller_that_hangs_up_ends_the_handler_unless_the_news_is_lost() {
    for (lost, ended) in [(false, 0), (true, 1)] {
        let mut pair = Pair::new();
        let (clock, link, wire) = pair.parts();
        pair.sim
            .run(async {
                let impatient = clock.timeout(ms(5), link.call(|echo| echo.after(ms(10))));
                let fault = async {
                    clock.sleep(ms(3)).await;
                    wire.impose("x", Rule::Lose { up: lost, down: false });
                };
                let (given_up, ()) = join(impatient, fault).await;
                assert_eq!(given_up, None);
                clock.sleep(ms(100)).await;
            })
            .unwrap();
        assert_eq!((pair.began(), pair.ended()), (1, ended), "news lost: {lost}");
        assert_eq!(wire.traffic().abandoned, 1);
    }
}

#[test]
fn a_tap_sees_calls_as_they_begin_and_end_and_probes_are_not_calls() {
    let mut pair = Pair::new();
    let (clock, link, wire) = pair.parts();
    let seen = Arc::<Mutex<Vec<(At, Passing)>>>::default();
    let (log, tap_clock) = (Arc::clone(&seen), clock.clone());
    let tap: Tap = Box::new(move |_, passing| log.lock().push((tap_clock.now(), passing)));
    assert!(pair.links.tap(tap).is_ok());
    let probe = pair
        .sim
        .run(async {
            call(&clock, &link).await;
            wire.probe(ms(100)).await
        })
        .unwrap();
    assert_eq!(probe, Probe { arrived: true, took: ms(5), end: ProbeEnd::Answered });
    let expected = [
        (At::START, Passing::Began { in_flight: 1 }),
        (At::from_start(ms(15)), Passing::Ended { in_flight: 0, ending: Ending::Answered }),
    ];
    assert_eq!(*seen.lock(), expected);
    assert_eq!(wire.traffic().calls, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn jitter_stays_in_its_bounds_and_is_the_seeds_choice(
        seed in any::<u64>(), delay in 0u64..50, jitter in 0u64..80,
    ) {
        let times = |seed| {
            let mut pair = Pair::seeded(seed);
            let (clock, link, wire) = pair.parts();
            wire.impose("slow", Rule::Delay { delay: ms(delay), jitter: ms(jitter) });
            let calls = async {
                let mut times = Vec::new();
                for _ in 0..8 {
                    times.push(call(&clock, &link).await.1);
                }
                times
            };
            pair.sim.run(calls).unwrap()
        };
        let seen = times(seed);
        prop_assert_eq!(&seen, &times(seed));
        if jitter > 0 {
            prop_assert_ne!(&seen, &times(seed.wrapping_add(1)));
        }
        for took in seen {
            prop_assert!(took >= ms(15 + delay.saturating_sub(jitter)) && took <= ms(15 + delay + jitter));
        }
    }

    #[test]
    fn whatever_is_imposed_and_lifted_no_call_is_lost_from_the_count(
        seed in any::<u64>(), faults in proptest::collection::vec((0usize..9, 0u64..40, 0u64..60), 0..6),
    ) {
        let mut pair = Pair::seeded(seed);
        let (clock, link, wire) = pair.parts();
        let node = pair.handle.node("fault");
        for (n, (which, from, lasting)) in faults.into_iter().enumerate() {
            let (clock, wire, rule) = (clock.clone(), Arc::clone(&wire), table().swap_remove(which).0);
            node.spawn("fault", Box::pin(async move {
                clock.sleep(ms(from)).await;
                wire.impose(&n.to_string(), rule);
                clock.sleep(ms(lasting)).await;
                wire.lift(&n.to_string());
            }));
        }
        let callers = join_all((0..10).map(|n| {
            let (clock, link) = (clock.clone(), link.clone());
            async move {
                clock.sleep(ms(n * 7)).await;
                call(&clock, &link).await
            }
        }));
        let outcomes = pair.sim.run(callers).unwrap();
        pair.sim.run(clock.sleep(ms(200))).unwrap();
        let traffic = wire.traffic();
        prop_assert_eq!(traffic.calls, 10);
        prop_assert_eq!(traffic.in_flight, 0);
        prop_assert_eq!(traffic.answered + traffic.failed + traffic.abandoned, 10);
        prop_assert_eq!(outcomes.iter().filter(|(outcome, _)| outcome.is_none()).count() as u64, traffic.abandoned);
        prop_assert_eq!(pair.sim.timers(), 0);
    }
}
