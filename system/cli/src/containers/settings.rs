//! What is deployed: images and what depends on them, by settings with defaults.
//!
//! | variable | what | default |
//! |---|---|---|
//! | `DIVE_IMAGE_<SERVICE>` | its image | upstream's, by tag; the product's own has none |
//! | `DIVE_COMMAND_<SERVICE>` | the command of backend, kas and keycloak, words by spaces | `serve node`, `serve kas`, `start --import-realm` |
//! | `DIVE_DATA_<SERVICE>` | where the image keeps its data | where upstream's does |
//! | `DIVE_LABELS` | `key=value,…`: labels on everything made, beside the deployment's own | none |

use std::collections::BTreeMap;

use dive_orchestrator::deploy::{Done, Failure};
use dive_orchestrator::{ErrorCode, Instance, Service};

/// The services that are deployed.
///
/// Three of an instance's services are not among them yet. The frontend is to be the node's own page, and the node
/// has none. OPAL's server and client carry policy from the hub to its spokes, which begins with the federation.
pub(crate) fn services(instance: &Instance) -> Vec<Service> {
    let missing = [Service::Frontend, Service::OpalServer, Service::OpalClient];
    Service::of(instance).into_iter().filter(|service| !missing.contains(service)).collect()
}

/// The settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    variables: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
}

fn invalid(detail: String) -> Failure {
    Failure::new(ErrorCode::Configuration, detail)
}

impl Settings {
    /// Reads them from an environment.
    ///
    /// # Errors
    /// When `DIVE_LABELS` is malformed.
    pub(crate) fn read(environment: impl Iterator<Item = (String, String)>) -> Done<Self> {
        let ours = ["DIVE_IMAGE_", "DIVE_COMMAND_", "DIVE_DATA_", "DIVE_LABELS"];
        let variables: BTreeMap<_, _> =
            environment.filter(|(name, _)| ours.iter().any(|prefix| name.starts_with(prefix))).collect();
        let pairs = variables
            .get("DIVE_LABELS")
            .map_or("", String::as_str)
            .split(',')
            .filter(|pair| !pair.is_empty());
        let label = |pair: &str| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() && !key.starts_with("dev.dive.") => {
                Ok((key.to_owned(), value.to_owned()))
            }
            _ => Err(invalid(format!(
                "DIVE_LABELS: {pair:?} is not key=value, or is one of the deployment's own"
            ))),
        };
        let labels = pairs.map(label).collect::<Done<_>>()?;
        Ok(Self { variables, labels })
    }

    fn of(&self, what: &str, service: Service) -> Option<&str> {
        let name = format!("DIVE_{what}_{}", service.as_str().to_ascii_uppercase().replace('-', "_"));
        self.variables.get(&name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The image of a service.
    ///
    /// # Errors
    /// When it has no default and none was given.
    pub(crate) fn image(&self, service: Service) -> Done<String> {
        let upstream = match service {
            Service::Postgres => "postgres:15.13",
            Service::Mongodb => "mongo:8.0.4",
            Service::Redis | Service::BlacklistRedis => "redis:7.0.15",
            Service::Opa => "openpolicyagent/opa:1.22.0-static",
            Service::Keycloak => "quay.io/keycloak/keycloak:26.4.7",
            Service::Backend | Service::Kas => {
                // One binary serves both.
                let given = self
                    .of("IMAGE", service)
                    .or_else(|| self.variables.get("DIVE_IMAGE_NODE").map(String::as_str));
                let none = || invalid("the product's image is not known: set DIVE_IMAGE_NODE".to_owned());
                return given.map(str::to_owned).ok_or_else(none);
            }
            Service::OpalServer | Service::Frontend | Service::OpalClient => {
                return Err(invalid(format!("{service} is not deployed yet")));
            }
        };
        Ok(self.of("IMAGE", service).unwrap_or(upstream).to_owned())
    }

    /// The command of a role of the product, or of Keycloak.
    pub(crate) fn command(&self, service: Service) -> Vec<String> {
        let default = match service {
            Service::Kas => "serve kas",
            // It finds out by itself whether its image is built for what it is told.
            Service::Keycloak => "start --import-realm",
            _ => "serve node",
        };
        self.of("COMMAND", service).unwrap_or(default).split_whitespace().map(str::to_owned).collect()
    }

    /// Where a service keeps what its volume holds; `None` for one that keeps nothing.
    pub(crate) fn data(&self, service: Service) -> Option<String> {
        let default = match service {
            Service::Postgres => "/var/lib/postgresql/data",
            Service::Mongodb => "/data/db",
            Service::BlacklistRedis => "/data",
            Service::Backend | Service::Kas => "/state",
            _ => return None,
        };
        Some(self.of("DATA", service).unwrap_or(default).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Done<Settings> {
        Settings::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn each_deployed_service_has_what_it_needs_and_an_image() {
        let given =
            settings(&[("DIVE_IMAGE_NODE", "node:1"), ("DIVE_IMAGE_KAS", "kas:2"), ("PATH", "/")]).unwrap();
        for instance in [Instance::Hub, "spoke-fra".parse().unwrap()] {
            let services = services(&instance);
            for service in &services {
                assert!(given.image(*service).is_ok());
                assert!(service.needs().iter().all(|needed| services.contains(needed)), "{service}");
            }
        }
        assert_eq!(given.image(Service::Backend).unwrap(), "node:1");
        assert_eq!(given.image(Service::Kas).unwrap(), "kas:2");
        assert_eq!(given.image(Service::Redis).unwrap(), "redis:7.0.15");
        assert_eq!(given.command(Service::Kas), ["serve", "kas"]);
        assert_eq!(given.command(Service::Keycloak), ["start", "--import-realm"]);
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        let none = settings(&[]).unwrap().image(Service::Backend).unwrap_err();
        assert_eq!(none.code, ErrorCode::Configuration);
        assert!(none.detail.contains("DIVE_IMAGE_NODE"));
        for labels in ["owner", "=x", "a=b,c", "dev.dive.instance=hub"] {
            assert!(settings(&[("DIVE_LABELS", labels)]).is_err(), "{labels}");
        }
        let labels = settings(&[("DIVE_LABELS", "a=b,c=d=e")]).unwrap().labels;
        assert_eq!(labels, [("a", "b"), ("c", "d=e")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }
}
