//! Corners that random draws seldom meet, each by its name.

use std::time::Duration;

use harness_core::event::{Answer, Phase, Stage, What};
use harness_core::fault::{Edge, Strike};
use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::judge::{Decision, Observed, claim, judge};
use harness_core::scenario::{Anchor, Answers, Claim, Scenario, ScenarioBuilder, Step, Until, Window};
use harness_core::time::{At, Span};
use harness_core::verdict::{Axis, Finding, Verdict};

use crate::draw::{at, history, ns};
use crate::events::{becomes, ended, exactly, outage, phase, signal, stage, stopped, verdicts};

#[test]
fn a_fault_injected_twice_is_another_anchor_each_time() {
    let scenario = ScenarioBuilder::new("a/b", "t")
        .fault("outage", stopped())
        .expect(becomes("OPEN", outage(), 10))
        .heal("outage")
        .expect(becomes("CLOSED", Anchor::Healed("outage".into()), 10))
        .fault("outage", stopped())
        .expect(becomes("OPEN", outage(), 10))
        .heal("outage")
        .expect(becomes("CLOSED", Anchor::Healed("outage".into()), 10))
        .build();
    let cycle = |start: u64, opened_after: u64| {
        [
            stage(start, "outage", Stage::Injecting),
            stage(start, "outage", Stage::InEffect),
            signal(start + opened_after, "circuit", "OPEN"),
            stage(start + 30, "outage", Stage::Healed),
            signal(start + 35, "circuit", "CLOSED"),
        ]
    };
    let run = [phase(0, Phase::Experiment)]
        .into_iter()
        .chain(cycle(10, 5))
        .chain(cycle(100, 15)) // too late, this time
        .chain([phase(150, Phase::Recovery)])
        .chain(ended(200));
    let found = verdicts(&judge(&scenario, &history(run), &[]));
    assert_eq!(found, [Verdict::Held, Verdict::Held, Verdict::Violated, Verdict::Held]);
}

#[test]
fn an_expectation_that_refers_to_itself_or_to_a_later_one_never_comes() {
    let met = |name: &str| Anchor::Met(name.into());
    let scenario = ScenarioBuilder::new("a/b", "t")
        .expect_as("self", becomes("OPEN", met("self"), 10))
        .expect_as("early", becomes("OPEN", met("late"), 10))
        .expect_as("late", becomes("OPEN", met("early"), 10))
        .build();
    let run = [phase(0, Phase::Experiment), signal(5, "circuit", "OPEN")].into_iter().chain(ended(50));
    let judgement = judge(&scenario, &history(run), &[]);
    assert_eq!(verdicts(&judgement), [Verdict::Inconclusive; 3]);
    assert!(judgement.findings[0].why.contains("never came to self"), "{}", judgement.findings[0].why);
}

#[test]
fn what_came_before_the_change_that_is_the_anchor_is_not_after_it_however_close() {
    let met = |name: &str| Anchor::Met(name.into());
    let scenario = ScenarioBuilder::new("a/b", "t")
        .expect_as("probing", becomes("HALF_OPEN", Anchor::Start, 10))
        .expect_as("failed", becomes("OPEN", met("probing"), 10))
        .expect(becomes("OPEN", met("failed"), 5))
        .build();
    let run = |more: &[(Span, What)]| {
        let run = [
            phase(1, Phase::Experiment),
            // All three within a tick: they are known to have come in this order.
            signal(3, "circuit", "OPEN"),
            signal(3, "circuit", "HALF_OPEN"),
            signal(9, "circuit", "OPEN"),
        ];
        let found = judge(&scenario, &history(run.into_iter().chain(more.to_vec()).chain(ended(50))), &[]);
        (verdicts(&found), found.findings[1].seen)
    };
    let once = run(&[]);
    assert_eq!(once, (vec![Verdict::Held, Verdict::Held, Verdict::Violated], Some(Span::exactly(at(9)))));
    let twice = run(&[signal(9, "circuit", "CLOSED"), signal(9, "circuit", "OPEN")]);
    assert_eq!(twice, (vec![Verdict::Held; 3], Some(Span::exactly(at(9)))));
}

#[test]
fn what_is_counted_from_an_expectation_is_counted_from_when_it_came_about() {
    let stays = Claim::Stays {
        signal: "circuit".into(),
        values: vec!["CLOSED".into()],
        window: Window { from: Anchor::Start, until: Until::Lasting(ns(20)) },
    };
    let scenario = ScenarioBuilder::new("a/b", "t")
        .expect_as("opened", becomes("OPEN", Anchor::Start, 10))
        .expect(becomes("CLOSED", Anchor::Met("opened".into()), 10))
        .expect_as("quiet", stays)
        .expect(becomes("CLOSED", Anchor::Met("quiet".into()), 10))
        .build();
    let run = [
        signal(0, "circuit", "CLOSED"),
        phase(1, Phase::Experiment),
        signal(30, "circuit", "OPEN"), // late, yet it is when it opened
        signal(38, "circuit", "CLOSED"),
    ];
    let judgement = judge(&scenario, &history(run.clone().into_iter().chain(ended(90))), &[]);
    let [late, counted, quiet, after_quiet] = verdicts(&judgement)[..] else { panic!("four claims") };
    assert_eq!([late, counted, quiet], [Verdict::Violated, Verdict::Held, Verdict::Held]);
    // The window of `quiet` ended at 21; the next turn came at 38.
    assert_eq!(after_quiet, Verdict::Violated);

    // A window that was broken never ended well: nothing can be counted from it.
    let broken = run.into_iter().chain([signal(3, "circuit", "OPEN"), signal(4, "circuit", "CLOSED")]);
    let judgement = judge(&scenario, &history(broken.chain(ended(90))), &[]);
    assert_eq!(verdicts(&judgement)[2..], [Verdict::Violated, Verdict::Inconclusive]);
}

#[test]
fn a_window_that_ends_before_it_begins_shows_nothing() {
    let window = Window { from: Anchor::Healed("outage".into()), until: Until::Anchor(outage()) };
    let never =
        Claim::Turns { signal: "circuit".into(), value: "OPEN".into(), at_least: 0, at_most: 0, window };
    let scenario =
        ScenarioBuilder::new("a/b", "t").fault("outage", stopped()).heal("outage").expect(never).build();
    let run = [
        phase(0, Phase::Experiment),
        stage(10, "outage", Stage::Injecting),
        stage(10, "outage", Stage::InEffect),
        stage(20, "outage", Stage::Healed),
    ];
    let judgement = judge(&scenario, &history(run.into_iter().chain(ended(50))), &[]);
    assert_eq!(verdicts(&judgement), [Verdict::Inconclusive]);
    assert!(judgement.findings[0].why.contains("the window is empty"), "{}", judgement.findings[0].why);
}

#[test]
fn nothing_follows_from_a_fault_whose_effect_was_not_seen() {
    let scenario = ScenarioBuilder::new("a/b", "t")
        .fault("outage", stopped())
        .expect(becomes("OPEN", outage(), 10))
        .heal("outage")
        .expect(becomes("CLOSED", Anchor::Healed("outage".into()), 10))
        .build();
    let run = [
        phase(0, Phase::Experiment),
        signal(0, "circuit", "CLOSED"),
        stage(10, "outage", Stage::Injecting),
        stage(10, "outage", Stage::Unproven),
        stage(20, "outage", Stage::Healed),
    ];
    let judgement = judge(&scenario, &history(run.into_iter().chain(ended(90))), &[]);
    assert_eq!(verdicts(&judgement), [Verdict::Inconclusive; 3]);
}

#[test]
fn a_fault_that_can_not_be_healed_is_not_held_against_the_system_and_what_was_before_is() {
    let scenario = ScenarioBuilder::new("a/b", "t")
        .fault("outage", stopped())
        .expect(becomes("OPEN", outage(), 5))
        .heal("outage")
        .expect(becomes("CLOSED", outage(), 40))
        .build();
    let of = |healed| {
        let run = [
            phase(0, Phase::Experiment),
            signal(0, "circuit", "CLOSED"),
            stage(10, "outage", Stage::Injecting),
            stage(10, "outage", Stage::InEffect),
            signal(18, "circuit", "OPEN"),
            stage(20, "outage", Stage::Healing),
            stage(20, "outage", healed),
        ];
        let judgement = judge(&scenario, &history(run.into_iter().chain(ended(90))), &[]);
        let expectations: Vec<_> =
            judgement.findings.iter().filter(|f| f.claim.contains("becomes")).collect();
        [expectations[0].verdict, expectations[1].verdict]
    };
    assert_eq!(of(Stage::Healed), [Verdict::Violated, Verdict::Violated]);
    assert_eq!(of(Stage::Failed), [Verdict::Violated, Verdict::Inconclusive]);
}

#[test]
fn a_strike_without_effect_and_a_step_left_out_are_not_green() {
    let cut = || Strike::Cut(Edge::new("hub", "opa"));
    let scenario = ScenarioBuilder::new("a/b", "t").strike("cut", cut()).build();
    let struck = |evidence| exactly(5, What::Strike { name: "cut".into(), strike: cut(), evidence });
    let of = |middle: Option<(Span, What)>| {
        let run = [phase(0, Phase::Experiment)].into_iter().chain(middle);
        verdicts(&judge(&scenario, &history(run.chain(ended(50))), &[]))
    };
    assert_eq!(of(Some(struck(Some("3 connections reset".into())))), []);
    assert_eq!(of(Some(struck(None))), [Verdict::Inconclusive]);
    assert_eq!(of(None), [Verdict::Inconclusive], "it was never done");
}

#[test]
fn silence_after_an_interruption_is_no_evidence() {
    let scenario = ScenarioBuilder::new("a/b", "t").expect(becomes("OPEN", Anchor::Start, 30)).build();
    let run = |clean_up: u64| {
        history([
            phase(0, Phase::Experiment),
            phase(clean_up, Phase::CleanUp),
            // Taking things down takes long, and nobody watches the circuit meanwhile.
            exactly(100, What::TornDown { leftovers: Vec::new() }),
            exactly(100, What::End { interrupted: Some("Ctrl-C".into()) }),
        ])
    };
    assert_eq!(verdicts(&judge(&scenario, &run(10), &[])), [Verdict::Inconclusive; 2]);
    assert_eq!(verdicts(&judge(&scenario, &run(31), &[])), [Verdict::Inconclusive, Verdict::Violated]);
}

#[test]
fn a_record_cut_short_counts_up_to_the_last_thing_the_runner_did() {
    let scenario = ScenarioBuilder::new("a/b", "t").expect(becomes("OPEN", Anchor::Start, 30)).build();
    let note = exactly(90, What::Note { text: "something".into() });
    let cut = |events: Vec<_>| verdicts(&judge(&scenario, &history(events), &[]));
    let seen_on = |events: Vec<_>| [vec![phase(0, Phase::Experiment)], events, vec![note.clone()]].concat();
    assert_eq!(cut(seen_on(vec![])), [Verdict::Inconclusive; 2]);
    let acted = seen_on(vec![phase(40, Phase::Recovery)]);
    assert_eq!(cut(acted), [Verdict::Inconclusive, Verdict::Violated]);
}

#[test]
fn a_trigger_that_did_not_fire_is_violated_unless_it_may_have_been_missed() {
    let scenario = ScenarioBuilder::new("a/b", "t")
        .step(Step::Until { name: None, signal: "circuit".into(), value: "OPEN".into(), within: ns(20) })
        .step(Step::Until { name: None, signal: "circuit".into(), value: "OPEN".into(), within: ns(20) })
        .build();
    let reached = |(lo, hi), in_time| {
        let what = What::Reached { name: None, signal: "circuit".into(), value: "OPEN".into(), in_time };
        (Span { lo: at(lo), hi: at(hi) }, what)
    };
    let found = |extra: Vec<(Span, What)>| {
        let run = [phase(0, Phase::Experiment), reached((5, 5), true), reached((10, 30), false)];
        verdicts(&judge(&scenario, &history(run.into_iter().chain(extra).chain(ended(90))), &[]))
    };
    assert_eq!(found(vec![]), [Verdict::Violated], "the second of the two, once");
    let span = Span { lo: at(12), hi: at(14) };
    let blind = What::Blind { prefix: "circuit".into(), why: "no answer".into() };
    assert_eq!(found(vec![(span, blind)]), [Verdict::Inconclusive]);
    assert_eq!(found(vec![(span, What::Stall)]), [Verdict::Inconclusive]);
}

fn recovery(events: Vec<(Span, What)>, end: u64) -> Finding {
    let scenario = ScenarioBuilder::new("a/b", "t")
        .steady("circuit", "CLOSED")
        .steady_for(ns(5))
        .recovery_within(ns(20))
        .build();
    let run = [phase(0, Phase::Experiment), signal(0, "circuit", "OPEN"), phase(100, Phase::Recovery)];
    let run = run.into_iter().chain(events).chain(ended(end));
    let findings = judge(&scenario, &history(run), &[]).findings;
    findings.into_iter().find(|finding| finding.axis == Axis::Recovery).expect("recovery is always judged")
}

#[test]
fn recovery_is_back_in_time_and_stays() {
    let closed = |ticks| signal(ticks, "circuit", "CLOSED");
    let open = |ticks| signal(ticks, "circuit", "OPEN");
    let blind = |lo, hi| {
        (Span { lo: at(lo), hi: at(hi) }, What::Blind { prefix: String::new(), why: "no answer".into() })
    };
    let of = |events, end| recovery(events, end).verdict;

    assert_eq!(of(vec![closed(50)], 110), Verdict::Held, "it was back before");
    assert_eq!(of(vec![closed(120)], 130), Verdict::Held);
    assert_eq!(of(vec![closed(121)], 130), Verdict::Violated);
    assert_eq!(of(vec![closed(110), open(115), closed(122)], 130), Verdict::Violated, "a relapse");
    assert_eq!(of(vec![], 130), Verdict::Violated, "it never came back");
    assert_eq!(of(vec![], 115), Verdict::Inconclusive, "the run ended before its time was up");
    assert_eq!(of(vec![closed(112)], 115), Verdict::Inconclusive, "it did not last long enough");
    assert_eq!(of(vec![closed(104), blind(108, 112)], 130), Verdict::Held, "seen again in time");
    assert_eq!(of(vec![closed(104), blind(108, 122)], 130), Verdict::Inconclusive);
    assert_eq!(of(vec![blind(110, 130)], 130), Verdict::Inconclusive);
    let stall = (Span { lo: at(102), hi: at(106) }, What::Stall);
    assert_eq!(of(vec![stall.clone(), closed(124)], 140), Verdict::Inconclusive, "a stall accounts for it");
    assert_eq!(of(vec![stall, closed(125)], 140), Verdict::Violated);
}

#[test]
fn what_stays_from_the_moment_it_was_met_was_not_so_before_it() {
    let degraded = |ticks: (u64, u64)| {
        let at = Span { lo: at(ticks.0), hi: at(ticks.1) };
        (at, What::Signal { signal: "status".into(), value: "degraded".into(), was: None })
    };
    let window = Window { from: Anchor::Met("noticed".into()), until: Until::Lasting(ns(50)) };
    let met = Claim::Becomes {
        signal: "status".into(),
        value: "degraded".into(),
        after: Anchor::Start,
        not_before: ns(0),
        within: ns(40),
    };
    let stays = Claim::Stays { signal: "status".into(), values: vec!["degraded".into()], window };
    let scenario = ScenarioBuilder::new("a/b", "t").expect_as("noticed", met).expect(stays).build();
    let of = |events: Vec<(Span, What)>| {
        let run = [signal(0, "status", "up"), phase(1, Phase::Experiment)];
        let run = run.into_iter().chain(events).chain(ended(200));
        judge(&scenario, &history(run), &[]).findings[1].verdict
    };
    assert_eq!(of(vec![degraded((10, 20))]), Verdict::Held, "wherever between 10 and 20 it was");
    assert_eq!(of(vec![degraded((10, 20)), signal(40, "status", "up")]), Verdict::Violated);
}

struct Crashing;

impl Invariant for Crashing {
    fn name(&self) -> &'static str {
        "crashing"
    }

    fn about(&self) -> &'static str {
        "a checker with a bug"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        panic!("no event number {}", history.events().len())
    }
}

#[test]
fn a_checker_that_crashes_or_is_missing_is_not_green() {
    let scenario = ScenarioBuilder::new("a/b", "t").always("nobody-brings-this").build();
    let run =
        || history([phase(0, Phase::Experiment), phase(5, Phase::Recovery)].into_iter().chain(ended(50)));
    let judgement = judge(&scenario, &run(), &[&Crashing]);
    assert_eq!(judgement.overall(), Verdict::Inconclusive);
    let whys: Vec<_> =
        judgement.findings.iter().map(|finding| (finding.claim.as_str(), finding.why.as_str())).collect();
    assert_eq!(whys[0], ("nobody-brings-this", "there is no checker of this name here"));
    assert_eq!(whys[1], ("crashing", "its checker crashed: no event number 5"));
}

#[test]
fn a_claim_waits_until_nothing_can_come_before_what_it_saw() {
    // One witness is fast: OPEN at 20 is known at 20. Another may still tell of 15.
    let claim_it = |not_before: u64, until: u64| {
        let what = Claim::Becomes {
            signal: "circuit".into(),
            value: "OPEN".into(),
            after: Anchor::Start,
            not_before: ns(not_before),
            within: ns(30),
        };
        let history = history([phase(0, Phase::Experiment), signal(20, "circuit", "OPEN")]);
        let observed = Observed { until: at(until), complete: false };
        claim(&what, &ScenarioBuilder::new("a/b", "t").build(), &history, observed)
    };
    let decided =
        |decision: &Decision| matches!(decision, Decision::Decided(f) if f.verdict == Verdict::Held);
    assert!(decided(&claim_it(0, 10)), "an earlier turn would be in time as well");
    assert_eq!(claim_it(17, 10), Decision::Pending(Some(at(21))), "an earlier turn might be too early");
    assert!(decided(&claim_it(17, 21)));
}

#[test]
fn a_hundred_thousand_events_are_judged_in_no_time() {
    let mut events = vec![phase(0, Phase::Experiment)];
    for tick in 0..50_000u64 {
        events.push(signal(tick, "circuit", if tick % 2 == 0 { "OPEN" } else { "CLOSED" }));
        let answer = Answer::new("allowed");
        events.push(exactly(tick, What::Request { load: "reads".into(), number: tick, answer }));
    }
    let window = || Window { from: Anchor::Start, until: Until::Lasting(ns(50_000)) };
    let scenario = ScenarioBuilder::new("a/b", "t")
        .expect(Claim::Turns {
            signal: "circuit".into(),
            value: "OPEN".into(),
            at_least: 25_000,
            at_most: 25_000,
            window: window(),
        })
        .expect(Claim::Requests {
            load: "reads".into(),
            answers: Answers::All(vec!["allowed".into()]),
            at_least: 50_000,
            answered_within: Some(Duration::from_secs(1)),
            window: window(),
        })
        .build();
    #[expect(clippy::disallowed_methods, reason = "this test is about real time")]
    let began = std::time::Instant::now();
    let found = verdicts(&judge(&scenario, &history(events.into_iter().chain(ended(60_000))), &[]));
    assert_eq!(found, [Verdict::Held, Verdict::Held]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn the_last_instant_is_far_enough() {
    let scenario = ScenarioBuilder::new("a/b", "t")
        .expect(becomes("OPEN", Anchor::Start, u64::MAX))
        .expect(becomes("CLOSED", Anchor::Start, 10))
        .build();
    let run = [
        phase(0, Phase::Experiment),
        (Span::exactly(At::from_start(Duration::MAX)), What::Note { text: "the end of time".into() }),
    ];
    assert_eq!(verdicts(&judge(&scenario, &history(run), &[])), [Verdict::Inconclusive; 3]);
}

#[test]
fn a_window_begins_with_the_change_that_was_met_and_with_no_other_of_the_same_look() {
    let stays = |signal: &str, value: &str| Claim::Stays {
        signal: signal.into(),
        values: vec![value.into()],
        window: Window { from: Anchor::Met("opened".into()), until: Until::Lasting(ns(20)) },
    };
    let scenario = ScenarioBuilder::new("a/b", "t")
        .expect_as("opened", becomes("OPEN", Anchor::Start, 30))
        .expect(stays("circuit", "OPEN"))
        .expect(stays("status", "unhealthy"))
        .build();
    // One look, from 10 to 14, showed both; in which order they changed is not known.
    let look = |name: &str, value: &str| {
        let (_, what) = signal(0, name, value);
        (Span { lo: at(10), hi: at(14) }, what)
    };
    let run = [
        signal(0, "circuit", "CLOSED"),
        signal(0, "status", "healthy"),
        phase(1, Phase::Experiment),
        look("circuit", "OPEN"),
        look("status", "unhealthy"),
    ];
    let found = verdicts(&judge(&scenario, &history(run.into_iter().chain(ended(90))), &[]));
    assert_eq!(found, [Verdict::Held, Verdict::Held, Verdict::Inconclusive]);
}
