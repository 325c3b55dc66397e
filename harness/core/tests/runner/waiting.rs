//! Steps wait for what they need, and no longer.

use std::collections::BTreeMap;

use harness_core::event::What;
use harness_core::fault::Strike;
use harness_core::scenario::{Anchor, Claim, Scenario, Step, Until, Window};
use harness_core::time::At;
use harness_core::verdict::{Axis, Verdict};

use crate::toy::{
    CIRCUIT, Comes, Habits, LOOK, Ran, becomes, healed, in_effect, ms, run, s, scenario, stopped,
};

/// When the step after the claim came, since the fault was in effect.
fn next_step(ran: &Ran) -> std::time::Duration {
    let in_effect = ran.history().outages("outage")[0].in_effect.expect("the outage took effect").hi;
    let marks: Vec<At> = ran.toy.called_at("strike hub restarted");
    marks[0] - in_effect
}

fn with_claim(claim: Claim) -> Scenario {
    let mark = Strike::Restart("hub".into());
    scenario().fault("outage", stopped()).expect(claim).strike("mark", mark).build()
}

#[test]
fn an_expectation_waits_until_it_is_met() {
    let habits = Habits { opens_after: s(7), ..Habits::default() };
    let ran = run(habits, &with_claim(becomes("OPEN", in_effect("outage"), s(30))));
    let waited = next_step(&ran);
    // It opened 7 s after the injection began, that is 6.96 s after it was in effect.
    assert!(waited >= ms(6_960) && waited <= ms(6_960) + 4 * LOOK, "{waited:?}");
}

#[test]
fn silence_is_awaited_to_the_bound_and_what_may_still_come_to_be_seen() {
    let habits = Habits { opens_after: s(3_600), ..Habits::default() };
    let ran = run(habits, &with_claim(becomes("OPEN", in_effect("outage"), s(30))));
    let waited = next_step(&ran);
    assert!(waited >= s(30) + 2 * LOOK && waited <= s(30) + 4 * LOOK, "{waited:?}");
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Violated);
}

#[test]
fn a_window_that_is_broken_is_not_awaited_to_its_end() {
    let stays = |value: &str| Claim::Stays {
        signal: CIRCUIT.into(),
        values: vec![value.into()],
        window: Window { from: in_effect("outage"), until: Until::Lasting(s(20)) },
    };
    let habits = Habits { opens_after: s(7), ..Habits::default() };
    let broken = run(habits.clone(), &with_claim(stays("CLOSED")));
    assert_eq!(broken.judgement.of(Axis::Experiment), Verdict::Violated);
    assert!(next_step(&broken) <= ms(6_960) + 5 * LOOK, "{:?}", next_step(&broken));

    let kept = run(Habits { opens_after: s(3_600), ..habits }, &with_claim(stays("CLOSED")));
    assert_eq!(kept.judgement.of(Axis::Experiment), Verdict::Held, "{:?}", kept.whys());
    assert!((s(20)..s(20) + 5 * LOOK).contains(&next_step(&kept)), "{:?}", next_step(&kept));
}

#[test]
fn what_is_left_to_the_seed_lies_between_its_bounds_and_is_told() {
    let mark = Strike::Restart("hub".into());
    let drawn = scenario().fault("outage", stopped()).wait_between(s(2), s(6)).strike("mark", mark).build();
    let ran = run(Habits::default(), &drawn);
    let waited = next_step(&ran);
    assert!((s(2)..=s(6)).contains(&waited), "{waited:?}");
    let told = ran.history().events().iter().any(|event| match &event.what {
        What::Note { text } => *text == format!("waits {waited:.1?}, as the seed says"),
        _ => false,
    });
    assert!(told, "{waited:?}");
}

#[test]
fn a_window_that_ends_with_what_comes_later_holds_nothing_up() {
    let claim = Claim::Turns {
        signal: CIRCUIT.into(),
        value: "OPEN".into(),
        at_least: 1,
        at_most: 1,
        window: Window { from: in_effect("outage"), until: Until::Anchor(Anchor::End) },
    };
    let mark = Strike::Restart("hub".into());
    let scenario = scenario()
        .fault("outage", stopped())
        .expect(claim)
        .strike("mark", mark)
        .wait(s(4))
        .heal("outage")
        .build();
    let ran = run(Habits::default(), &scenario);
    assert!(next_step(&ran) <= 5 * LOOK, "{:?}", next_step(&ran));
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
}

fn trigger(name: &str, value: &str, within: u64) -> Step {
    Step::Until { name: Some(name.into()), signal: CIRCUIT.into(), value: value.into(), within: ms(within) }
}

#[test]
fn a_trigger_fires_as_soon_as_its_value_is_seen() {
    let scenario = scenario()
        .fault("outage", stopped())
        .step(trigger("opened", "OPEN", 30_000))
        .strike("mark", Strike::Restart("hub".into()))
        .heal("outage")
        .expect(becomes("CLOSED", healed("outage"), s(9)))
        .expect(becomes("CLOSED", Anchor::Met("opened".into()), s(9)))
        .build();
    let ran = run(Habits::default(), &scenario);
    let fired = next_step(&ran);
    assert!(fired >= ms(1_960) && fired <= ms(1_960) + 2 * LOOK, "{fired:?}");
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
}

#[test]
fn a_trigger_that_does_not_fire_ends_the_steps() {
    let scenario = scenario()
        .fault("outage", stopped())
        .step(trigger("opened", "OPEN", 5_000))
        .fault("relapse", stopped())
        .wait(s(100))
        .build();
    let ran = run(Habits { opens_after: s(3_600), ..Habits::default() }, &scenario);
    assert_eq!(ran.toy.asked(), ["start", "inject outage", "heal outage", "stop"]);
    assert_eq!(ran.judgement.of(Axis::Experiment), Verdict::Violated);
    let waited = ran.toy.called_at("heal outage")[0] - ran.toy.called_at("inject outage")[0];
    assert!((ms(5_040)..ms(5_040) + 5 * LOOK).contains(&waited), "{waited:?}");
}

#[test]
fn what_hangs_on_an_unproven_fault_is_not_awaited() {
    let injecting = BTreeMap::from([("outage", Comes::Unproven)]);
    let ran = run(
        Habits { injecting, ..Habits::default() },
        &with_claim(becomes("OPEN", in_effect("outage"), s(3_600))),
    );
    let waited = ran.toy.called_at("strike hub restarted")[0] - ran.toy.called_at("inject outage")[0];
    assert!(waited < ms(100), "{waited:?}");
}
