//! From what a check saw to a service's status, from those to the node's status.
//!
//! | node status | when | HTTP |
//! |---|---|---|
//! | healthy | everything is up | 200 |
//! | degraded | a non-critical service is down, or any service is slow | 200 |
//! | unhealthy | a critical service is down | 503 |

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the node cannot do without, and what it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Criticality {
    /// Down means that the node cannot serve: the policy engine, the resource store.
    Critical,
    /// Down means that some of its services are missing.
    NonCritical,
}

/// The status of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceStatus {
    /// It answered in good time.
    Up,
    /// It answered, but slowly.
    Degraded,
    /// It did not answer as it should.
    Down,
}

impl ServiceStatus {
    /// Of a check that was answered after `took`: slow means *longer* than `slow_over`.
    pub fn of_answer(took: Duration, slow_over: Duration) -> Self {
        if took > slow_over { Self::Degraded } else { Self::Up }
    }

    /// `up`, `degraded` or `down`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The status of a whole node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeStatus {
    /// Everything is up.
    Healthy,
    /// It serves, but something is missing or slow.
    Degraded,
    /// It cannot serve.
    Unhealthy,
}

impl NodeStatus {
    /// The status that follows from the services. A node without services is healthy.
    pub fn roll_up(services: impl IntoIterator<Item = (Criticality, ServiceStatus)>) -> Self {
        services.into_iter().fold(Self::Healthy, |worst, service| {
            worst.max(match service {
                (_, ServiceStatus::Up) => Self::Healthy,
                (Criticality::Critical, ServiceStatus::Down) => Self::Unhealthy,
                (Criticality::NonCritical, ServiceStatus::Down) | (_, ServiceStatus::Degraded) => {
                    Self::Degraded
                }
            })
        })
    }

    /// The status code of a health answer.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Healthy | Self::Degraded => 200,
            Self::Unhealthy => 503,
        }
    }

    /// `healthy`, `degraded` or `unhealthy`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn services() -> impl Strategy<Value = Vec<(Criticality, ServiceStatus)>> {
        let criticality = prop_oneof![Just(Criticality::Critical), Just(Criticality::NonCritical)];
        let status =
            prop_oneof![Just(ServiceStatus::Up), Just(ServiceStatus::Degraded), Just(ServiceStatus::Down)];
        prop::collection::vec((criticality, status), 0..8)
    }

    proptest! {
        #[test]
        fn unhealthy_if_and_only_if_a_critical_service_is_down(services in services()) {
            let critical_down = services.contains(&(Criticality::Critical, ServiceStatus::Down));
            let status = NodeStatus::roll_up(services);
            prop_assert_eq!(status == NodeStatus::Unhealthy, critical_down);
            prop_assert_eq!(status.http_status(), if critical_down { 503 } else { 200 });
        }

        #[test]
        fn healthy_if_and_only_if_everything_is_up(services in services()) {
            let all_up = services.iter().all(|(_, status)| *status == ServiceStatus::Up);
            prop_assert_eq!(NodeStatus::roll_up(services) == NodeStatus::Healthy, all_up);
        }

        #[test]
        fn the_order_of_services_does_not_matter(services in services()) {
            let reversed: Vec<_> = services.iter().rev().copied().collect();
            prop_assert_eq!(NodeStatus::roll_up(services), NodeStatus::roll_up(reversed));
        }

        #[test]
        fn a_service_is_slow_only_over_its_threshold(took in 0u64..2_000, threshold in 0u64..2_000) {
            let status =
                ServiceStatus::of_answer(Duration::from_millis(took), Duration::from_millis(threshold));
            prop_assert_eq!(status == ServiceStatus::Degraded, took > threshold);
            prop_assert_ne!(status, ServiceStatus::Down);
        }
    }
}
