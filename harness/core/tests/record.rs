//! Whatever can happen can be written, is written in one way, and reads back as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_core::event::{Answer, Event, Phase, Stage, What};
use harness_core::fault::{Edge, Fault, Flap, Strike, WrongAnswer};
use harness_core::record::{FORMAT, FileSink, Header, Record};
use harness_core::recorder::Recorder;
use harness_core::scenario::Scenario;
use harness_core::time::{At, Span};
use harness_core::world::WorldKind;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/]{1,12}", "\\PC{0,12}", "[\"\\\\\n\r\t\u{0}{}]{0,6}"]
}

fn instants() -> impl Strategy<Value = At> {
    prop_oneof![0u64..1_000_000_000_000, Just(u64::MAX), any::<u64>()]
        .prop_map(|nanos| At::from_start(Duration::from_nanos(nanos)))
}

fn faults() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Stop("opa".into())),
        Just(Fault::Refuse(Edge::new("hub", "opa"))),
        (text(), 100u16..600).prop_map(|(body, status)| {
            Fault::WrongAnswer(WrongAnswer { edge: Edge::new("hub", "opa"), status, body })
        }),
        (1u64..100_000).prop_map(|millis| {
            let down = Duration::from_millis(millis).into();
            Fault::Flap(Box::new(Flap { fault: Fault::Pause("opa".into()), down, up: down }))
        }),
    ]
}

fn happenings() -> impl Strategy<Value = What> {
    let phase = proptest::sample::select(vec![Phase::SetUp, Phase::Steady, Phase::Recovery]);
    let stage = proptest::sample::select(vec![Stage::Injecting, Stage::InEffect, Stage::Failed]);
    let answer = (text(), btree_map(text(), text(), 0..3));
    prop_oneof![
        phase.prop_map(|phase| What::Phase { phase }),
        (text(), faults(), stage, text()).prop_map(|(name, fault, stage, detail)| What::Fault {
            name,
            fault,
            stage,
            detail
        }),
        (text(), proptest::option::of(text())).prop_map(|(name, evidence)| What::Strike {
            name,
            strike: Strike::Cut(Edge::new("hub", "opa")),
            evidence
        }),
        (text(), text(), proptest::option::of(text())).prop_map(|(signal, value, was)| What::Signal {
            signal,
            value,
            was
        }),
        (proptest::option::of(text()), text(), any::<bool>()).prop_map(|(name, signal, in_time)| {
            What::Reached { name, signal, value: "OPEN".into(), in_time }
        }),
        (text(), proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL)
            .prop_map(|(measure, value)| What::Sample { measure, value }),
        (text(), any::<u64>(), answer).prop_map(|(load, number, (class, detail))| What::Request {
            load,
            number,
            answer: Answer { class, detail }
        }),
        (text(), btree_map(text(), text(), 0..3)).prop_map(|(witness, detail)| What::Fact {
            witness,
            about: "decision".into(),
            detail
        }),
        (text(), text()).prop_map(|(service, line)| What::Log { service, line }),
        (text(), text()).prop_map(|(prefix, why)| What::Blind { prefix, why }),
        Just(What::Stall),
        text().prop_map(|text| What::Note { text }),
        vec(text(), 0..3).prop_map(|leftovers| What::TornDown { leftovers }),
        proptest::option::of(text()).prop_map(|interrupted| What::End { interrupted }),
    ]
}

fn header() -> Header {
    Header {
        format: FORMAT.into(),
        run: "a.b".into(),
        scenario: Scenario::named("a/b"),
        world: WorldKind::Virtual,
        seed: u64::MAX,
        speed: 7.3,
        started: String::new(),
        settings: BTreeMap::new(),
        versions: BTreeMap::new(),
        replay: "chaos run a/b".into(),
    }
}

/// Records the happenings into a file; its bytes.
fn written(happenings: &[(At, At, What)]) -> (Vec<Event>, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.jsonl");
    let recorder = Recorder::new(vec![Box::new(FileSink::create(&path, &header()).expect("a file"))]);
    for (a, b, what) in happenings {
        recorder.record(Span::between(*a, *b), what.clone());
    }
    (recorder.into_events(), std::fs::read(&path).expect("the file"))
}

proptest! {
    #[test]
    fn a_record_reads_back_as_it_was_and_the_same_events_are_the_same_bytes(
        happenings in vec((instants(), instants(), happenings()), 0..20),
    ) {
        let (events, bytes) = written(&happenings);
        let record = Record::parse(bytes.as_slice(), "run.jsonl").unwrap();
        prop_assert_eq!(&record.events, &events);
        prop_assert_eq!(&record.header, &header());
        prop_assert_eq!(record.cut, !matches!(happenings.last(), Some((_, _, What::End { .. }))));

        prop_assert_eq!(&written(&happenings).1, &bytes);
        let again: Vec<(At, At, What)> =
            record.events.iter().map(|event| (event.at.lo, event.at.hi, event.what.clone())).collect();
        prop_assert_eq!(&written(&again).1, &bytes, "read and written again");
    }
}
