//! Flaps, and the order of healing.

use harness_core::fault::{Edge, Fault, Flap};
use harness_core::verdict::Verdict;

use crate::toy::{Comes, Habits, ms, run, s, scenario};

fn flapping(down: u64, up: u64) -> Fault {
    let fault = Fault::Refuse(Edge::new("hub", "opa"));
    Fault::Flap(Box::new(Flap { fault, down: ms(down).into(), up: ms(up).into() }))
}

#[test]
fn a_flap_alternates_and_ends_lifted() {
    let scenario =
        scenario().fault("flapping", flapping(1_000, 500)).wait(ms(4_000)).heal("flapping").build();
    let ran = run(Habits::default(), &scenario);
    let mut asked = ran.toy.asked();
    asked.retain(|call| call.ends_with("flapping"));
    // Down at 0, up at 1.0, down at 1.56, up at 2.6, down at 3.16, healed at 4.0.
    assert_eq!(
        asked,
        [
            "inject flapping",
            "heal flapping",
            "inject flapping",
            "heal flapping",
            "inject flapping",
            "heal flapping"
        ]
    );
    let (injected, lifted) = (ran.toy.called_at("inject flapping"), ran.toy.called_at("heal flapping"));
    let [down, up] = [lifted[0] - injected[0], injected[1] - lifted[0]];
    assert!((ms(1_040)..ms(1_060)).contains(&down), "{down:?}");
    assert!((ms(560)..ms(580)).contains(&up), "{up:?}");

    let history = ran.history();
    let told: Vec<&str> =
        history.signal("fault/flapping").iter().map(|change| change.value.as_str()).collect();
    assert_eq!(told, ["in effect", "lifted", "in effect", "lifted", "in effect", "lifted"]);
    let outages = history.outages("flapping");
    assert_eq!(outages.len(), 1, "one fault, however often it comes and goes");
    assert!(outages[0].healed.unwrap().lo >= outages[0].in_effect.unwrap().hi + ms(4_000));
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
}

#[test]
fn what_is_healed_became_whole_after_it_was_last_seen_broken() {
    for seen_broken in [None, Some(s(8))] {
        let scenario = scenario().fault("gone", Fault::Stop("opa".into())).heal("gone").build();
        let ran = run(Habits { heal_takes: s(9), seen_broken, ..Habits::default() }, &scenario);
        let healed = ran.history().outages("gone")[0].healed.unwrap();
        let began = ran.toy.called_at("heal gone")[0];
        assert_eq!((healed.lo - began, healed.hi - began), (seen_broken.unwrap_or_default(), s(9)));
    }
}

#[test]
fn a_flap_that_is_never_healed_is_healed_in_the_end() {
    let ran = run(Habits::default(), &scenario().fault("flapping", flapping(300, 300)).wait(s(2)).build());
    let asked = ran.toy.asked();
    assert_eq!(asked[asked.len() - 2..], ["heal flapping", "stop"]);
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
    // Nothing flaps on during recovery.
    let healed = ran.history().outages("flapping")[0].healed.unwrap();
    assert!(ran.toy.called_at("inject flapping").iter().all(|injected| *injected < healed.lo));
}

#[test]
fn a_flap_that_can_not_go_on_is_not_green() {
    let habits = Habits { heals: false, ..Habits::default() };
    let ran =
        run(habits, &scenario().fault("flapping", flapping(300, 300)).wait(s(2)).heal("flapping").build());
    assert_ne!(ran.judgement.overall(), Verdict::Held);
    assert!(ran.whys().iter().any(|why| why.contains("it could not be lifted")), "{:?}", ran.whys());
}

#[test]
fn a_flap_whose_first_injection_fails_is_healed_and_holds_nothing_up() {
    let injecting = [("flapping", Comes::Wrong)].into();
    let ran = run(
        Habits { injecting, ..Habits::default() },
        &scenario().fault("flapping", flapping(300, 300)).wait(s(9)).build(),
    );
    assert_eq!(ran.toy.asked(), ["start", "inject flapping", "heal flapping", "stop"]);
    assert_eq!(ran.judgement.overall(), Verdict::Inconclusive);
}

#[test]
fn the_first_injection_of_a_flap_must_take_effect_as_any() {
    let injecting = [("flapping", Comes::Unproven)].into();
    let ran = run(
        Habits { injecting, ..Habits::default() },
        &scenario().fault("flapping", flapping(300, 300)).build(),
    );
    assert_eq!(ran.judgement.overall(), Verdict::Inconclusive);
}
