//! The services an instance is made of.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Instance;

/// A service, one container of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Keycloak's and the orchestration's database.
    Postgres,
    /// Resources and registry.
    Mongodb,
    /// The cache.
    Redis,
    /// The policy engine.
    Opa,
    /// The revocations of the whole federation; at the hub only.
    BlacklistRedis,
    /// The identity provider.
    Keycloak,
    /// The node.
    Backend,
    /// Policy's push channel; at the hub only.
    OpalServer,
    /// Key access.
    Kas,
    /// The node's page.
    Frontend,
    /// The end of policy's push channel.
    OpalClient,
}

/// A text that names no service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no service")]
pub struct NoService(pub String);

impl Service {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Postgres,
        Self::Mongodb,
        Self::Redis,
        Self::Opa,
        Self::BlacklistRedis,
        Self::Keycloak,
        Self::Backend,
        Self::OpalServer,
        Self::Kas,
        Self::Frontend,
        Self::OpalClient,
    ];

    /// The exact set that `instance` is made of: eleven at the hub, nine at a spoke.
    pub fn of(instance: &Instance) -> Vec<Self> {
        let hub = *instance == Instance::Hub;
        Self::ALL.into_iter().filter(|service| hub || !service.is_at_hub_only()).collect()
    }

    /// Whether spokes have none of it.
    pub const fn is_at_hub_only(self) -> bool {
        matches!(self, Self::BlacklistRedis | Self::OpalServer)
    }

    /// What must be healthy before it is started, beside what that needs in turn.
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::Postgres | Self::Mongodb | Self::Redis | Self::Opa | Self::BlacklistRedis => &[],
            Self::Keycloak => &[Self::Postgres],
            Self::Backend => &[Self::Keycloak, Self::Mongodb, Self::Redis, Self::Opa],
            Self::OpalServer => &[Self::Keycloak, Self::Opa],
            Self::Kas | Self::Frontend | Self::OpalClient => &[Self::Backend],
        }
    }

    /// Whether, at a spoke, it is made with something of the hub's: its revocations, its policy. It waits until the
    /// hub's services are healthy; all else of a spoke may come up while they do.
    pub const fn needs_the_hub(self) -> bool {
        matches!(self, Self::Backend | Self::Kas | Self::OpalClient)
    }

    /// How long it may take to become healthy where its own past says nothing.
    pub const fn start_timeout(self) -> Duration {
        Duration::from_secs(match self {
            Self::Mongodb | Self::Frontend => 90,
            Self::Redis | Self::Opa | Self::BlacklistRedis => 30,
            Self::Keycloak => 240,
            Self::Backend => 120,
            Self::Postgres | Self::Kas | Self::OpalServer | Self::OpalClient => 60,
        })
    }

    /// Its name in containers' names, commands and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mongodb => "mongodb",
            Self::Redis => "redis",
            Self::Opa => "opa",
            Self::BlacklistRedis => "blacklist-redis",
            Self::Keycloak => "keycloak",
            Self::Backend => "backend",
            Self::OpalServer => "opal-server",
            Self::Kas => "kas",
            Self::Frontend => "frontend",
            Self::OpalClient => "opal-client",
        }
    }

    /// The name of its container, such as `dive-spoke-fra-keycloak`. No two instances share one.
    pub fn container(self, instance: &Instance) -> String {
        format!("dive-{instance}-{self}")
    }
}

/// The network that all instances of one machine share.
pub const NETWORK: &str = "dive-shared";

impl FromStr for Service {
    type Err = NoService;

    fn from_str(text: &str) -> Result<Self, NoService> {
        Self::ALL
            .into_iter()
            .find(|service| service.as_str() == text)
            .ok_or_else(|| NoService(text.to_owned()))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_hub_has_eleven_services_and_a_spoke_nine() {
        let spoke = Instance::Spoke("fra".parse().unwrap());
        assert_eq!(Service::of(&Instance::Hub).len(), 11);
        assert_eq!(Service::of(&spoke).len(), 9);
        for instance in [&Instance::Hub, &spoke] {
            let services = Service::of(instance);
            let missing = services.iter().flat_map(|s| s.needs()).find(|needed| !services.contains(needed));
            assert_eq!(missing, None, "{instance} has what its services need");
        }
    }

    #[test]
    fn containers_are_named_after_instance_and_service_and_no_two_alike() {
        let instances = ["hub", "spoke-fra", "spoke-hub", "spoke-fraopal", "spoke-fr"];
        let instances = instances.map(|name| name.parse::<Instance>().unwrap());
        let names: BTreeSet<_> =
            instances.iter().flat_map(|i| Service::of(i).into_iter().map(|s| s.container(i))).collect();
        assert_eq!(names.len(), 11 + 4 * 9);
        assert!(names.contains("dive-hub-blacklist-redis") && names.contains("dive-spoke-fra-keycloak"));
    }

    #[test]
    fn a_stored_name_reads_back() {
        for service in Service::ALL {
            assert_eq!(service.as_str().parse(), Ok(service));
            assert_eq!(serde_json::to_value(service).unwrap(), service.as_str());
        }
    }
}
