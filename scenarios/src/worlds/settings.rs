//! The node's settings in a run.

use std::collections::BTreeMap;

use dive_node::Settings;
use harness_core::world::WorldError;

use super::certificates::scheme;
use crate::binding::topology::{BLACKLIST, KAS, KEYCLOAK, MONGODB, OPA, REDIS, Shape};
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

/// Where a service of the product calls what it depends on: a setting for each of its edges. `via` tells the
/// near end of an edge.
pub(super) fn wiring<A: std::fmt::Display>(
    shape: Shape,
    from: &str,
    via: impl Fn(&str) -> Result<A, WorldError>,
) -> Result<Vec<(&'static str, String)>, WorldError> {
    let of_edge = |to: &str| {
        let (key, scheme) = match to {
            OPA => ("opa.url", scheme(OPA)),
            KEYCLOAK => ("keycloak.url", scheme(KEYCLOAK)),
            MONGODB => ("mongodb.url", "mongodb"),
            REDIS => ("redis.url", "redis"),
            BLACKLIST => ("blacklist_redis.url", "redis"),
            KAS => ("kas.url", scheme(KAS)),
            other => return Err(WorldError::Failed(format!("nothing of the product calls {other}"))),
        };
        Ok((key, format!("{scheme}://{}", via(to)?)))
    };
    shape.edges().iter().filter(|(caller, _)| *caller == from).map(|(_, to)| of_edge(to)).collect()
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
