//! The node's settings in a run.

use std::collections::BTreeMap;

use dive_node::Settings;
use harness_core::world::WorldError;

use crate::execute::{ExecuteError, Plan};

/// The defaults, with what the scenario and the command line set, and every duration of the node's own
/// divided by the run's speed.
pub(super) fn of(plan: &Plan) -> Result<Settings, ExecuteError> {
    let mut settings = Settings::default();
    for (key, value) in plan.all_settings() {
        settings = settings
            .with(&key, &value)
            .map_err(|error| ExecuteError::Setting(error.to_string().replacen("override: ", "", 1)))?;
    }
    Ok(settings.compressed(plan.speed))
}

/// The same with what depends on where the node runs.
pub(super) fn placed(settings: &Settings, places: &[(&str, String)]) -> Result<Settings, WorldError> {
    places.iter().try_fold(settings.clone(), |settings, (key, value)| {
        settings.with(key, value).map_err(|error| WorldError::Failed(error.to_string()))
    })
}

/// The environment that gives a node's process these settings.
pub(super) fn environment(settings: &Settings) -> BTreeMap<String, String> {
    settings
        .effective()
        .into_iter()
        .filter(|entry| !entry.value.is_empty())
        .map(|entry| (format!("DIVE_{}", entry.key.to_ascii_uppercase().replace('.', "_")), entry.value))
        .collect()
}
