//! What a stalled machine accounts for, and nothing else, is not held against the system.

use harness_core::event::{Answer, Phase, Stage, What};
use harness_core::judge::judge;
use harness_core::scenario::{Anchor, Answers, Claim, ScenarioBuilder, Until, Window};
use harness_core::time::Span;
use harness_core::verdict::Verdict;

use crate::draw::{at, history, ns};
use crate::events::{ended, outage, phase, signal, stage, stopped};

#[test]
fn what_a_stall_can_have_brought_about_is_not_held_against_the_system_and_nothing_else_is_excused() {
    let window = Window { from: Anchor::Start, until: Until::Lasting(ns(100)) };
    let requests = |answers| Claim::Requests {
        load: "reads".into(),
        answers,
        at_least: 1,
        answered_within: None,
        window: window.clone(),
    };
    let stays = Claim::Stays { signal: "status".into(), values: vec!["up".into()], window: window.clone() };
    let answer = |lo, hi, class: &str| {
        let answer = Answer::new(class);
        (Span { lo: at(lo), hi: at(hi) }, What::Request { load: "reads".into(), number: 0, answer })
    };
    let stall = || (Span { lo: at(20), hi: at(30) }, What::Stall);
    let of = |claim: &Claim, events: Vec<(Span, What)>| {
        let scenario = ScenarioBuilder::new("a/b", "t").expect(claim.clone()).build();
        let run = [signal(0, "status", "up"), phase(0, Phase::Experiment)];
        let run = run.into_iter().chain(events).chain(ended(200));
        judge(&scenario, &history(run), &[]).findings[0].verdict
    };

    let all = requests(Answers::All(vec!["allowed".into()]));
    assert_eq!(of(&all, vec![answer(25, 35, "unavailable")]), Verdict::Violated);
    assert_eq!(of(&all, vec![stall(), answer(25, 35, "unavailable")]), Verdict::Inconclusive);
    assert_eq!(of(&all, vec![stall(), answer(36, 40, "unavailable")]), Verdict::Inconclusive, "begun in it");
    assert_eq!(of(&all, vec![stall(), answer(41, 45, "unavailable")]), Verdict::Violated, "long after it");
    let none = requests(Answers::None(vec!["allowed".into()]));
    assert_eq!(
        of(&none, vec![stall(), answer(25, 35, "allowed")]),
        Verdict::Violated,
        "no stall makes an allow"
    );

    assert_eq!(of(&stays, vec![signal(25, "status", "down")]), Verdict::Violated);
    assert_eq!(of(&stays, vec![stall(), signal(25, "status", "down")]), Verdict::Inconclusive);
    assert_eq!(of(&stays, vec![stall(), signal(60, "status", "down")]), Verdict::Violated);
}

#[test]
fn a_turn_that_a_stall_can_have_brought_forward_is_not_held_against_the_system() {
    let stall = || (Span { lo: at(20), hi: at(30) }, What::Stall);
    let hit = |tick| [Stage::Injecting, Stage::InEffect].map(|stage_is| stage(tick, "outage", stage_is));
    let of = |not_before, events: Vec<(Span, What)>| {
        let claim = Claim::Becomes {
            signal: "circuit".into(),
            value: "OPEN".into(),
            after: outage(),
            not_before: ns(not_before),
            within: ns(60),
        };
        let scenario = ScenarioBuilder::new("a/b", "t").fault("outage", stopped()).expect(claim).build();
        let run = [signal(0, "circuit", "CLOSED"), phase(0, Phase::Experiment)];
        let run = run.into_iter().chain(events).chain(ended(200));
        judge(&scenario, &history(run), &[]).findings[0].verdict
    };

    let early = |tick, stalls: Vec<_>| {
        let all = stalls.into_iter().chain(hit(32)).chain([signal(tick, "circuit", "OPEN")]);
        of(20, all.collect())
    };
    assert_eq!(early(50, vec![]), Verdict::Violated);
    assert_eq!(
        early(50, vec![stall()]),
        Verdict::Inconclusive,
        "it began to count ten later than it was due"
    );
    assert_eq!(early(40, vec![stall()]), Verdict::Violated, "no stall of ten accounts for twelve");
    let already = |tick, stalls: Vec<_>| {
        let all = stalls.into_iter().chain([signal(tick, "circuit", "OPEN")]).chain(hit(90));
        of(0, all.collect())
    };
    assert_eq!(already(35, vec![]), Verdict::Violated);
    assert_eq!(already(35, vec![stall()]), Verdict::Inconclusive, "the stall made it so, not the fault");
    assert_eq!(already(60, vec![stall()]), Verdict::Violated, "long after it");
}
