//! What a node depends on.

use std::fmt;
use std::time::Duration;

use dive_resilience::BreakerSettings;
use dive_resilience::health::Criticality;

/// Something outside the node that it needs, wholly or for part of its services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// The resource and registry store.
    Mongodb,
    /// The policy engine.
    Opa,
    /// The identity provider.
    Keycloak,
    /// The key access service.
    Kas,
    /// The cache.
    Redis,
    /// The store of revocations, shared by all nodes.
    BlacklistRedis,
}

impl Dependency {
    /// Every dependency there is.
    pub const ALL: [Self; 6] =
        [Self::Mongodb, Self::Opa, Self::Keycloak, Self::Kas, Self::Redis, Self::BlacklistRedis];

    /// Its name in health answers, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mongodb => "mongodb",
            Self::Opa => "opa",
            Self::Keycloak => "keycloak",
            Self::Kas => "kas",
            Self::Redis => "redis",
            Self::BlacklistRedis => "blacklistRedis",
        }
    }

    /// Its name in the settings.
    pub const fn key(self) -> &'static str {
        match self {
            Self::BlacklistRedis => "blacklist_redis",
            other => other.name(),
        }
    }

    /// Whether the node can serve without it.
    pub const fn criticality(self) -> Criticality {
        match self {
            Self::Mongodb | Self::Opa => Criticality::Critical,
            Self::Keycloak | Self::Kas | Self::Redis | Self::BlacklistRedis => Criticality::NonCritical,
        }
    }

    /// Whether calls to it go through a circuit.
    pub const fn has_circuit(self) -> bool {
        self.breaker().is_some()
    }

    /// The default over which an answer is slow.
    pub(crate) const fn slow_over(self) -> Duration {
        match self {
            Self::Mongodb | Self::Keycloak => Duration::from_millis(500),
            Self::Opa => Duration::from_millis(300),
            Self::Kas | Self::Redis | Self::BlacklistRedis => Duration::from_millis(200),
        }
    }

    /// The defaults of its breaker, if it has one.
    pub(crate) const fn breaker(self) -> Option<BreakerSettings> {
        match self {
            Self::Mongodb => Some(BreakerSettings::MONGODB),
            Self::Opa => Some(BreakerSettings::OPA),
            Self::Keycloak => Some(BreakerSettings::KEYCLOAK),
            Self::Kas => Some(BreakerSettings::KAS),
            Self::Redis | Self::BlacklistRedis => None,
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
