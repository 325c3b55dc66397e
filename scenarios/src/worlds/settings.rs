//! The node's settings in a run.

use std::collections::BTreeMap;

use dive_node::{Dependency, Settings};
use harness_core::world::{WorldError, WorldKind};

use super::certificates::scheme;
use crate::binding::topology::{BLACKLIST, KAS, KEYCLOAK, MONGODB, OPA, REDIS, Shape};
use crate::execute::{ExecuteError, Plan};

/// The defaults, with what the scenario and the command line set, and every duration of the node's own
/// divided by the run's speed.
pub(super) fn of(plan: &Plan) -> Result<Settings, ExecuteError> {
    let mut settings = Settings::default();
    let of_this_machine = if plan.world == WorldKind::Virtual { Vec::new() } else { slow_is_too_late() };
    for (key, value) in of_this_machine.into_iter().chain(plan.all_settings()) {
        settings = settings
            .with(&key, &value)
            .map_err(|error| ExecuteError::Setting(error.to_string().replacen("override: ", "", 1)))?;
    }
    Ok(settings.compressed(plan.speed))
}

/// No answer is slow that is not too late. Whatever a machine of tests has to do besides, compressed time makes its
/// answers slower yet; a scenario that is about slow ones says itself what it calls so.
fn slow_is_too_late() -> Vec<(String, String)> {
    let slow_over = |of: Dependency| format!("poll.{}.slow_over", of.key());
    let usual = Settings::default();
    usual
        .polls
        .iter()
        .map(|(of, poll)| (slow_over(*of), format!("{}ms", poll.deadline.as_millis())))
        .collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dive_node::Dependency::{Kas, Opa};

    use super::*;
    use crate::catalogue;
    use crate::execute::usual_speed;

    fn of_catalogue(id: &str, world: WorldKind) -> (Settings, f64) {
        let scenario = catalogue::select(id, &crate::binding::vocabulary()).unwrap().remove(0).scenario;
        let speed = usual_speed(world, &scenario);
        let plan = Plan { world, speed, ..Plan::simulated(scenario, 1) };
        (of(&plan).unwrap(), speed)
    }

    #[test]
    fn on_a_real_machine_only_what_is_too_late_is_slow_unless_the_scenario_says_otherwise() {
        for world in [WorldKind::Local, WorldKind::Docker] {
            for polls in of_catalogue("circuit/kas-outage", world).0.polls.values() {
                assert_eq!(polls.slow_over, polls.deadline);
            }
            let (settings, speed) = of_catalogue("circuit/slow", world);
            assert_eq!(settings.polls[&Opa].slow_over, Duration::from_millis(1_500).div_f64(speed));
            assert_eq!(settings.polls[&Kas].slow_over, settings.polls[&Kas].deadline);
        }
        let (simulated, _) = of_catalogue("circuit/kas-outage", WorldKind::Virtual);
        assert!(simulated.polls[&Opa].slow_over < simulated.polls[&Opa].deadline);
    }
}
