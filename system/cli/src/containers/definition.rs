//! How each service is run: its image, what it is told, the files it is given, its port, its own health check.

use std::collections::BTreeMap;

use dive_authz::policies;
use dive_orchestrator::deploy::{Done, Site};
use dive_orchestrator::{Endpoint, Instance, Service};
use sha2::{Digest as _, Sha256};

use super::realm;
use super::settings::Settings;
use crate::material::{Material, SecretName};

/// The user of Keycloak's images.
const KEYCLOAK_USER: u64 = 1000;

/// The quick compiler alone, and the collector without threads of its own: several instances start at once on few
/// processors, each with a small heap.
const JAVA: &str = "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC";

/// The port of the revocations' Redis on the host.
const BLACKLIST_PORT: u16 = 6700;

/// A file put into a container before it is started.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) path: String,
    pub(super) content: Vec<u8>,
    pub(super) owner: u64,
    pub(super) mode: u32,
}

/// How a container is made.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) image: String,
    pub(super) command: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) files: Vec<Given>,
    /// Where its volume is, if it has one.
    pub(super) data: Option<String>,
    /// The port in the container and that on 127.0.0.1.
    pub(super) port: (u16, u16),
    /// What the engine runs in it to see whether it is healthy; images without a shell have none.
    pub(super) check: Option<Vec<String>>,
}

impl Definition {
    /// A digest over all of it.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!(
            "{:?}",
            (&self.image, &self.command, &self.environment, &self.data, self.port, &self.check)
        ));
        for file in &self.files {
            hash.update(format!("{:?} {} {:o} {}\0", file.path, file.owner, file.mode, file.content.len()));
            hash.update(&file.content);
        }
        format!("{:x}", hash.finalize())
    }
}

/// The port of an endpoint on this machine.
pub(super) fn host_port(site: &Site, service: Service) -> u16 {
    let endpoint = match service {
        Service::Postgres => Endpoint::Postgres,
        Service::Mongodb => Endpoint::Mongodb,
        Service::Redis => Endpoint::Redis,
        Service::Opa => Endpoint::Opa,
        Service::Keycloak => Endpoint::Keycloak,
        Service::Kas => Endpoint::Kas,
        Service::Frontend => Endpoint::Frontend,
        Service::BlacklistRedis => return BLACKLIST_PORT,
        Service::Backend | Service::OpalServer | Service::OpalClient => Endpoint::Backend,
    };
    site.slot.port(endpoint)
}

/// The tenant that an instance is the instance of.
pub(super) fn tenant(instance: &Instance) -> String {
    match instance {
        Instance::Hub => "USA".to_owned(),
        Instance::Spoke(code) => code.as_str().to_ascii_uppercase(),
    }
}

/// Where people and their programs find an instance's identity provider: what its tokens name.
pub(super) fn keycloak_url(site: &Site) -> String {
    format!("https://localhost:{}", host_port(site, Service::Keycloak))
}

/// How services are defined.
pub(super) struct Definitions<'a> {
    pub(super) settings: &'a Settings,
    pub(super) material: &'a Material,
    /// The hub's, of whose revocations a spoke is told.
    pub(super) hub: &'a Material,
    pub(super) site: &'a Site,
}

impl Definitions<'_> {
    /// How a service's container is made.
    pub(super) fn of(&self, service: Service) -> Done<Definition> {
        let port = match service {
            Service::Postgres => 5432,
            Service::Mongodb => 27_017,
            Service::Redis | Service::BlacklistRedis => 6379,
            Service::Opa => 8181,
            Service::Keycloak => 8443,
            _ => 4000,
        };
        let mut definition = Definition {
            image: self.settings.image(service)?,
            command: Vec::new(),
            environment: BTreeMap::new(),
            files: Vec::new(),
            data: self.settings.data(service),
            port: (port, host_port(self.site, service)),
            check: None,
        };
        match service {
            Service::Postgres => self.postgres(&mut definition)?,
            Service::Mongodb => mongodb(&mut definition),
            Service::Redis => redis(&mut definition, &self.material.secret(SecretName::Redis)?, &[]),
            Service::BlacklistRedis => {
                redis(
                    &mut definition,
                    &self.material.secret(SecretName::BlacklistRedis)?,
                    &["--appendonly", "yes"],
                );
            }
            Service::Opa => self.opa(&mut definition),
            Service::Keycloak => self.keycloak(&mut definition)?,
            _ => self.product(service, &mut definition)?,
        }
        Ok(definition)
    }

    fn at(&self, service: Service) -> String {
        service.container(&self.site.instance)
    }

    fn postgres(&self, definition: &mut Definition) -> Done {
        let password = self.material.secret(SecretName::Postgres)?;
        definition.environment.insert("POSTGRES_PASSWORD".into(), password.to_string());
        definition.check = Some(shell("pg_isready -q -h 127.0.0.1 -U postgres"));
        Ok(())
    }

    /// Its policies, and whom the instance trusts: itself. Others come with the federation.
    fn opa(&self, definition: &mut Definition) {
        let words =
            ["run", "--server", "--addr=0.0.0.0:8181", "--log-format=json", "--log-level=error", "/policies"];
        definition.command = words.map(str::to_owned).into();
        let tenant = tenant(&self.site.instance);
        let issuer = realm::issuer(&keycloak_url(self.site), &tenant);
        let data = serde_json::json!({
            "trusted_issuers": {issuer: {"tenant": tenant}},
            "federation_matrix": {tenant: []},
        });
        let mut give = |path: &str, content: &str| {
            let (path, content) = (format!("/policies/{path}"), content.as_bytes().to_vec());
            definition.files.push(Given { path, content, owner: 0, mode: 0o444 });
        };
        give("data.json", &data.to_string());
        for module in policies::modules() {
            give(module.path, module.source);
        }
        for document in policies::documents() {
            give(document.path, document.json);
        }
    }

    fn keycloak(&self, definition: &mut Definition) -> Done {
        let tenant = tenant(&self.site.instance);
        definition.command = self.settings.command(Service::Keycloak);
        let database = format!("jdbc:postgresql://{}:5432/postgres", self.at(Service::Postgres));
        let certificate = "/opt/keycloak/conf/tls.pem";
        let key = "/opt/keycloak/conf/tls.key";
        let said = [
            ("KC_DB", "postgres".to_owned()),
            ("KC_DB_URL", database),
            ("KC_DB_USERNAME", "postgres".to_owned()),
            ("KC_DB_PASSWORD", self.material.secret(SecretName::Postgres)?.to_string()),
            ("KC_CACHE", "local".to_owned()),
            ("KC_HEALTH_ENABLED", "true".to_owned()),
            ("KC_METRICS_ENABLED", "true".to_owned()),
            ("KC_HOSTNAME", keycloak_url(self.site)),
            ("KC_HOSTNAME_BACKCHANNEL_DYNAMIC", "true".to_owned()),
            ("KC_HTTPS_CERTIFICATE_FILE", certificate.to_owned()),
            ("KC_HTTPS_CERTIFICATE_KEY_FILE", key.to_owned()),
            ("KC_BOOTSTRAP_ADMIN_USERNAME", realm::ADMINISTRATOR.to_owned()),
            ("KC_BOOTSTRAP_ADMIN_PASSWORD", self.material.secret(SecretName::Keycloak)?.to_string()),
            ("JAVA_OPTS_KC_HEAP", "-Xms256m -Xmx512m".to_owned()),
            ("JAVA_OPTS_APPEND", JAVA.to_owned()),
        ];
        definition.environment = said.map(|(name, value)| (name.to_owned(), value)).into();
        let (chain, private) = self.material.tls()?;
        let import = format!("/opt/keycloak/data/import/{}.json", realm::name(&tenant));
        for (path, content) in [
            (certificate, chain.as_bytes().to_vec()),
            (key, private.as_bytes().to_vec()),
            (&import, realm::document(&tenant, &self.material.name()?).to_string().into_bytes()),
        ] {
            definition.files.push(Given {
                path: path.to_owned(),
                content,
                owner: KEYCLOAK_USER,
                mode: 0o400,
            });
        }
        definition.check = Some(shell(": </dev/tcp/127.0.0.1/8443"));
        Ok(())
    }

    fn product(&self, service: Service, definition: &mut Definition) -> Done {
        let site = self.site;
        let tenant = tenant(&site.instance);
        let (chain, key) = self.material.tls()?;
        let cache_key = self.material.secret(SecretName::CacheKey)?;
        let cache_key = base16ct::lower::decode_vec(cache_key.as_bytes()).unwrap_or_default();
        for (path, content) in [
            ("/dive/ca.pem", self.material.ca()?.as_bytes().to_vec()),
            ("/dive/tls.pem", chain.as_bytes().to_vec()),
            ("/dive/tls.key", key.as_bytes().to_vec()),
            ("/dive/cache.key", cache_key),
        ] {
            definition.files.push(Given { path: path.to_owned(), content, owner: 0, mode: 0o400 });
        }
        let revocations = self.hub.secret(SecretName::BlacklistRedis)?;
        let blacklist = Service::BlacklistRedis.container(&Instance::Hub);
        let mut said = vec![
            ("NODE_ID", format!("{}-{service}", site.instance)),
            ("NODE_INSTANCE", tenant.clone()),
            ("NODE_TENANT", tenant),
            ("OPA_URL", format!("http://{}:8181", self.at(Service::Opa))),
            ("KEYCLOAK_URL", format!("https://{}:8443", self.at(Service::Keycloak))),
            ("KEYCLOAK_HEALTH_URL", format!("https://{}:9000", self.at(Service::Keycloak))),
            ("MONGODB_URL", format!("mongodb://{}:27017", self.at(Service::Mongodb))),
            ("BLACKLIST_REDIS_URL", format!("redis://:{}@{blacklist}:6379", &*revocations)),
            ("TLS_CA_FILE", "/dive/ca.pem".to_owned()),
            ("TLS_CERTIFICATE", "/dive/tls.pem".to_owned()),
            ("TLS_KEY", "/dive/tls.key".to_owned()),
            ("AUDIT_PATH", "/state/audit.jsonl".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ];
        if service == Service::Kas {
            said.extend([
                ("KAS_LISTEN", "0.0.0.0:4000".to_owned()),
                ("KAS_KEY_FILE", "/state/kas.key".to_owned()),
            ]);
        } else {
            let cache = self.material.secret(SecretName::Redis)?;
            said.extend([
                ("HTTP_LISTEN", "0.0.0.0:4000".to_owned()),
                ("REDIS_URL", format!("redis://:{}@{}:6379", &*cache, self.at(Service::Redis))),
                ("CACHE_KEY_FILE", "/dive/cache.key".to_owned()),
                ("KAS_URL", format!("https://{}:4000", self.at(Service::Kas))),
            ]);
        }
        definition.environment =
            said.into_iter().map(|(name, value)| (format!("DIVE_{name}"), value)).collect();
        definition.command = self.settings.command(service);
        Ok(())
    }
}

fn shell(command: &str) -> Vec<String> {
    ["CMD", "bash", "-c", command].map(str::to_owned).into()
}

fn mongodb(definition: &mut Definition) {
    definition.environment.insert("FERRETDB_LOG_LEVEL".into(), "warn".into());
    definition.check = Some(shell(": </dev/tcp/127.0.0.1/27017"));
}

fn redis(definition: &mut Definition, password: &str, more: &[&str]) {
    let words = ["--requirepass", password].into_iter().chain(more.iter().copied());
    definition.command = words.map(str::to_owned).collect();
    definition.environment.insert("REDISCLI_AUTH".into(), password.to_owned());
    definition.check = Some(["CMD", "redis-cli", "-e", "ping"].map(str::to_owned).into());
}

#[cfg(test)]
mod tests {
    use dive_orchestrator::Slot;

    use super::*;
    use crate::containers::settings;

    #[tokio::test]
    async fn the_same_instance_is_defined_alike_each_time_and_no_two_share_a_port() {
        let home = tempfile::tempdir().unwrap();
        let given = [("DIVE_IMAGE_NODE".to_owned(), "node:1".to_owned())];
        let settings = Settings::read(given.into_iter()).unwrap();
        let hub = Material::new(home.path(), &Instance::Hub);
        let mut ports = std::collections::BTreeSet::new();
        let slot = Slot::fixed(&"fra".parse().unwrap()).unwrap();
        for site in [
            Site { instance: Instance::Hub, slot: Slot::HUB },
            Site { instance: "spoke-fra".parse().unwrap(), slot },
        ] {
            let material = Material::new(home.path(), &site.instance);
            for file in material.files().unwrap() {
                let store = crate::secrets::store(home.path(), std::iter::empty()).unwrap();
                material.make(&file, &*store).await.unwrap();
            }
            let definitions =
                Definitions { settings: &settings, material: &material, hub: &hub, site: &site };
            for service in settings::services(&site.instance) {
                let definition = definitions.of(service).unwrap();
                assert_eq!(definition.digest(), definitions.of(service).unwrap().digest());
                assert!(ports.insert(definition.port.1), "{service}");
            }
            let all = |service| definitions.of(service).unwrap();
            assert_ne!(all(Service::Redis).digest(), all(Service::Opa).digest());
            let mut changed = all(Service::Opa);
            changed.files[0].content.push(b' ');
            assert_ne!(changed.digest(), all(Service::Opa).digest());
        }
    }
}
