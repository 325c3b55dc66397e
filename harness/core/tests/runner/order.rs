//! Steady state → steps → heal → recovery → clean-up, and what the whole comes to.

use harness_core::event::{Phase, What};
use harness_core::verdict::{Axis, Verdict};

use crate::toy::{Habits, ms, outage, run, s};

#[test]
fn a_run_goes_through_its_phases_in_order_and_is_held() {
    let ran = run(Habits::default(), &outage());
    let phases: Vec<Phase> = ran
        .events
        .iter()
        .filter_map(|event| match event.what {
            What::Phase { phase } => Some(phase),
            _ => None,
        })
        .collect();
    assert_eq!(phases, [Phase::SetUp, Phase::Steady, Phase::Experiment, Phase::Recovery, Phase::CleanUp]);
    let mut asked = ran.toy.asked();
    asked.retain(|call| !call.starts_with("send"));
    assert_eq!(asked, ["start", "inject outage", "heal outage", "stop"]);
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
    assert!(matches!(ran.events.last().unwrap().what, What::End { interrupted: None }));
    assert!(ran.events.iter().zip(0..).all(|(event, seq)| event.seq == seq), "numbered without gaps");
}

#[test]
fn a_control_that_never_opens_is_violated() {
    let ran = run(Habits { opens_after: s(3_600), ..Habits::default() }, &outage());
    assert_eq!(ran.history().outages("outage").len(), 1, "it was broken all the same");
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Violated);
    assert_eq!(ran.judgement.of(Axis::Recovery), Verdict::Held);
    assert_eq!(ran.judgement.of(Axis::CleanUp), Verdict::Held);
}

#[test]
fn the_same_run_twice_gives_the_same_bytes() {
    let bytes = || serde_json::to_vec(&run(Habits::default(), &outage()).events).unwrap();
    assert_eq!(bytes(), bytes());
}

#[test]
fn the_steady_state_is_shown_for_its_time_before_anything_is_broken() {
    let ran = run(Habits { sick_for: s(4), ..Habits::default() }, &outage());
    let broken = ran.toy.called_at("inject outage")[0];
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
    // Closed at 4 s, seen within a look, shown for one second and seen to the end of it.
    assert!(broken.since_start() >= s(5), "{broken}");
    assert!(broken.since_start() <= s(5) + ms(60), "{broken}");
}
