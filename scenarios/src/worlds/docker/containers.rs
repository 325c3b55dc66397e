//! Each service as a container: what to run, with which files, after which others.

use std::time::Duration;

use coalition::HUB_TENANT;
use coalition::realms::realm_name;
use dive_authz::policies;
use dive_node::Settings;
use harness_core::world::WorldError;
use harness_docker::world::{ContainerPlan, InterceptorRole, Site};
use harness_docker::{Ready, Recipe};
use harness_local::{Canary, Identity};

use super::super::certificates::Certificates;
use super::super::settings;
use crate::binding::kit::{IDENTITY_PROVIDER, Kit};
use crate::binding::topology::{BLACKLIST, HUB, KAS, KEYCLOAK, MONGODB, OPA, REDIS, Shape};
use crate::binding::wire;

/// The audit file, in the container of whoever keeps it.
pub(super) const AUDIT: &str = "/audit.jsonl";

const CA_PATH: &str = "/ca.pem";
const CHAIN_PATH: &str = "/tls.pem";
const KEY_PATH: &str = "/tls.key";

const NODE_PORT: u16 = 4000;
const OPA_PORT: u16 = 8181;
const KEYCLOAK_PORT: u16 = 8443;
const MONGODB_PORT: u16 = 27_017;
const REDIS_PORT: u16 = 6379;

/// Half a minute when little else runs; the whole topology starts at once.
const KEYCLOAK_READY: Duration = Duration::from_secs(180);
const STORE_READY: Duration = Duration::from_secs(60);

const OPA_IMAGE: &str = include_str!("../../../../fixtures/images/opa.toml");
const KEYCLOAK_IMAGE: &str = include_str!("../../../../fixtures/images/keycloak.toml");
const MONGODB_IMAGE: &str = include_str!("../../../../fixtures/images/mongodb.toml");
const REDIS_IMAGE: &str = include_str!("../../../../fixtures/images/redis.toml");
const NODE_IMAGE: &str = include_str!("../../../../fixtures/images/node.toml");
const TOXIPROXY_IMAGE: &str = include_str!("../../../../fixtures/images/toxiproxy.toml");

fn recipe(text: &str) -> Result<Recipe, WorldError> {
    Recipe::parse(text).map_err(|error| WorldError::Failed(format!("an image recipe: {error}")))
}

/// The recipe of the proxy on every edge.
pub(super) fn toxiproxy() -> Result<Recipe, WorldError> {
    recipe(TOXIPROXY_IMAGE)
}

/// What comes between where a certificate is to be foreign: this program, which nodes are too.
pub(super) fn interceptor() -> Result<InterceptorRole, WorldError> {
    Ok(InterceptorRole { recipe: recipe(NODE_IMAGE)?, args: vec!["serve".into(), "interceptor".into()] })
}

/// The recipes of every image that a topology needs, each once.
///
/// # Errors
/// When a recipe is malformed, which tests rule out.
pub fn recipes(shape: Shape) -> Result<Vec<Recipe>, WorldError> {
    let texts: &[&str] = match shape {
        Shape::HubAndOpa => &[TOXIPROXY_IMAGE, OPA_IMAGE, NODE_IMAGE],
        Shape::Hub => &[TOXIPROXY_IMAGE, OPA_IMAGE, NODE_IMAGE, REDIS_IMAGE, MONGODB_IMAGE, KEYCLOAK_IMAGE],
    };
    texts.iter().map(|text| recipe(text)).collect()
}

/// What services are made of.
pub(super) struct Containers<'a> {
    pub(super) settings: &'a Settings,
    pub(super) kit: &'a Kit,
    pub(super) certificates: &'a Certificates,
    pub(super) site: &'a Site,
}

type Plan = Result<ContainerPlan, WorldError>;

impl Containers<'_> {
    /// All services of a topology.
    pub(super) fn of(&self, shape: Shape) -> Result<Vec<ContainerPlan>, WorldError> {
        match shape {
            Shape::HubAndOpa => Ok(vec![self.opa()?, self.hub_with_files(shape)?]),
            Shape::Hub => Ok(vec![
                self.opa()?,
                self.keycloak()?,
                mongodb()?,
                redis(REDIS)?,
                redis(BLACKLIST)?.args(["--appendonly", "yes"]),
                self.kas(shape)?,
                self.hub(shape)?,
            ]),
        }
    }

    fn opa(&self) -> Plan {
        let listen = format!("--addr=0.0.0.0:{OPA_PORT}");
        let mut opa = ContainerPlan::new(OPA, recipe(OPA_IMAGE)?, OPA_PORT, "/health")
            .args([
                "run",
                "--server",
                &listen,
                "--log-format=json",
                // Decisions are logged all the same.
                "--log-level=error",
                "--set=decision_logs.console=true",
                "/policies",
            ])
            .file("/policies/data.json", self.kit.coalition().policy_data().to_string());
        for module in policies::modules() {
            opa = opa.file(format!("/policies/{}", module.path), module.source);
        }
        for document in policies::documents() {
            opa = opa.file(format!("/policies/{}", document.path), document.json);
        }
        Ok(opa)
    }

    /// Whatever address it is called at, its tokens name the same issuer.
    fn keycloak(&self) -> Plan {
        let name = realm_name(HUB_TENANT);
        let realm = self.kit.coalition().realm(HUB_TENANT, &[]);
        let realm = realm.map_err(|error| WorldError::Failed(error.to_string()))?;
        let path = format!("/realms/{name}/.well-known/openid-configuration");
        let identity = self.identity(KEYCLOAK)?;
        Ok(ContainerPlan::new(KEYCLOAK, recipe(KEYCLOAK_IMAGE)?, KEYCLOAK_PORT, "/realms/master")
            .args([
                "start",
                "--optimized",
                "--cache=local",
                &format!("--https-port={KEYCLOAK_PORT}"),
                &format!("--https-certificate-file={CHAIN_PATH}"),
                &format!("--https-certificate-key-file={KEY_PATH}"),
                &format!("--hostname={IDENTITY_PROVIDER}"),
                "--hostname-backchannel-dynamic=true",
                "--import-realm",
            ])
            .file(format!("/opt/keycloak/data/import/{name}.json"), realm.to_string())
            .file(CHAIN_PATH, identity.chain)
            // Its process is of root's group, not root.
            .group_secret(KEY_PATH, identity.key)
            .ready(Ready::Http { port: KEYCLOAK_PORT, path }, KEYCLOAK_READY)
            .tls())
    }

    /// What a service proves itself with, to whoever calls it over an edge or from this machine.
    fn identity(&self, service: &str) -> Result<Identity, WorldError> {
        let near = self.site.via(HUB, service)?.ip().to_string();
        self.certificates.issue(service, &[near])
    }

    /// A service of the product, with these settings beside the run's and those of its edges.
    fn product(&self, shape: Shape, service: &str, role: &str, places: &[(&str, String)]) -> Plan {
        let wiring = settings::wiring(shape, service, |to| self.site.via(service, to))?;
        let everywhere = [("log.format", "json".to_owned()), ("tls.ca_file", CA_PATH.to_owned())];
        let places = [places, &wiring, &everywhere].concat();
        let settings = settings::placed(self.settings, &places)?;
        let plan =
            ContainerPlan::new(service, recipe(NODE_IMAGE)?, NODE_PORT, "/health/live").args(["serve", role]);
        let plan = plan.file(CA_PATH, self.certificates.authority());
        let environment = settings::environment(&settings);
        Ok(environment.into_iter().fold(plan, |plan, (name, value)| plan.env(&name, value)))
    }

    fn hub_with_files(&self, shape: Shape) -> Plan {
        let places = [
            ("http.listen", listen()),
            ("files.issuers", "/issuers.json".into()),
            ("files.resources", "/resources.json".into()),
            ("audit.path", AUDIT.into()),
        ];
        Ok(self
            .product(shape, HUB, "node", &places)?
            .file("/issuers.json", self.kit.coalition().issuers_json().to_string())
            .file("/resources.json", self.kit.coalition().resources_json().to_string())
            .after(OPA))
    }

    fn hub(&self, shape: Shape) -> Plan {
        let places = [("http.listen", listen()), ("audit.path", AUDIT.into())];
        Ok(self
            .product(shape, HUB, "node", &places)?
            .after(OPA)
            .after(KEYCLOAK)
            .after(MONGODB)
            .after(REDIS)
            .after(BLACKLIST)
            .after(KAS))
    }

    fn kas(&self, shape: Shape) -> Plan {
        let places = [
            ("kas.listen", listen()),
            ("kas.key_file", "/kas.key".into()),
            ("node.id", KAS.into()),
            ("audit.path", AUDIT.into()),
            ("tls.certificate", CHAIN_PATH.into()),
            ("tls.key", KEY_PATH.into()),
        ];
        let identity = self.identity(KAS)?;
        Ok(self
            .product(shape, KAS, "kas", &places)?
            .secret("/kas.key", self.kit.sealed().kas_key.clone())
            .file(CHAIN_PATH, identity.chain)
            .secret(KEY_PATH, identity.key)
            .tls()
            .after(OPA)
            .after(KEYCLOAK)
            .after(MONGODB)
            .after(BLACKLIST))
    }
}

fn listen() -> String {
    format!("0.0.0.0:{NODE_PORT}")
}

fn mongodb() -> Plan {
    Ok(ContainerPlan::new(MONGODB, recipe(MONGODB_IMAGE)?, MONGODB_PORT, "")
        // It tells of every command otherwise.
        .env("FERRETDB_LOG_LEVEL", "warn")
        .ready(Ready::Log("Waiting for connections".into()), STORE_READY)
        .canary(Canary::Bytes(wire::mongodb_hello())))
}

fn redis(service: &str) -> Plan {
    Ok(ContainerPlan::new(service, recipe(REDIS_IMAGE)?, REDIS_PORT, "")
        .ready(Ready::Log("Ready to accept connections".into()), STORE_READY)
        .canary(Canary::Bytes(wire::REDIS_PING.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipes_of_a_topology_are_those_of_its_services_and_of_the_proxy() {
        let names = |shape| recipes(shape).unwrap().into_iter().map(|recipe| recipe.name).collect::<Vec<_>>();
        assert_eq!(names(Shape::HubAndOpa), ["toxiproxy", "opa", "node"]);
        assert_eq!(names(Shape::Hub), ["toxiproxy", "opa", "node", "redis", "mongodb", "keycloak"]);
    }
}
