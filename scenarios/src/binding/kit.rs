//! What every run of DIVE stands on: the coalition with its callers, and a policy engine of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coalition::{Coalition, CoalitionError, HUB_TENANT, realms};
use dive_authz::{Input, Resource};
use dive_node::adapters::mongodb::IssuerDocument;
use dive_node::ports::{StoredResource, TrustedIssuer};
use jsonwebtoken::jwk::JwkSet;
use thiserror::Error;

use super::callers::Callers;
use super::policy::Authz;
use super::sealed::{Sealed, TAMPERED_PAYLOAD, TAMPERED_POLICY};
use super::topology::Shape;

/// The seed of the coalition's keys. The same for every run, so that the same tokens mean the same; and
/// one whose primes are found early, because every process looks for them.
pub const SEED: u64 = 24;

/// The base URL that the identity provider's tokens name. Nobody looks there: where its keys are read, the
/// registry says.
pub const IDENTITY_PROVIDER: &str = "https://idp.usa.example";

/// The hub's part of the coalition at an instant, with everything that is dear to make. Made once in a process.
pub struct Kit {
    coalition: Coalition,
    engine: Authz,
    issuers: BTreeMap<String, (TrustedIssuer, JwkSet)>,
    resources: BTreeMap<String, Arc<StoredResource>>,
    callers: Callers,
    sealed: Sealed,
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
    /// A resource could not be encrypted.
    #[error("the coalition's encrypted resources: {0}")]
    Sealing(#[from] dive_authz::ztdf::key_wrap::UnusableKey),
}

impl Kit {
    /// The kit for a topology, whose tokens are issued at `wall`, since the Unix epoch.
    ///
    /// # Errors
    /// [`KitError`] when policies and coalition do not fit together, which tests rule out.
    pub fn at(shape: Shape, wall: Duration) -> Result<Arc<Self>, KitError> {
        static MADE: Mutex<BTreeMap<Shape, (u64, Arc<Kit>)>> = Mutex::new(BTreeMap::new());
        let second = wall.as_secs();
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kit)) = made.get(&shape).filter(|(at, _)| *at == second) {
            return Ok(kit.clone());
        }
        let coalition = match made.remove(&shape) {
            Some((_, kit)) => kit.coalition.clone(),
            None => coalition(shape),
        };
        let kit = Arc::new(Self::new(shape, coalition, second)?);
        made.insert(shape, (second, kit.clone()));
        Ok(kit)
    }

    /// The kit of the present.
    ///
    /// # Errors
    /// As [`Kit::at`].
    pub fn now(shape: Shape) -> Result<Arc<Self>, KitError> {
        Self::at(shape, Duration::from_secs(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)))
    }

    fn new(shape: Shape, coalition: Coalition, second: u64) -> Result<Self, KitError> {
        let engine =
            Authz::new(coalition.policy_data()).map_err(|error| KitError::Policies(error.to_string()))?;
        let mut issuers = BTreeMap::new();
        for tenant in coalition.tenants().iter().filter(|tenant| tenant.trusted) {
            let issuer = TrustedIssuer {
                issuer: tenant.issuer(),
                tenant: tenant.name.to_owned(),
                keys_url: None,
                claim_map: None,
            };
            issuers.insert(issuer.issuer.clone(), (issuer, serde_json::from_value(tenant.jwks())?));
        }
        // Files hold no objects.
        let tampered = if shape == Shape::Hub { tampered(&coalition) } else { Vec::new() };
        let stored = || coalition.resources().iter().chain(&tampered);
        let encrypted: Vec<Resource> =
            if shape == Shape::Hub { stored().cloned().collect() } else { Vec::new() };
        let sealed = Sealed::new(&encrypted, coalition.seed())?;
        let resources = stored()
            .map(|metadata| {
                let id = &metadata.resource_id;
                let object = sealed.objects.get(id).map(|object| object.to_string().into_bytes());
                (id.clone(), Arc::new(StoredResource { metadata: metadata.clone(), object }))
            })
            .collect();
        let now = i64::try_from(second).unwrap_or(i64::MAX);
        let current_time = jiff::Timestamp::from_second(now).unwrap_or_default().to_string();
        let callers =
            Callers::new(coalition.clone(), now, &current_time, |input: &Input| engine.allows(input))?;
        Ok(Self { coalition, engine, issuers, resources, callers, sealed })
    }

    /// The coalition.
    pub fn coalition(&self) -> &Coalition {
        &self.coalition
    }

    /// The registry's trusted issuers, whose keys are read at the identity provider with this base URL.
    pub fn registry(&self, identity_provider: &str) -> Vec<IssuerDocument> {
        let trusted = self.coalition.tenants().iter().filter(|tenant| tenant.trusted);
        trusted
            .map(|tenant| {
                let realm = realms::issuer(identity_provider, tenant.name);
                IssuerDocument {
                    issuer: tenant.issuer(),
                    tenant: tenant.name.to_owned(),
                    jwks_uri: Some(format!("{realm}/protocol/openid-connect/certs")),
                    max_classification: None,
                    claim_map: None,
                }
            })
            .collect()
    }

    /// Every resource as it is stored.
    pub fn resources(&self) -> impl Iterator<Item = &StoredResource> {
        self.resources.values().map(|resource| &**resource)
    }

    /// What the key access service needs, and what is encrypted.
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// A policy engine with the policies and the coalition's data.
    pub fn engine(&self) -> Authz {
        self.engine.clone()
    }

    /// Who asks, and what they may have.
    pub fn callers(&self) -> &Callers {
        &self.callers
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

/// Copies of an encrypted resource that will be found changed.
fn tampered(coalition: &Coalition) -> Vec<Resource> {
    let whole = coalition.resources().iter().find(|resource| resource.encrypted == Some(true));
    let named = |id: &str| whole.map(|whole| Resource { resource_id: id.to_owned(), ..whole.clone() });
    [TAMPERED_PAYLOAD, TAMPERED_POLICY].into_iter().filter_map(named).collect()
}

/// The hub's part of the coalition; where there is an identity provider, it hosts the hub's users.
fn coalition(shape: Shape) -> Coalition {
    let part = Coalition::part(SEED, &[HUB_TENANT]);
    match shape {
        Shape::HubAndOpa => part,
        Shape::Hub => part.hosted(HUB_TENANT, IDENTITY_PROVIDER),
    }
}
