//! The words DIVE's scenarios may use.

use std::collections::BTreeMap;

use dive_node::Settings;
use dive_node::settings::{SettingError, SettingsError};
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
        setting_takes: Some(takes),
    }
}

/// Whether a setting may have a value by itself. Two that don't go together are told when both are known.
fn takes(setting: &str, value: &str) -> Result<(), String> {
    let errors = Settings::default().with(setting, value).err().map(|SettingsError(errors)| errors);
    let by_itself = |error: &&SettingError| !matches!(error, SettingError::Order { .. });
    match errors.iter().flatten().find(by_itself) {
        Some(error) => Err(error.to_string().replacen("override: ", "", 1)),
        None => Ok(()),
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
