//! A small system in the virtual world: every fault is injected, seen, healed; a whole scenario is run.

mod toy;

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use harness_core::event::{Event, Stage, What};
use harness_core::fault::{Direction, Flap, Latency as LatencyFault, OneWay, Slice, Truncate, WrongAnswer};
use harness_core::history::History;
use harness_core::judge::judge;
use harness_core::runner;
use harness_core::scenario::{Anchor, Answers, Claim, Scenario, ScenarioBuilder, Until, Window};
use harness_core::time::HumanDuration;
use harness_core::verdict::Verdict;
use proptest::prelude::*;

use self::toy::Toy;
use super::*;
use crate::{Latency, Sim, SimSettings};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn world(seed: u64) -> (Sim, SimWorld<Toy>) {
    let sim = Sim::new(SimSettings::seeded(seed));
    let links = Links::new(&sim.handle());
    let world = SimWorld::new(&sim.handle(), &links, Toy::new(&sim.handle(), &links));
    (sim, world)
}

fn edge() -> Edge {
    Edge::new("hub", "opa")
}

fn latency(delay: Duration) -> Fault {
    Fault::Latency(LatencyFault {
        edge: edge(),
        delay: HumanDuration(delay),
        jitter: HumanDuration::default(),
    })
}

fn clock_step(back: bool) -> Fault {
    Fault::ClockStep(ClockStep { service: "opa".into(), by: HumanDuration(secs(3_600)), back })
}

/// (the fault, the evidence of its effect, the class of a request's answer under it)
fn table() -> Vec<(Fault, &'static str, &'static str)> {
    let one_way = |lost| Fault::OneWay(OneWay { edge: edge(), lost });
    let wrong = WrongAnswer { edge: edge(), status: 500, body: "{".into() };
    let silence = "a call hub -> opa had no answer within 10.4 ms, and nobody took it up";
    vec![
        (Fault::Stop("opa".into()), "a call hub -> opa failed after 0.4 ms: connection refused", "denied"),
        (Fault::Kill("opa".into()), "a call hub -> opa failed after 0.4 ms: connection refused", "denied"),
        (Fault::Pause("opa".into()), silence, "denied"),
        (Fault::Refuse(edge()), "a call hub -> opa failed after 0.4 ms: connection refused", "denied"),
        (Fault::BlackHole(edge()), silence, "denied"),
        (Fault::Stall(edge()), silence, "denied"),
        (latency(secs(2)), "a call hub -> opa was answered after 2 s", "denied"),
        (latency(ms(300)), "a call hub -> opa was answered after 300.4 ms", "allowed"),
        (Fault::Reset(edge()), "a call hub -> opa failed after 0.4 ms: connection reset by peer", "denied"),
        (one_way(Direction::Up), silence, "denied"),
        (
            one_way(Direction::Down),
            "a call hub -> opa arrived, and no answer came back within 10.4 ms",
            "denied",
        ),
        (
            Fault::WrongAnswer(wrong),
            "a call hub -> opa was answered 500 by an imposter after 0.4 ms",
            "denied",
        ),
        (
            Fault::Truncate(Truncate { edge: edge(), after_bytes: 3 }),
            "a call hub -> opa was answered after 0.4 ms, cut after 3 bytes",
            "denied",
        ),
        (
            clock_step(false),
            "the wall clock of opa went ahead by 3600 s, its monotonic clock did not",
            "allowed",
        ),
        (
            clock_step(true),
            "the wall clock of opa went back by 3600 s, its monotonic clock did not",
            "allowed",
        ),
    ]
}

#[test]
fn every_fault_is_shown_works_and_is_healed() {
    for (fault, evidence, class) in table() {
        let (mut sim, world) = world(1);
        sim.run(async {
            world.start().await.unwrap();
            assert_eq!(world.send("read", 0).await.class, "allowed");
            let shown = world.inject("x", &fault).await.unwrap();
            assert_eq!(shown, Some(Evidence(evidence.into())), "{fault}");
            assert_eq!(world.send("read", 1).await.class, class, "{fault}");
            let healed = world.heal("x").await.unwrap();
            if !matches!(fault, Fault::ClockStep(_)) {
                assert_eq!(healed.evidence.0, "a call hub -> opa was answered after 0.4 ms", "{fault}");
            }
            assert_eq!(world.send("read", 2).await.class, "allowed", "{fault} healed");
            let opa = world.services.node(&"opa".into()).unwrap();
            assert_eq!(opa.wall(), SimSettings::seeded(0).epoch + world.now().since_start());
            assert_eq!(world.heal("x").await.unwrap().evidence.0, "x is not in effect");
            assert_eq!(world.stop().await, Vec::<String>::new(), "{fault}");
        })
        .unwrap();
        assert_eq!(sim.timers(), 0, "{fault}");
    }
}

#[test]
fn a_run_that_ends_in_the_middle_of_any_fault_leaves_nothing_behind() {
    for (fault, ..) in table() {
        let (mut sim, world) = world(1);
        let leftovers = sim.run(async {
            world.start().await.unwrap();
            world.inject("x", &fault).await.unwrap();
            world.stop().await
        });
        assert_eq!((leftovers, sim.timers()), (Ok(Vec::new()), 0), "{fault}");
    }
}

#[test]
fn a_service_comes_back_when_the_last_fault_that_keeps_it_down_is_healed() {
    let (mut sim, world) = world(1);
    sim.run(async {
        world.start().await.unwrap();
        world.inject("stop", &Fault::Stop("opa".into())).await.unwrap();
        world.inject("kill", &Fault::Kill("opa".into())).await.unwrap();
        let first = world.heal("stop").await.unwrap().evidence.0;
        assert!(first.contains("connection refused, for which kill is enough"), "{first}");
        assert_eq!(world.send("read", 0).await.class, "denied");
        let restart = world.strike(&Strike::Restart("opa".into())).await.unwrap_err().to_string();
        assert_eq!(restart, "opa can't be restarted: kill keeps it down");
        world.heal("kill").await.unwrap();
        assert_eq!(world.send("read", 0).await.class, "allowed");
    })
    .unwrap();
}

#[test]
fn strikes_happen_once_and_are_shown() {
    let (mut sim, world) = world(1);
    sim.run(async {
        world.start().await.unwrap();
        let restarted = world.strike(&Strike::Restart("opa".into())).await.unwrap();
        assert_eq!(restarted.unwrap().0, "opa was booted anew and is ready: its life number 2");
        world.inject("slow", &latency(ms(300))).await.unwrap();
        let request = Rc::new(RefCell::new(None));
        let sending = async { *request.borrow_mut() = Some(world.send("read", 0).await.class) };
        let cutting = async {
            world.sim.sleep(ms(100)).await;
            world.strike(&Strike::Cut(edge())).await.unwrap()
        };
        let ((), cut) = futures_util::future::join(sending, cutting).await;
        let evidence = cut.unwrap().0;
        assert!(evidence.ends_with("calls hub -> opa were reset, and a canary with them"), "{evidence}");
        assert!(!evidence.starts_with("0 calls"), "{evidence}");
        assert_eq!(request.take().as_deref(), Some("denied"));
    })
    .unwrap();
}

#[test]
fn refusing_closes_what_is_established_and_resetting_leaves_it_alone() {
    let hop = Latency::default();
    let whole = ms(300) + 2 * (hop.up + hop.down);
    let cut_short = ms(100) + hop.down;
    let table = [(Fault::Refuse(edge()), "denied", cut_short), (Fault::Reset(edge()), "allowed", whole)];
    for (fault, class, took) in table {
        let (mut sim, world) = world(1);
        sim.run(async {
            world.start().await.unwrap();
            world.inject("slow", &latency(ms(300))).await.unwrap();
            let began = world.now();
            let sending = async { (world.send("read", 0).await.class, world.now() - began) };
            let breaking = async {
                world.sim.sleep(ms(100)).await;
                world.inject("x", &fault).await.unwrap()
            };
            let (answer, proof) = futures_util::future::join(sending, breaking).await;
            assert!(proof.is_some(), "{fault}");
            assert_eq!(answer, (class.to_owned(), took), "{fault}");
        })
        .unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn whatever_overlaps_all_is_well_once_all_is_healed(
        seed in any::<u64>(),
        order in proptest::sample::subsequence((0..table().len()).collect::<Vec<_>>(), 0..6).prop_shuffle(),
        healing in any::<u64>(),
    ) {
        let (mut sim, world) = world(seed);
        sim.run(async {
            world.start().await.unwrap();
            let mut names = Vec::new();
            for which in order {
                let name = format!("fault {which}");
                world.inject(&name, &table()[which].0).await.unwrap();
                names.push(name);
            }
            while !names.is_empty() {
                let next = (healing % names.len() as u64) as usize;
                world.heal(&names.swap_remove(next)).await.unwrap();
            }
            assert_eq!(world.send("read", 0).await.class, "allowed");
            let opa = world.services.node(&"opa".into()).unwrap();
            assert_eq!(opa.wall(), SimSettings::seeded(0).epoch + world.now().since_start());
            assert_eq!(world.stop().await, Vec::<String>::new());
        })
        .unwrap();
        prop_assert_eq!(sim.timers(), 0);
    }
}

#[test]
fn what_a_world_of_calls_cannot_do_is_refused_before_it_starts() {
    let (_sim, world) = world(1);
    let slice = Fault::Slice(Slice { edge: edge(), bytes: 1, pause: HumanDuration(ms(1)) });
    let flap = Fault::Flap(Box::new(Flap {
        fault: slice.clone(),
        down: HumanDuration(secs(1)),
        up: HumanDuration(secs(1)),
    }));
    for fault in [slice, flap] {
        assert!(matches!(world.supports(&fault), Err(WorldError::Unsupported { .. })), "{fault}");
    }
    assert!(table().iter().all(|(fault, ..)| world.supports(fault).is_ok()));
}

#[test]
fn a_fault_on_what_is_not_there_fails() {
    let (mut sim, world) = world(1);
    sim.run(async {
        world.start().await.unwrap();
        let service = world.inject("x", &Fault::Stop("oppa".into())).await.unwrap_err();
        assert_eq!(service.to_string(), "there is no service oppa");
        let edge = world.inject("y", &Fault::Stall(Edge::new("opa", "hub"))).await.unwrap_err();
        assert_eq!(edge.to_string(), "nothing is linked over opa -> hub");
    })
    .unwrap();
}

#[test]
fn a_fault_hidden_by_another_is_not_proven() {
    let (mut sim, world) = world(1);
    sim.run(async {
        world.start().await.unwrap();
        world.inject("hole", &Fault::BlackHole(edge())).await.unwrap().unwrap();
        assert_eq!(world.inject("reset", &Fault::Reset(edge())).await.unwrap(), None);
    })
    .unwrap();
}

#[test]
fn a_boot_that_does_not_end_is_an_error_with_the_services_name() {
    let (mut sim, mut world) = world(1);
    world.services = Services::new(&sim.handle(), Toy::stuck(&sim.handle(), &world.links));
    let error = sim.run(world.start()).unwrap().unwrap_err().to_string();
    assert_eq!(error, "opa did not become ready: its boot did not end within 60 s");
    assert_eq!(sim.handle().now(), At::from_start(secs(60)));
}

fn scenario(fault: Fault) -> Scenario {
    let becomes = |value: &str, after, within| Claim::Becomes {
        signal: "hub/opa".into(),
        value: value.into(),
        after,
        not_before: Duration::ZERO,
        within,
    };
    let outage = || Anchor::InEffect("outage".into());
    ScenarioBuilder::new("toy/outage", "toy")
        .load("reads", "read", ms(100))
        .steady("hub/opa", "UP")
        .steady_for(secs(5))
        .fault("outage", fault)
        .expect(becomes("DOWN", outage(), secs(2)))
        .wait(secs(5))
        .expect(Claim::Requests {
            load: "reads".into(),
            answers: Answers::All(vec!["denied".into()]),
            at_least: 40,
            answered_within: Some(secs(1)),
            window: Window { from: outage(), until: Until::Lasting(secs(5)) },
        })
        .heal("outage")
        .expect(becomes("UP", Anchor::Healed("outage".into()), secs(2)))
        .recovery_within(secs(20))
        .build()
}

fn run(seed: u64, scenario: &Scenario) -> (Vec<Event>, u64) {
    let (mut sim, world) = world(seed);
    let recorder = Recorder::new(Vec::new());
    sim.run(runner::run(&world, scenario, 1, &recorder, pending())).unwrap();
    (recorder.into_events(), sim.fingerprint())
}

fn not_held(fault: Fault) -> Vec<(String, Verdict)> {
    let scenario = scenario(fault);
    let history = History::of(run(1, &scenario).0);
    assert!(
        history.fault("outage", Stage::InEffect).is_some()
            && history.fault("outage", Stage::Healed).is_some()
    );
    let findings = judge(&scenario, &history, &[]).findings.into_iter();
    findings
        .filter(|finding| finding.verdict != Verdict::Held)
        .map(|finding| (finding.claim, finding.verdict))
        .collect()
}

#[test]
fn a_scenario_runs_from_steady_state_to_clean_up_and_is_held() {
    assert_eq!(not_held(Fault::Kill("opa".into())), []);
}

#[test]
fn the_same_scenario_with_a_fault_that_changes_nothing_for_the_hub_is_violated() {
    let violated = not_held(latency(ms(1)));
    assert!(
        !violated.is_empty() && violated.iter().all(|(_, verdict)| *verdict == Verdict::Violated),
        "{violated:?}"
    );
}

#[test]
fn the_same_seed_is_the_same_timeline_on_every_thread_and_another_seed_is_not() {
    let jittery = {
        let mut scenario = scenario(Fault::Kill("opa".into()));
        let jitter =
            LatencyFault { edge: edge(), delay: HumanDuration(ms(40)), jitter: HumanDuration(ms(20)) };
        scenario.faults.insert("slow".into(), Fault::Latency(jitter));
        scenario.steps.insert(0, harness_core::scenario::Step::Fault("slow".into()));
        scenario
    };
    let expected = run(1, &jittery);
    assert!(expected.0.iter().any(|event| matches!(event.what, What::Request { .. })));
    std::thread::scope(|threads| {
        let threads: Vec<_> =
            (0..4).map(|_| threads.spawn(|| (0..5).map(|_| run(1, &jittery)).collect::<Vec<_>>())).collect();
        for thread in threads {
            assert!(thread.join().unwrap().iter().all(|seen| *seen == expected));
        }
    });
    assert_ne!(run(2, &jittery), expected);
}
