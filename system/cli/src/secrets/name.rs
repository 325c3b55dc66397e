//! Which secrets an instance has.

use std::fmt;

use dive_orchestrator::Instance;

/// A secret by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SecretName {
    /// PostgreSQL's password.
    Postgres,
    /// The password of Keycloak's first administrator.
    Keycloak,
    /// The cache's password.
    Redis,
    /// The password of the revocations' Redis; the hub's, and its spokes use it.
    BlacklistRedis,
    /// What seals cached decisions.
    CacheKey,
    /// The secret of the client that verification logs in through, and its user's password.
    Verifier,
    /// The password of the seeded users.
    Users,
}

/// The version that a deployment is made with where there was none before.
pub(crate) const FIRST: u32 = 1;

impl SecretName {
    pub(crate) const ALL: [Self; 7] = [
        Self::Postgres,
        Self::Keycloak,
        Self::Redis,
        Self::BlacklistRedis,
        Self::CacheKey,
        Self::Verifier,
        Self::Users,
    ];

    /// Its name in files, variables and stores.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Keycloak => "keycloak",
            Self::Redis => "redis",
            Self::BlacklistRedis => "blacklist-redis",
            Self::CacheKey => "cache-key",
            Self::Verifier => "verifier",
            Self::Users => "users",
        }
    }

    /// Those of an instance.
    pub(crate) fn of(instance: &Instance) -> Vec<Self> {
        let is_of = |name: &Self| *name != Self::BlacklistRedis || *instance == Instance::Hub;
        Self::ALL.into_iter().filter(is_of).collect()
    }
}

/// One version of one secret of one instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SecretId {
    pub(crate) instance: Instance,
    pub(crate) name: SecretName,
    pub(crate) version: u32,
}

/// Such as `hub-postgres`, without its version; no two secrets share one, and it is fit for files, variables and
/// resources.
impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_secrets_share_an_id_and_only_the_hub_has_the_revocations() {
        let instances = ["hub", "spoke-fra", "spoke-redis", "spoke-hub"].map(|name| name.parse().unwrap());
        let ids = instances.iter().flat_map(|instance: &Instance| {
            SecretName::of(instance).into_iter().map(|name| SecretId {
                instance: instance.clone(),
                name,
                version: FIRST,
            })
        });
        let texts: Vec<_> = ids.map(|id| id.to_string()).collect();
        assert_eq!((texts.len(), texts.iter().collect::<BTreeSet<_>>().len()), (25, 25));
        assert!(texts.iter().all(|text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')));
    }
}
