//! What a deployment writes into its services: objects of the realm, documents of the store.

use dive_node::adapters::mongodb::IssuerDocument;
use dive_orchestrator::Service;
use dive_orchestrator::deploy::{Done, Site};

use super::definition::{host_port, tenant};
use super::documents::{self, Documents};
use super::keycloak::{Administrator, Kind};
use super::rungs::base;
use super::{DockerPlatform, realm, unknown};
use crate::material::SecretName;

/// A thing that is not in the container engine, by its name.
pub(super) enum Written<'a> {
    Realm(Kind, &'a str),
    Issuer(&'a str),
    Resource(&'a str),
    Batch(u32),
}

impl<'a> Written<'a> {
    /// Reads a name that `steps` gave.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (_, rest) = name.split_once('/')?;
        let (kind, name) = rest.split_once('/')?;
        match kind {
            "clients" => Some(Self::Realm(Kind::Clients, name)),
            "users" => Some(Self::Realm(Kind::Users, name)),
            "issuers" => Some(Self::Issuer(name)),
            "resources" => Some(Self::Resource(name)),
            "seeds" => name.parse().ok().map(Self::Batch),
            _ => None,
        }
    }
}

impl DockerPlatform {
    async fn documents(&self, site: &Site) -> Done<Documents> {
        Documents::at(host_port(site, Service::Mongodb)).await
    }

    /// Whether a service's container is there at all.
    async fn is_there(&self, site: &Site, service: Service) -> Done<bool> {
        Ok(self.things(site).inspect(&service.container(&site.instance)).await?.is_some())
    }

    /// Makes it, if it isn't there.
    pub(super) async fn make_written(&self, site: &Site, what: Written<'_>) -> Done {
        let tenant = tenant(&site.instance);
        match what {
            Written::Realm(kind, name) => self.make_in_realm(site, &tenant, kind, name).await,
            Written::Issuer(issuer) => {
                let keys = format!("https://{}:8443", Service::Keycloak.container(&site.instance));
                let keys = format!("{}/protocol/openid-connect/certs", realm::issuer(&keys, &tenant));
                let document = IssuerDocument {
                    issuer: issuer.to_owned(),
                    tenant,
                    jwks_uri: Some(keys),
                    max_classification: None,
                    claim_map: None,
                };
                self.documents(site).await?.trust(document).await
            }
            Written::Resource(id) => {
                let wanted =
                    documents::verified(&tenant).into_iter().find(|resource| resource.resource_id == id);
                self.documents(site).await?.put([wanted.ok_or_else(|| unknown(id))?]).await
            }
            Written::Batch(number) => {
                self.documents(site).await?.put_batch(&tenant, number, self.resources).await
            }
        }
    }

    fn administrator(&self, site: &Site) -> Done<Administrator<'_>> {
        Administrator::of(site, &self.material(&site.instance), &self.logins)
    }

    async fn make_in_realm(&self, site: &Site, tenant: &str, kind: Kind, name: &str) -> Done {
        let material = self.material(&site.instance);
        let document = match kind {
            Kind::Clients => {
                let page = base(site, Service::Frontend);
                realm::client(name, &page, &material.secret(SecretName::Verifier)?)
            }
            Kind::Users => {
                let everybody = realm::seeded(tenant).into_iter().chain([realm::verifier(tenant)]);
                let user =
                    everybody.into_iter().find(|user| user.name == name).ok_or_else(|| unknown(name))?;
                let is_verifier = user == realm::verifier(tenant);
                let secret = if is_verifier { SecretName::Verifier } else { SecretName::Users };
                user.document(tenant, &material.secret(secret)?)
            }
        };
        self.administrator(site)?.make(kind, name, &document).await
    }

    /// Whether it is there.
    pub(super) async fn find_written(&self, site: &Site, what: Written<'_>) -> Done<bool> {
        let tenant = tenant(&site.instance);
        match what {
            Written::Realm(kind, name) => Ok(self.administrator(site)?.id(kind, name).await?.is_some()),
            Written::Issuer(issuer) => self.documents(site).await?.trusts(issuer).await,
            Written::Resource(id) => self.documents(site).await?.has(id).await,
            Written::Batch(number) => self.documents(site).await?.has_batch(&tenant, number).await,
        }
    }

    /// Removes it, if it is there.
    pub(super) async fn unmake_written(&self, site: &Site, what: Written<'_>) -> Done {
        let tenant = tenant(&site.instance);
        let service = if matches!(what, Written::Realm(..)) { Service::Keycloak } else { Service::Mongodb };
        // What was in a container that is not there any more went with it.
        if !self.is_there(site, service).await? {
            return Ok(());
        }
        match what {
            Written::Realm(kind, name) => self.administrator(site)?.remove(kind, name).await,
            Written::Issuer(issuer) => self.documents(site).await?.distrust(issuer).await,
            Written::Resource(id) => self.documents(site).await?.remove(vec![id.to_owned()]).await,
            Written::Batch(number) => self.documents(site).await?.remove_batch(&tenant, number).await,
        }
    }
}
