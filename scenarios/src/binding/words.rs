//! The words DIVE's scenarios may use.

use std::collections::BTreeMap;

use dive_node::Settings;
use harness_core::fault::Edge;
use harness_core::vocabulary::{Topology, Vocabulary, words};

use super::invariants;
use super::requests::{Class, Kind};

/// The vocabulary of DIVE.
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        topologies: BTreeMap::from([("hub".to_owned(), hub())]),
        requests: Kind::ALL
            .into_iter()
            .map(|kind| {
                (kind.name().to_owned(), Class::ALL.iter().map(|class| class.name().to_owned()).collect())
            })
            .collect(),
        invariants: invariants::all()
            .iter()
            .map(|invariant| (invariant.name().to_owned(), invariant.about().to_owned()))
            .collect(),
        settings: Settings::default().effective().into_iter().map(|entry| (entry.key, entry.about)).collect(),
    }
}

/// One hub and its policy engine.
fn hub() -> Topology {
    let circuit = words(["CLOSED", "OPEN", "HALF_OPEN", "unknown"]);
    let service = words(["up", "degraded", "down", "unknown"]);
    Topology {
        about: "one hub with its policy engine".into(),
        services: ["hub", "opa"].map(Into::into).into(),
        edges: [Edge::new("hub", "opa")].into(),
        signals: [
            ("hub/status", words(["healthy", "degraded", "unhealthy", "down"])),
            ("hub/service/opa", service),
            ("hub/circuit/opa", circuit),
            ("hub/document", words(["exact", "wrong", "unknown"])),
        ]
        .map(|(signal, values)| (signal.to_owned(), values))
        .into(),
        measures: [(
            "hub -> opa/in-flight".to_owned(),
            "exchanges awaiting their answer, at most, since the last sample".to_owned(),
        )]
        .into(),
    }
}
