//! A scenario file: it is a scenario that survives being recorded, or it is refused with problems that each have
//! a place in it and can be shown.

#![no_main]

use std::sync::LazyLock;

use harness_core::fault::Edge;
use harness_core::scenario::source::File;
use harness_core::scenario::{Scenario, check};
use harness_core::vocabulary::{Topology, Vocabulary, words};
use libfuzzer_sys::fuzz_target;
use miette::NarratableReportHandler;

const PATH: &str = "circuit/opa-outage.yaml";

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| {
    let signal = |name: &str, values: &[&str]| (name.to_owned(), words(values.iter().copied()));
    let topology = Topology {
        about: "a hub and its policy engine".into(),
        services: ["hub", "opa"].map(Into::into).into(),
        edges: [Edge::new("hub", "opa")].into(),
        signals: [
            signal("hub/status", &["healthy", "degraded", "unhealthy"]),
            signal("hub/circuit/opa", &["CLOSED", "OPEN", "HALF_OPEN"]),
        ]
        .into(),
        at_rest: [("hub/status".to_owned(), "healthy".to_owned())].into(),
        measures: [("in-flight".to_owned(), "calls".to_owned())].into(),
    };
    let sentence = |name: &str| [(name.to_owned(), "a sentence".to_owned())].into();
    Vocabulary {
        topologies: [("hub".to_owned(), topology)].into(),
        requests: [signal("read", &["allowed", "denied", "unavailable"])].into(),
        invariants: sentence("fail-closed"),
        settings: sentence("breaker.opa.threshold"),
        setting_takes: None,
    }
});

fuzz_target!(|text: &str| {
    match File::parse(text, PATH).and_then(|file| check(&file, &VOCABULARY, PATH, text)) {
        Ok(scenario) => {
            for expectation in scenario.expectations() {
                assert!(!expectation.claim.to_string().is_empty());
            }
            let recorded = serde_json::to_string(&scenario).expect("a scenario can be recorded");
            let read: Scenario = serde_json::from_str(&recorded).expect("a record can be read");
            assert_eq!(read, scenario);
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            // As YAML counts them: a carriage return alone ends one, too; and what is missing is missed after the last.
            let lines = text.replace("\r\n", "\n").replace('\r', "\n").lines().count();
            assert!(error.problems().iter().all(|problem| problem.line <= lines + 1));
            let mut shown = String::new();
            NarratableReportHandler::new().render_report(&mut shown, &error).expect("an error can be shown");
        }
    }
});
