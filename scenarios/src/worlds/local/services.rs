//! Each service as a process: what to run, with which files, after which others.

use std::path::Path;

use dive_node::Settings;
use harness_core::world::WorldError;
use harness_local::{Canary, Ready, ServiceSpec, Site};

use super::super::certificates::{CA, CHAIN, Certificates, KEY};
use super::super::settings;
use crate::binding::kit::{IDENTITY_PROVIDER, Kit, SEED};
use crate::binding::topology::{BLACKLIST, HUB, KAS, KEYCLOAK, MONGODB, OPA, REDIS, Shape};
use crate::binding::wire;

/// The audit file, in the hub's folder.
pub(super) const AUDIT: &str = "audit.jsonl";

/// What the identity provider's other address is for.
pub(super) const MANAGEMENT: &str = "management";

/// What services are made of.
pub(super) struct Services<'a> {
    pub(super) program: &'a Path,
    pub(super) settings: &'a Settings,
    pub(super) kit: &'a Kit,
    pub(super) certificates: &'a Certificates,
    pub(super) site: &'a Site,
}

type Spec = Result<ServiceSpec, WorldError>;

impl Services<'_> {
    /// All services of a topology.
    pub(super) fn of(&self, shape: Shape) -> Result<Vec<ServiceSpec>, WorldError> {
        match shape {
            Shape::HubAndOpa => Ok(vec![self.opa()?, self.hub_with_files(shape)?]),
            Shape::Hub => Ok(vec![
                self.opa()?,
                self.keycloak()?,
                self.mongodb()?,
                self.redis(REDIS)?,
                self.redis(BLACKLIST)?,
                self.kas(shape)?,
                self.hub(shape)?,
            ]),
        }
    }

    fn stand_in(&self, service: &str, role: &str) -> Spec {
        let listen = self.site.address(service)?.to_string();
        Ok(ServiceSpec::new(service, self.program, "/health").args(["serve", role, "--listen", &listen]))
    }

    fn opa(&self) -> Spec {
        let data = self.kit.coalition().policy_data().to_string();
        Ok(self.stand_in(OPA, "standin-opa")?.args(["--data", "data.json"]).file("data.json", data))
    }

    fn keycloak(&self) -> Spec {
        let management = self.site.side_address(KEYCLOAK, MANAGEMENT)?.to_string();
        let mut keycloak = self.stand_in(KEYCLOAK, "standin-keycloak")?.args([
            "--management",
            &management,
            "--seed",
            &SEED.to_string(),
            "--hostname",
            IDENTITY_PROVIDER,
            "--tenant",
            coalition::HUB_TENANT,
        ]);
        keycloak.ready = Ready::Http("/realms/master".into());
        keycloak.canary = Canary::Http("/realms/master".into());
        let keycloak = keycloak.args(["--certificate", CHAIN, "--key", KEY]);
        self.speaking_tls(keycloak, KEYCLOAK)
    }

    /// The same with a certificate of the coalition's authority.
    fn speaking_tls(&self, spec: ServiceSpec, service: &str) -> Spec {
        let identity = self.certificates.issue(service, &[])?;
        Ok(spec.file(CHAIN, identity.chain.clone()).file(KEY, identity.key.clone()).tls(identity))
    }

    fn mongodb(&self) -> Spec {
        let mut mongodb = self.stand_in(MONGODB, "standin-mongodb")?.args(["--data", "data"]);
        mongodb.ready = Ready::Accepts;
        mongodb.canary = Canary::Bytes(wire::mongodb_hello());
        Ok(mongodb)
    }

    fn redis(&self, service: &str) -> Spec {
        let mut redis = self.stand_in(service, "standin-redis")?;
        if service == BLACKLIST {
            redis = redis.args(["--data", "appendonly"]);
        }
        redis.ready = Ready::Accepts;
        redis.canary = Canary::Bytes(wire::REDIS_PING.to_vec());
        Ok(redis)
    }

    /// A service of the product, with these settings beside the run's and those of its edges.
    fn product(&self, shape: Shape, service: &str, role: &str, places: &[(&str, String)]) -> Spec {
        let wiring = settings::wiring(shape, service, |to| self.site.via(service, to))?;
        let everywhere = [("log.format", "json".to_owned()), ("tls.ca_file", CA.to_owned())];
        let places = [places, &wiring, &everywhere].concat();
        let settings = settings::placed(self.settings, &places)?;
        let mut spec = ServiceSpec::new(service, self.program, "/health/live").args(["serve", role]);
        spec.env.extend(settings::environment(&settings));
        Ok(spec.file(CA, self.certificates.authority()))
    }

    fn hub_with_files(&self, shape: Shape) -> Spec {
        let places = [
            ("http.listen", self.site.address(HUB)?.to_string()),
            ("files.issuers", "issuers.json".into()),
            ("files.resources", "resources.json".into()),
            ("audit.path", AUDIT.into()),
        ];
        Ok(self
            .product(shape, HUB, "node", &places)?
            .file("issuers.json", self.kit.coalition().issuers_json().to_string())
            .file("resources.json", self.kit.coalition().resources_json().to_string())
            .after(OPA))
    }

    fn hub(&self, shape: Shape) -> Spec {
        let places = [("http.listen", self.site.address(HUB)?.to_string()), ("audit.path", AUDIT.into())];
        Ok(self
            .product(shape, HUB, "node", &places)?
            .after(OPA)
            .after(KEYCLOAK)
            .after(MONGODB)
            .after(REDIS)
            .after(BLACKLIST))
    }

    fn kas(&self, shape: Shape) -> Spec {
        let places = [
            ("kas.listen", self.site.address(KAS)?.to_string()),
            ("kas.key_file", "key".into()),
            ("node.id", KAS.into()),
            ("audit.path", AUDIT.into()),
            ("tls.certificate", CHAIN.into()),
            ("tls.key", KEY.into()),
        ];
        let kas = self
            .product(shape, KAS, "kas", &places)?
            .file("key", self.kit.sealed().kas_key.clone())
            .after(OPA)
            .after(KEYCLOAK)
            .after(MONGODB)
            .after(BLACKLIST);
        self.speaking_tls(kas, KAS)
    }
}
