//! When a service counts as up: a ladder of checks, each of which means more than the one below.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Service;

/// A rung of the ladder. In their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// Its container is there and runs.
    Exists,
    /// The engine's own check of the container passes.
    ContainerHealthy,
    /// It answers HTTP.
    Http,
    /// It does what it is there for.
    Functional,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exists => "exists",
            Self::ContainerHealthy => "container healthy",
            Self::Http => "HTTP",
            Self::Functional => "functional",
        })
    }
}

/// The rungs of a service, from the bottom: HTTP only where it speaks it.
pub const fn rungs(service: Service) -> &'static [Rung] {
    match service {
        Service::Postgres | Service::Mongodb | Service::Redis | Service::BlacklistRedis => {
            &[Rung::Exists, Rung::ContainerHealthy, Rung::Functional]
        }
        _ => &[Rung::Exists, Rung::ContainerHealthy, Rung::Http, Rung::Functional],
    }
}

/// What the topmost rung asks of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Functional {
    /// PostgreSQL answers a SELECT.
    Select,
    /// MongoDB answers a ping and its registry can be read.
    PingAndRegistry,
    /// Redis answers PING.
    Ping,
    /// Keycloak's realm answers.
    Realm,
    /// OPA decides a known input as it must.
    KnownDecision,
    /// The node says at `/health/ready` that it is ready.
    Ready,
    /// The key service refuses a request without a token.
    RefusesAnonymous,
    /// The page is there.
    Page,
    /// The policy channel has its clients, or its server.
    Connected,
}

/// What the topmost rung of a service asks.
pub const fn functional(service: Service) -> Functional {
    match service {
        Service::Postgres => Functional::Select,
        Service::Mongodb => Functional::PingAndRegistry,
        Service::Redis | Service::BlacklistRedis => Functional::Ping,
        Service::Keycloak => Functional::Realm,
        Service::Opa => Functional::KnownDecision,
        Service::Backend => Functional::Ready,
        Service::Kas => Functional::RefusesAnonymous,
        Service::Frontend => Functional::Page,
        Service::OpalServer | Service::OpalClient => Functional::Connected,
    }
}

/// How far up a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every rung holds. Nothing less is healthy: a container that merely runs is not.
    Healthy,
    /// This is the lowest rung that doesn't hold.
    Stuck(Rung),
}

/// Climbs the ladder of a service: asks rung after rung, and no further than the first that doesn't hold.
pub fn climb(service: Service, mut holds: impl FnMut(Rung) -> bool) -> Standing {
    rungs(service).iter().find(|rung| !holds(**rung)).map_or(Standing::Healthy, |rung| Standing::Stuck(*rung))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const ALL: [Rung; 4] = [Rung::Exists, Rung::ContainerHealthy, Rung::Http, Rung::Functional];

    proptest! {
        #[test]
        fn healthy_is_every_rung_and_stuck_is_the_lowest_that_does_not_hold(
            service in prop::sample::select(Service::ALL.to_vec()),
            holding in prop::sample::subsequence(ALL.to_vec(), 0..=4),
        ) {
            let holding: BTreeSet<_> = holding.into_iter().collect();
            let mut asked = Vec::new();
            let standing = climb(service, |rung| { asked.push(rung); holding.contains(&rung) });
            match standing {
                Standing::Healthy => prop_assert!(rungs(service).iter().all(|rung| holding.contains(rung))),
                Standing::Stuck(rung) => {
                    prop_assert!(!holding.contains(&rung));
                    prop_assert_eq!(asked.last(), Some(&rung), "nothing above it is asked");
                    prop_assert!(rungs(service).iter().filter(|r| **r < rung).all(|r| holding.contains(r)));
                }
            }
        }
    }

    #[test]
    fn a_running_container_is_not_a_healthy_service() {
        for service in Service::ALL {
            let running = climb(service, |rung| rung == Rung::Exists);
            assert_eq!(running, Standing::Stuck(Rung::ContainerHealthy));
            let answering = climb(service, |rung| rung != Rung::Functional);
            assert_eq!(answering, Standing::Stuck(Rung::Functional), "{service}");
            assert!(rungs(service).is_sorted());
        }
    }
}
