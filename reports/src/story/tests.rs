//! Goal: whatever a record holds, it can be told. Method: records of arbitrary events, in any order,
//! with spans of any width, through every form of report.

use std::time::Duration;

use harness_core::event::{Answer, Event, Phase, Stage, What};
use harness_core::fault::Fault;
use harness_core::time::{At, Span};
use harness_core::verdict::{Judgement, Verdict};
use proptest::prelude::*;

use crate::fixtures;
use crate::story::Story;

fn span() -> impl Strategy<Value = Span> {
    let at = prop_oneof![Just(0u64), 0u64..200_000_000_000, Just(u64::MAX)];
    (at.clone(), at).prop_map(|(a, b)| {
        Span::between(At::from_start(Duration::from_nanos(a)), At::from_start(Duration::from_nanos(b)))
    })
}

fn what() -> impl Strategy<Value = What> {
    let word =
        || prop::sample::select(vec!["", "OPEN", "HALF_OPEN", "CLOSED", "up", "weird value", "é漢\u{7}"]);
    let name = || prop::sample::select(vec!["hub/circuit/opa", "opa/up", "hub", "", "a/b/c"]);
    let stage = prop::sample::select(vec![
        Stage::Injecting,
        Stage::InEffect,
        Stage::Unproven,
        Stage::Healing,
        Stage::Healed,
        Stage::Failed,
    ]);
    let phase = prop::sample::select(vec![
        Phase::SetUp,
        Phase::Steady,
        Phase::Experiment,
        Phase::Recovery,
        Phase::CleanUp,
    ]);
    prop_oneof![
        phase.prop_map(|phase| What::Phase { phase }),
        (name(), stage).prop_map(|(name, stage)| What::Fault {
            name: name.into(),
            fault: Fault::Stop("opa".into()),
            stage,
            detail: String::new()
        }),
        (name(), word()).prop_map(|(signal, value)| What::Signal {
            signal: signal.into(),
            value: value.into(),
            was: None
        }),
        (name(), any::<f64>()).prop_map(|(measure, value)| What::Sample { measure: measure.into(), value }),
        (name(), any::<u64>(), word()).prop_map(|(load, number, class)| What::Request {
            load: load.into(),
            number,
            answer: Answer::new(class)
        }),
        word().prop_map(|line| What::Log { service: "hub".into(), line: line.into() }),
        name().prop_map(|prefix| What::Blind { prefix: prefix.into(), why: "dark".into() }),
        Just(What::Stall),
        Just(What::TornDown { leftovers: vec!["x".into()] }),
        prop::option::of(Just("Ctrl-C".to_owned())).prop_map(|interrupted| What::End { interrupted }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_record_can_be_told_in_every_form(
        events in prop::collection::vec((span(), what()), 0..40), cut in any::<bool>(), width in 0usize..200,
    ) {
        let (mut record, judgement) = fixtures::violated();
        record.cut = cut;
        record.events =
            events.into_iter().enumerate().map(|(seq, (at, what))| Event { seq: seq as u64, at, what }).collect();
        let page = crate::html(&record, &judgement);
        prop_assert!(!page.contains("NaN") && !page.contains("inf%"));
        crate::markdown(&record, &judgement);
        crate::junit(&record, &judgement);
        crate::terminal(&record, &judgement, width, true);
    }

    #[test]
    fn a_cut_or_interrupted_run_never_shows_as_held(cut in any::<bool>(), interrupted in any::<bool>()) {
        let (mut record, judgement) = fixtures::held();
        record.cut = cut;
        let end = What::End { interrupted: interrupted.then(|| "Ctrl-C".into()) };
        record.events.last_mut().unwrap().what = end;
        let shown = Story::of(&record, &judgement).verdict;
        prop_assert_eq!(shown == Verdict::Held, !cut && !interrupted);
    }
}

#[test]
fn stages_of_a_recovery_come_in_order_and_failed_probes_are_counted() {
    let (record, judgement) = fixtures::held();
    let story = Story::of(&record, &judgement);
    let [anatomy] = story.anatomies.as_slice() else { panic!("one circuit was concerned") };
    assert_eq!(anatomy.signal, "hub/circuit/opa");
    assert_eq!((anatomy.marks.len(), anatomy.failed_probes.len(), anatomy.relapses), (6, 1, 0));
    assert!(anatomy.marks.windows(2).all(|pair| pair[0].stage < pair[1].stage));
    assert_eq!(anatomy.marks[1].seen, "reads answered unavailable");
}

#[test]
fn another_circuit_that_opened_is_part_of_the_story() {
    let (record, judgement) = fixtures::violated();
    let story = Story::of(&record, &judgement);
    let signals: Vec<_> = story.anatomies.iter().map(|anatomy| anatomy.signal.as_str()).collect();
    assert_eq!(signals, ["hub/circuit/opa", "hub/circuit/kas"]);
}

#[test]
fn a_recovery_that_the_record_does_not_show_is_not_made_up() {
    let (record, _) = fixtures::cut_short();
    let none = Judgement::default();
    let story = Story::of(&record, &none);
    let last = story.anatomies[0].marks.last().unwrap();
    assert_eq!(last.seen, "OPEN");
    assert!(story.anatomies[0].steady().is_none());
}
