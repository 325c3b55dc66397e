//! The words DIVE's scenarios may use.

use dive_node::Settings;
use dive_node::settings::{SettingError, SettingsError};
use harness_core::vocabulary::{Vocabulary, words};

use super::deployment::orders::{Order, Outcome};
use super::deployment::topology as deployment;
use super::invariants;
use super::requests::{Class, Kind};
use super::topology::Shape;

/// The vocabulary of DIVE.
pub fn vocabulary() -> Vocabulary {
    Vocabulary {
        topologies: Shape::ALL
            .into_iter()
            .map(|shape| (shape.name().to_owned(), shape.topology()))
            .chain([(deployment::DEPLOYMENT.to_owned(), deployment::topology())])
            .collect(),
        requests: Kind::ALL
            .into_iter()
            .map(|kind| {
                (kind.name().to_owned(), Class::ALL.iter().map(|class| class.name().to_owned()).collect())
            })
            .chain(
                Order::all().into_iter().map(|order| (order.name(), words(Outcome::ALL.map(Outcome::name)))),
            )
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
