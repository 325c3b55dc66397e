//! Runs that don't come to what their scenario wanted: nothing of it is green.

use std::collections::BTreeMap;

use harness_core::event::{Phase, Stage, What};
use harness_core::verdict::{Axis, Verdict};

use crate::toy::{Comes, Habits, becomes, in_effect, ms, outage, run, s, scenario, stopped};

#[test]
fn without_a_steady_state_nothing_is_broken() {
    let ran = run(Habits { sick_for: s(3_600), ..Habits::default() }, &outage());
    assert!(ran.toy.called_at("inject outage").is_empty());
    assert_eq!(ran.history().phase(Phase::Experiment), None);
    assert_eq!(ran.judgement.overall(), Verdict::Inconclusive);
    assert!(ran.whys()[0].contains("circuit is OPEN, not CLOSED; nothing was broken"), "{:?}", ran.whys());
    // It waited for as long as it may take, and no longer.
    let stopped = ran.toy.called_at("stop")[0].since_start();
    assert!(stopped >= ms(500) + s(10) && stopped <= ms(500) + s(10) + ms(50), "{stopped:?}");
}

#[test]
fn a_world_that_does_not_start_is_taken_down_and_says_why() {
    let ran = run(Habits { starts: false, ..Habits::default() }, &outage());
    assert_eq!(ran.toy.asked(), ["start", "stop"]);
    assert_eq!(ran.judgement.overall(), Verdict::Inconclusive);
    assert!(ran.whys()[0].contains("the port is taken"), "{:?}", ran.whys());
}

#[test]
fn a_fault_without_effect_makes_the_run_inconclusive() {
    let habits = Habits { injecting: BTreeMap::from([("outage", Comes::Unproven)]), ..Habits::default() };
    let ran = run(habits, &outage());
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Inconclusive);
    assert!(!ran.judgement.findings.iter().any(|finding| finding.verdict == Verdict::Violated));
    assert!(!ran.toy.called_at("heal outage").is_empty(), "injected, seen or not, it is healed");
}

#[test]
fn after_a_failed_injection_the_rest_is_left_out_and_everything_is_healed() {
    let scenario = scenario()
        .fault("first", stopped())
        .fault("second", stopped())
        .fault("third", stopped())
        .wait(s(100))
        .build();
    let habits = Habits { injecting: BTreeMap::from([("second", Comes::Wrong)]), ..Habits::default() };
    let ran = run(habits, &scenario);
    // The last injected is healed first; the failed one may be half done.
    assert_eq!(
        ran.toy.asked(),
        ["start", "inject first", "inject second", "heal second", "heal first", "stop"]
    );
    assert!(ran.notes()[0].contains("step 2 failed; the steps after it were left out"));
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Inconclusive);
    let whys = ran.whys();
    assert!(whys.iter().any(|why| why.contains("no such container")), "{whys:?}");
    assert!(whys.iter().any(|why| why.contains("third was never injected")), "{whys:?}");
    assert_eq!(ran.judgement.of(Axis::CleanUp), Verdict::Held);
}

#[test]
fn a_heal_that_fails_is_told_and_the_world_is_taken_down_all_the_same() {
    let ran = run(Habits { heals: false, ..Habits::default() }, &outage());
    assert!(ran.history().fault("outage", Stage::Failed).is_some());
    assert_eq!(ran.toy.asked().last().map(String::as_str), Some("stop"));
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Inconclusive);
    assert_eq!(
        ran.judgement.of(Axis::Recovery),
        Verdict::Inconclusive,
        "nothing can recover from what stays broken"
    );
    assert_eq!(ran.judgement.of(Axis::CleanUp), Verdict::Violated, "the toy does not heal when it stops");
}

#[test]
fn what_can_not_be_injected_is_not() {
    let twice = scenario().fault("outage", stopped()).fault("outage", stopped()).wait(s(9)).build();
    let ran = run(Habits::default(), &twice);
    assert_eq!(ran.toy.called_at("inject outage").len(), 1);
    assert!(ran.notes()[0].contains("in effect already"), "{:?}", ran.notes());
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Inconclusive);

    let unknown = scenario().step(harness_core::scenario::Step::Fault("nobody".into())).build();
    let ran = run(Habits::default(), &unknown);
    assert!(ran.notes()[0].contains("not declared"), "{:?}", ran.notes());
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Inconclusive);
}

#[test]
fn recovery_is_awaited_for_its_time_and_no_longer() {
    let recovery_of = |closes_after| {
        let scenario = scenario()
            .fault("outage", stopped())
            .expect(becomes("OPEN", in_effect("outage"), s(5)))
            .recovery_within(s(20))
            .build();
        let ran = run(Habits { closes_after, ..Habits::default() }, &scenario);
        let history = ran.history();
        let of = |phase| history.phase(phase).unwrap();
        (of(Phase::CleanUp) - of(Phase::Recovery), ran.judgement.of(Axis::Recovery))
    };
    // Back after 8 s, shown for 1 s.
    let (took, verdict) = recovery_of(s(8));
    assert_eq!(verdict, Verdict::Held);
    assert!(took >= ms(8_980) && took <= s(9) + ms(60), "{took:?}");
    // Never back: the bound, the second it would have to last, and the time to see it.
    let (took, verdict) = recovery_of(s(3_600));
    assert_eq!(verdict, Verdict::Violated);
    assert!(took >= s(21) && took <= s(21) + ms(60), "{took:?}");
}

#[test]
fn a_record_of_a_run_is_judged_as_the_run_was() {
    let ran = run(Habits::default(), &outage());
    let lines: Vec<String> = ran.events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    let read: Vec<harness_core::event::Event> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, ran.events);
    let history = harness_core::history::History::of(read);
    assert_eq!(harness_core::judge::judge(&outage(), &history, &[]), ran.judgement);
    // Cut short, it is not green, wherever it was cut.
    for cut in 0..ran.events.len() {
        let history = harness_core::history::History::of(ran.events[..cut].to_vec());
        let judgement = harness_core::judge::judge(&outage(), &history, &[]);
        assert_eq!(judgement.overall(), Verdict::Inconclusive, "cut at {cut}");
    }
    assert!(matches!(ran.events.last().unwrap().what, What::End { .. }));
}
