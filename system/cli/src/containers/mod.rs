//! Deployments in containers: what the orchestrator's engine decides, done.
//!
//! | where | what |
//! |---|---|
//! | `settings` | images, and which services are deployed |
//! | `definition` | how each service is run |
//! | `things`, `labels`, `engine` | networks, volumes, containers, and whose they are |
//! | `written`: `realm`, `keycloak`, `documents` | what is written into services: the realm of an instance, documents |
//! | `renewal` | newer versions of secrets: who is told of them, and that earlier ones open nothing |
//! | `exec` | an operator's command in a container |
//! | `connect` | connections to its databases |
//! | `preflight`, `rungs`, `checks` | what is looked at before anything is made; when a service counts as up; what verification looks at |
//!
//! What needs the federation is not here: identity providers of partners, other instances' issuers, the policy
//! version of the hub. A spoke stands by itself, on the network and the revocations of its hub.

mod checks;
mod connect;
mod definition;
mod documents;
mod engine;
mod exec;
mod keycloak;
mod labels;
mod preflight;
mod realm;
mod renewal;
mod rungs;
mod settings;
mod things;
mod written;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptionsBuilder, RestartContainerOptions, StopContainerOptionsBuilder};
use dive_orchestrator::deploy::{
    Action, Done, Failure, Found, Holding, Platform, Site, Step, Subject, Thing,
};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::{
    ErrorCode, Instance, NETWORK, Operation, Phase, Remedy, Resource, ResourceKind, Service, Slot,
};
use futures_util::StreamExt as _;

use self::checks::{Check, Verification};
use self::definition::{Definitions, keycloak_url, tenant};
use self::documents::BATCH;
use self::engine::{Engine, Why};
pub(crate) use self::exec::Output;
use self::keycloak::{Kind, Logins};
use self::rungs::Rungs;
use self::settings::Settings;
use self::things::Things;
use self::written::Written;
use crate::material::Material;
use crate::secrets::{self, SecretStore};

/// How long a container may take to end when it is told to, seconds.
const GRACE: i32 = 20;

/// The greatest number of lines of a log.
const LINES: usize = 100;

/// The containers of this machine.
pub(crate) struct DockerPlatform {
    engine: Engine,
    settings: Settings,
    logins: Logins,
    secrets: Arc<dyn SecretStore>,
    home: PathBuf,
    /// How many resources are seeded.
    resources: u32,
    /// The name that an instance is given when it is made.
    name: Option<String>,
}

fn unknown(thing: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorCode::Definition, format!("{thing} is nothing that is made here"))
}

impl DockerPlatform {
    /// The containers of the engine named by `DOCKER_HOST`, with settings from the environment.
    ///
    /// # Errors
    /// When a setting is malformed, or the engine's address is none.
    pub(crate) fn new(home: &Path, resources: u32, name: Option<String>) -> Done<Self> {
        let settings = Settings::read(std::env::vars())?;
        let secrets = secrets::store(home, std::env::vars())?;
        let (engine, logins) = (Engine::new()?, Logins::default());
        Ok(Self { engine, settings, logins, secrets, home: home.to_owned(), resources, name })
    }

    fn material(&self, instance: &Instance) -> Material {
        Material::new(&self.home, instance).named(self.name.as_deref())
    }

    fn things<'a>(&'a self, site: &'a Site) -> Things<'a> {
        Things { engine: &self.engine, settings: &self.settings, site }
    }
}

/// What is looked at before any service is started.
const CERTIFICATES_ARE_GOOD: &str = "the certificates are good";

/// A step that makes something.
fn make(operation: Operation, kind: ResourceKind, name: impl Into<String>) -> Step {
    Step { operation, action: Action::Make(Thing::new(kind, name)) }
}

#[async_trait]
impl Platform for DockerPlatform {
    async fn steps(&self, site: &Site, phase: Phase) -> Done<Vec<Step>> {
        let tenant = tenant(&site.instance);
        let lower = tenant.to_ascii_lowercase();
        let in_realm = |kind: Kind, name: &str| {
            make(Operation::Keycloak, ResourceKind::RealmObject, format!("{lower}/{}/{name}", kind.path()))
        };
        let document = |kind: &str, name: &str| {
            make(Operation::Documents, ResourceKind::Document, format!("{lower}/{kind}/{name}"))
        };
        Ok(match phase {
            Phase::Preflight => {
                let check = |what| Step { operation: Operation::Containers, action: Action::Check(what) };
                preflight::checks(site).into_iter().map(check).collect()
            }
            Phase::Initialization => {
                let files = self.files(site).await?;
                let name = |file: PathBuf| file.to_string_lossy().into_owned();
                files
                    .into_iter()
                    .map(|file| make(Operation::Secret, ResourceKind::File, name(file)))
                    .collect()
            }
            Phase::Deployment => {
                // Up again after a year, or resumed: what INITIALIZATION issued may have expired since.
                let action = Action::Check(CERTIFICATES_ARE_GOOD.to_owned());
                let good = Step { operation: Operation::Secret, action };
                vec![good, make(Operation::Containers, ResourceKind::Network, NETWORK)]
            }
            Phase::Configuration => {
                let [released, withheld] = documents::verified(&tenant);
                vec![
                    in_realm(Kind::Clients, realm::BROWSER),
                    in_realm(Kind::Clients, realm::VERIFIER),
                    in_realm(Kind::Users, &realm::verifier(&tenant).name),
                    document("issuers", &realm::issuer(&keycloak_url(site), &tenant)),
                    document("resources", &released.resource_id),
                    document("resources", &withheld.resource_id),
                ]
            }
            Phase::Seeding => {
                let users = realm::seeded(&tenant).into_iter().map(|user| in_realm(Kind::Users, &user.name));
                let batches = 0..self.resources.div_ceil(BATCH);
                users.chain(batches.map(|number| document("seeds", &number.to_string()))).collect()
            }
            Phase::Verification => {
                let check = |check: Check| Step {
                    operation: Operation::Verification,
                    action: Action::Check(check.words(&tenant)),
                };
                Check::ALL.map(check).into()
            }
        })
    }

    fn services(&self, site: &Site) -> Vec<Service> {
        settings::services(&site.instance)
    }

    fn parts(&self, site: &Site, service: Service) -> Vec<Thing> {
        let name = service.container(&site.instance);
        let volume = self.settings.data(service).map(|_| Thing::new(ResourceKind::Volume, name.clone()));
        volume.into_iter().chain([Thing::new(ResourceKind::Container, name)]).collect()
    }

    async fn find(&self, site: &Site, thing: &Thing) -> Done<Found> {
        let there = match thing.kind {
            ResourceKind::Network | ResourceKind::Volume | ResourceKind::Container => {
                return self.things(site).find(thing).await;
            }
            ResourceKind::File => return self.find_file(site, Path::new(&thing.name)).await,
            ResourceKind::RealmObject | ResourceKind::Document => {
                let what = Written::parse(&thing.name).ok_or_else(|| unknown(thing))?;
                self.find_written(site, what).await?
            }
        };
        Ok(if there { Found::Ours } else { Found::Nothing })
    }

    async fn make(&self, site: &Site, resource: &Resource) -> Done {
        let thing = Thing::from(resource);
        match thing.kind {
            ResourceKind::Network => self.things(site).make_network(&thing).await,
            ResourceKind::Volume => self.things(site).make_volume(&thing).await,
            ResourceKind::Container => {
                let service =
                    things::service_of(&site.instance, &thing.name).ok_or_else(|| unknown(&thing))?;
                let (material, hub) = (self.material(&site.instance), self.material(&Instance::Hub));
                let definitions =
                    Definitions { settings: &self.settings, material: &material, hub: &hub, site };
                self.things(site).make_container(&thing, service, &definitions.of(service)?).await
            }
            ResourceKind::File => {
                self.material(&site.instance).make(Path::new(&thing.name), &*self.secrets).await
            }
            ResourceKind::RealmObject | ResourceKind::Document => {
                let what = Written::parse(&thing.name).ok_or_else(|| unknown(&thing))?;
                self.make_written(site, what).await
            }
        }
    }

    async fn unmake(&self, site: &Site, resource: &Resource) -> Done {
        let thing = Thing::from(resource);
        match thing.kind {
            ResourceKind::Network => self.things(site).remove_network(&thing).await,
            ResourceKind::Volume => self.things(site).remove_volume(&thing).await,
            ResourceKind::Container => self.things(site).remove_container(&thing).await,
            ResourceKind::File => self.unmake_file(site, Path::new(&thing.name)).await,
            ResourceKind::RealmObject | ResourceKind::Document => match Written::parse(&thing.name) {
                Some(what) => self.unmake_written(site, what).await,
                None => Ok(()),
            },
        }
    }

    async fn check(&self, site: &Site, phase: Phase, what: &str) -> Done {
        if phase == Phase::Preflight {
            return preflight::check(&self.things(site), &self.settings, what).await;
        }
        if what == CERTIFICATES_ARE_GOOD {
            return self.material(&site.instance).certificates_are_good();
        }
        Verification { site, material: &self.material(&site.instance) }.check(what).await
    }

    async fn start(&self, site: &Site, service: Service) -> Done {
        let name = service.container(&site.instance);
        let call = self.engine.docker().start_container(&name, None);
        let Err(refusal) = self.engine.ask(format!("start {name}"), call).await else { return Ok(()) };
        let code = match refusal.why {
            Why::Conflict => return Ok(()),
            Why::PortTaken => ErrorCode::InstanceConflict,
            // The container is there: whoever was its network's last user has removed that.
            Why::NoNetwork => ErrorCode::Network,
            Why::Missing | Why::Failed => ErrorCode::ContainerStart,
        };
        Err(refusal.with(code))
    }

    async fn stop(&self, site: &Site, service: Service) -> Done {
        let name = service.container(&site.instance);
        let options = StopContainerOptionsBuilder::new().t(GRACE).build();
        let call = self.engine.docker().stop_container(&name, Some(options));
        match self.engine.ask(format!("stop {name}"), call).await {
            Err(refusal) if !matches!(refusal.why, Why::Conflict | Why::Missing) => {
                Err(refusal.with(ErrorCode::ContainerStart))
            }
            _ => Ok(()),
        }
    }

    async fn rung(&self, site: &Site, service: Service, rung: Rung) -> Done<Holding> {
        Rungs { things: self.things(site), material: &self.material(&site.instance) }.ask(service, rung).await
    }

    async fn renew(&self, site: &Site, service: Service) -> Done {
        self.renew_secrets(site, service).await
    }

    async fn log_tail(&self, site: &Site, service: Service, count: usize) -> Done<Vec<String>> {
        let name = service.container(&site.instance);
        let count = count.min(LINES);
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string()).build();
        let call = async {
            let mut written = Vec::new();
            let mut log = std::pin::pin!(self.engine.docker().logs(&name, Some(options)));
            while let Some(piece) = log.next().await {
                if let LogOutput::StdOut { message }
                | LogOutput::StdErr { message }
                | LogOutput::Console { message } = piece?
                {
                    written.extend_from_slice(&message);
                }
            }
            Ok(written)
        };
        let written =
            self.engine.find(format!("read the log of {name}"), ErrorCode::ContainerStart, call).await?;
        let text = String::from_utf8_lossy(&written.unwrap_or_default()).into_owned();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        Ok(lines[lines.len().saturating_sub(count)..].to_vec())
    }

    async fn remedy(&self, site: &Site, remedy: Remedy, subject: &Subject) -> Done {
        let service = match subject {
            Subject::Service(service) => Some(*service),
            Subject::Thing(thing) => things::service_of(&site.instance, &thing.name),
            Subject::Check(_) => None,
        };
        match (remedy, subject, service) {
            (Remedy::RestartContainer, _, Some(service)) => {
                let name = service.container(&site.instance);
                let call = self.engine.docker().restart_container(&name, None::<RestartContainerOptions>);
                self.engine.find(format!("restart {name}"), ErrorCode::ContainerStart, call).await.map(drop)
            }
            (Remedy::RecreateNetwork, ..) => self.things(site).rejoin_network().await,
            (Remedy::RemoveStaleContainer, Subject::Thing(thing), _) => {
                self.things(site).remove_container(thing).await
            }
            (
                Remedy::ReloadSecret | Remedy::ReissueCertificate | Remedy::RecreateFolder,
                Subject::Thing(thing),
                _,
            ) if thing.kind == ResourceKind::File => {
                self.material(&site.instance).make(Path::new(&thing.name), &*self.secrets).await
            }
            (Remedy::ReissueCertificate, ..) => self.material(&site.instance).reissue(),
            // Each use reads it from its file again; the others are found out anew by trying again.
            _ => Ok(()),
        }
    }

    async fn existing(&self, site: &Site) -> Done<Vec<Thing>> {
        let mut things = self.things(site).existing().await?;
        for file in self.material(&site.instance).files()? {
            if Material::is_there(&file)? {
                things.push(Thing::new(ResourceKind::File, file.to_string_lossy()));
            }
        }
        things.sort();
        Ok(things)
    }

    async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>> {
        let site = Site { instance: Instance::Hub, slot: Slot::HUB };
        self.things(&site).unknown(known).await
    }
}
