//! Scenario files: what is refused and in which words, what the schema allows, what the builder says.

mod each;
mod refused;
mod same;
mod schema;
mod steady;

use harness_core::fault::Edge;
use harness_core::scenario::source::File;
use harness_core::scenario::{Scenario, ScenarioError, check};
use harness_core::vocabulary::{Topology, Vocabulary, words};

/// A scenario that says everything that can be said.
const WHOLE: &str = include_str!("files/opa-outage.yaml");

fn vocabulary() -> Vocabulary {
    let topology = Topology {
        about: "a hub and its policy engine".into(),
        services: ["hub", "opa"].map(Into::into).into(),
        edges: [Edge::new("hub", "opa")].into(),
        signals: [
            ("hub/status", words(["healthy", "degraded", "unhealthy"])),
            ("hub/circuit/opa", words(["CLOSED", "OPEN", "HALF_OPEN"])),
        ]
        .map(|(signal, values)| (signal.to_owned(), values))
        .into(),
        at_rest: [("hub/status".to_owned(), "healthy".to_owned())].into(),
        measures: [("in-flight".to_owned(), "calls".to_owned())].into(),
    };
    let named = |name: &str| [(name.to_owned(), "a sentence".to_owned())].into();
    Vocabulary {
        topologies: [("hub".to_owned(), topology)].into(),
        requests: [("read".to_owned(), words(["allowed", "denied", "unavailable"]))].into(),
        invariants: named("fail-closed"),
        settings: named("breaker.opa.threshold"),
        setting_takes: Some(|_, value| match value.parse::<u32>() {
            Ok(_) => Ok(()),
            Err(_) => Err("a whole number is expected".into()),
        }),
    }
}

fn read(text: &str) -> Result<Scenario, ScenarioError> {
    let path = "circuit/opa-outage.yaml";
    check(&File::parse(text, path)?, &vocabulary(), path, text)
}
