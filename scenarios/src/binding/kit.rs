//! What every run of DIVE stands on: the coalition with its callers, and a policy engine of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coalition::{Coalition, CoalitionError, HUB_TENANT};
use dive_authz::Input;
use dive_node::ports::{StoredResource, TrustedIssuer};
use jsonwebtoken::jwk::JwkSet;
use thiserror::Error;

use super::policy::Authz;
use super::requests::{Asked, Callers, Kind};

/// The seed of the coalition's keys. The same for every run, so that the same tokens mean the same; and
/// one whose primes are found early, because every process looks for them.
const SEED: u64 = 24;

/// The hub's part of the coalition at an instant, with everything that is dear to make. Made once in a process.
pub struct Kit {
    coalition: Coalition,
    engine: Authz,
    issuers: BTreeMap<String, (TrustedIssuer, JwkSet)>,
    resources: BTreeMap<String, Arc<StoredResource>>,
    callers: Callers,
}

/// Why there is no kit.
#[derive(Debug, Error)]
pub enum KitError {
    /// The coalition failed.
    #[error(transparent)]
    Coalition(#[from] CoalitionError),
    /// The policies could not be loaded.
    #[error("the policies can't be loaded: {0}")]
    Policies(String),
    /// A document of the coalition is not what it should be.
    #[error("the coalition's issuers: {0}")]
    Issuers(#[from] serde_json::Error),
}

impl Kit {
    /// The kit whose tokens are issued at `wall`, since the Unix epoch.
    ///
    /// # Errors
    /// [`KitError`] when policies and coalition do not fit together, which tests rule out.
    pub fn at(wall: Duration) -> Result<Arc<Self>, KitError> {
        static MADE: Mutex<Option<(u64, Arc<Kit>)>> = Mutex::new(None);
        let second = wall.as_secs();
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kit)) = made.as_ref().filter(|(at, _)| *at == second) {
            return Ok(kit.clone());
        }
        let coalition = match made.take() {
            Some((_, kit)) => kit.coalition.clone(),
            None => Coalition::part(SEED, &[HUB_TENANT]),
        };
        let kit = Arc::new(Self::new(coalition, second)?);
        *made = Some((second, kit.clone()));
        Ok(kit)
    }

    /// The kit of the present.
    ///
    /// # Errors
    /// As [`Kit::at`].
    pub fn now() -> Result<Arc<Self>, KitError> {
        Self::at(Duration::from_secs(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)))
    }

    fn new(coalition: Coalition, second: u64) -> Result<Self, KitError> {
        let engine =
            Authz::new(coalition.policy_data()).map_err(|error| KitError::Policies(error.to_string()))?;
        let mut issuers = BTreeMap::new();
        for tenant in coalition.tenants().iter().filter(|tenant| tenant.trusted) {
            let issuer =
                TrustedIssuer { issuer: tenant.issuer(), tenant: tenant.name.to_owned(), keys_url: None };
            issuers.insert(issuer.issuer.clone(), (issuer, serde_json::from_value(tenant.jwks())?));
        }
        let resources = coalition
            .resources()
            .iter()
            .map(|metadata| {
                let stored = StoredResource { metadata: metadata.clone(), object: None };
                (metadata.resource_id.clone(), Arc::new(stored))
            })
            .collect();
        let now = i64::try_from(second).unwrap_or(i64::MAX);
        let current_time = jiff::Timestamp::from_second(now).unwrap_or_default().to_string();
        let callers =
            Callers::new(coalition.clone(), now, &current_time, |input: &Input| engine.allows(input))?;
        Ok(Self { coalition, engine, issuers, resources, callers })
    }

    /// The coalition.
    pub fn coalition(&self) -> &Coalition {
        &self.coalition
    }

    /// A policy engine with the policies and the coalition's data.
    pub fn engine(&self) -> Authz {
        self.engine.clone()
    }

    /// The request of that kind and number; `sent` counts the requests of a run.
    pub fn ask(&self, kind: Kind, number: u64, sent: u64) -> Asked<'_> {
        self.callers.ask(kind, number, sent)
    }

    /// The classification of a resource, as facts carry it.
    pub fn classification(&self, resource: &str) -> String {
        self.callers.classification(resource)
    }

    /// The entry of a trusted issuer.
    pub fn issuer(&self, issuer: &str) -> Option<TrustedIssuer> {
        self.issuers.get(issuer).map(|(issuer, _)| issuer.clone())
    }

    /// The keys of a trusted issuer.
    pub fn keys(&self, issuer: &str) -> Option<JwkSet> {
        self.issuers.get(issuer).map(|(_, keys)| keys.clone())
    }

    /// A resource as it is stored.
    pub fn resource(&self, id: &str) -> Option<Arc<StoredResource>> {
        self.resources.get(id).cloned()
    }
}
