//! Who is there when something is deployed: the services, who calls whom, what can be seen.

use std::collections::{BTreeMap, BTreeSet};

use dive_orchestrator::{DeploymentState, ErrorCode, Instance, Phase, Service};
use harness_core::fault::Edge;
use harness_core::vocabulary::{Topology, words};

/// The topology's name in scenarios.
pub const DEPLOYMENT: &str = "deployment";

/// The host whose commands deploy.
pub const OPERATOR: &str = "operator";
/// Another host with the same database and the same machine.
pub const COLLEAGUE: &str = "colleague";
/// What orchestration keeps its state in.
pub const STORE: &str = "postgres";
/// The container engine.
pub const ENGINE: &str = "docker";
/// The folder in which an instance's files are.
pub const DISK: &str = "disk";
/// The store of secrets.
pub const SECRETS: &str = "secrets";

/// The deployed services that operators call themselves: to configure them, and to see whether they work.
pub const DEPLOYED: [Service; 5] =
    [Service::Keycloak, Service::Mongodb, Service::Opa, Service::Backend, Service::Kas];

/// What operators call, but for the store.
pub fn ground() -> impl Iterator<Item = &'static str> {
    [ENGINE, DISK, SECRETS].into_iter().chain(DEPLOYED.map(Service::as_str))
}

/// The instances whose states are signals. What happens to others is on the timeline as facts.
pub fn watched() -> [Instance; 3] {
    [Instance::Hub, spoke(0), spoke(1)]
}

/// Codes of spokes, each a country of the coalition.
const CODES: [&str; 32] = [
    "fra", "deu", "gbr", "ita", "esp", "pol", "can", "nld", "bel", "dnk", "nor", "swe", "fin", "est", "lva",
    "ltu", "prt", "grc", "tur", "cze", "svk", "hun", "rou", "bgr", "hrv", "svn", "alb", "mne", "mkd", "isl",
    "lux", "aus",
];

/// The spoke of this number; they repeat after 32.
pub fn spoke(number: u64) -> Instance {
    let code = CODES[number as usize % CODES.len()];
    Instance::Spoke(code.parse().expect("the codes above are codes"))
}

/// Whether orders deploy it.
pub fn is_deployed(instance: &Instance) -> bool {
    *instance == Instance::Hub || (0..CODES.len() as u64).any(|number| spoke(number) == *instance)
}

/// Where its state is seen.
pub fn state_signal(instance: &Instance) -> String {
    format!("{instance}/deployment/state")
}

/// Where it is seen who holds its lock.
pub fn lock_signal(instance: &Instance) -> String {
    format!("{instance}/deployment/lock")
}

/// Where it is seen which phase somebody is at work on.
pub fn phase_signal(instance: &Instance) -> String {
    format!("{instance}/deployment/phase")
}

/// Where it is seen with which code the phase that was last at work failed.
pub fn error_signal(instance: &Instance) -> String {
    format!("{instance}/deployment/error")
}

/// Where it is seen which versions of its secret open what it is for.
pub fn opens_signal(instance: &Instance) -> String {
    format!("{instance}/deployment/opens")
}

/// The word for versions: `none`, `1`, `1+2`.
pub fn opening(versions: impl Iterator<Item = u32>) -> String {
    let versions: Vec<_> = versions.map(|version| version.to_string()).collect();
    if versions.is_empty() { NONE.to_owned() } else { versions.join("+") }
}

/// The versions that scenarios may name: each alone, and beside the one before.
fn openings() -> BTreeSet<String> {
    let of = |version: u32| [opening(version..=version), opening(version - 1..=version)];
    [NONE.to_owned(), opening(1..=1)].into_iter().chain((2..=9).flat_map(of)).collect()
}

/// How long the last DEPLOYMENT took, in seconds.
pub fn bringing_up(instance: &Instance) -> String {
    format!("{instance}/deployment/bringing-up")
}

/// Where the breaker that all operators share for Keycloak is seen.
pub const KEYCLOAK_BREAKER: &str = "deployment/breaker/keycloak";

/// Nobody holds it.
pub const FREE: &str = "free";
/// It can't be told.
pub const UNKNOWN: &str = "unknown";
/// Nobody is at work, or nothing failed.
pub const NONE: &str = "none";

/// The words that scenarios may use of it.
pub fn topology() -> Topology {
    let edges = || {
        let called = || ground().chain([STORE]);
        [OPERATOR, COLLEAGUE].into_iter().flat_map(move |from| called().map(move |to| Edge::new(from, to)))
    };
    let (mut signals, mut at_rest, mut measures) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for instance in watched() {
        signals.insert(state_signal(&instance), words(DeploymentState::ALL.map(DeploymentState::as_str)));
        signals
            .insert(phase_signal(&instance), words([NONE].into_iter().chain(Phase::ALL.map(Phase::as_str))));
        let codes = ErrorCode::ALL.iter().map(ErrorCode::to_string).chain([NONE.to_owned()]);
        signals.insert(error_signal(&instance), codes.collect());
        signals.insert(opens_signal(&instance), openings());
        signals.insert(lock_signal(&instance), words([FREE, OPERATOR, COLLEAGUE, UNKNOWN]));
        at_rest.insert(lock_signal(&instance), FREE.to_owned());
        let about = "seconds that its services took to come up, told when they are".to_owned();
        measures.insert(bringing_up(&instance), about);
    }
    signals.insert(KEYCLOAK_BREAKER.to_owned(), words(["CLOSED", "OPEN", "HALF_OPEN", UNKNOWN]));
    Topology {
        about: "a machine onto which operators deploy a hub and spokes; nothing is deployed yet".into(),
        services: edges().flat_map(|edge| [edge.from, edge.to]).collect(),
        edges: edges().collect(),
        signals,
        at_rest,
        measures,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_spokes_of_a_round_are_the_same() {
        assert_eq!((0..32).map(spoke).collect::<BTreeSet<_>>().len(), 32);
        assert_eq!(spoke(32), spoke(0));
    }
}
