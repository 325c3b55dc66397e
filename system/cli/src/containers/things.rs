//! Networks, volumes and containers: found, made, removed.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HealthConfig, HostConfig, Mount,
    MountType, NetworkConnectRequest, NetworkCreateRequest, PortBinding, RestartPolicy,
    RestartPolicyNameEnum, VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions, RenameContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use dive_orchestrator::deploy::{Done, Failure, Found, Site, Thing};
use dive_orchestrator::{ErrorCode, Instance, NETWORK, ResourceKind, Service};

use super::definition::{Definition, Given};
use super::engine::{Engine, Why};
use super::labels;
use super::settings::Settings;

/// What a container is called until it has all its files: one by its own name is whole.
const UNFINISHED: &str = ".making";

/// How often a container is checked by the engine. Each check is a process of its own: every second, they took a
/// third of two processors from what three instances were starting.
const CHECKED: Duration = Duration::from_secs(4);

/// How often until it is healthy, by engines that make the difference (25.0 and later).
const CHECKED_AT_FIRST: Duration = Duration::from_secs(1);

/// Names the interface of a network. An engine before 25.0 makes a second network of the same name when two ask at
/// once, and then knows neither by it; of two interfaces it makes one.
const INTERFACE: &str = "com.docker.network.bridge.name";

/// Things of the container engine.
pub(super) struct Things<'a> {
    pub(super) engine: &'a Engine,
    pub(super) settings: &'a Settings,
    pub(super) site: &'a Site,
}

impl Things<'_> {
    /// A container, as the engine has it.
    pub(super) async fn inspect(&self, name: &str) -> Done<Option<ContainerInspectResponse>> {
        let call = self.engine.docker().inspect_container(name, None);
        self.engine.find(format!("inspect {name}"), ErrorCode::ContainerStart, call).await
    }

    pub(super) async fn find(&self, thing: &Thing) -> Done<Found> {
        let (docker, name) = (self.engine.docker(), thing.name.as_str());
        let what = thing.to_string();
        let (labels, whose): (_, Found) = match thing.kind {
            ResourceKind::Network => {
                let call = docker.inspect_network(name, None);
                let found = self.engine.find(format!("inspect {what}"), ErrorCode::Network, call).await?;
                let Some(found) = found else { return Ok(Found::Nothing) };
                let shared = found.labels.as_ref().and_then(|labels| labels.get(labels::INSTANCE));
                let ours = shared.is_some_and(|instance| instance == labels::SHARED);
                (None, if ours { Found::Ours } else { labels::whose(self.site, &what, None) })
            }
            ResourceKind::Volume => {
                let call = docker.inspect_volume(name);
                let found = self.engine.find(format!("inspect {what}"), ErrorCode::Volume, call).await?;
                let Some(found) = found else { return Ok(Found::Nothing) };
                (Some(found.labels), Found::Nothing)
            }
            _ => {
                let whole = self.inspect(name).await?;
                let found = match whole {
                    Some(found) => Some(found),
                    None => self.inspect(&format!("{name}{UNFINISHED}")).await?,
                };
                let Some(found) = found else { return Ok(Found::Nothing) };
                (Some(found.config.and_then(|config| config.labels).unwrap_or_default()), Found::Nothing)
            }
        };
        Ok(labels.map_or(whose, |labels| labels::whose(self.site, &what, Some(&labels))))
    }

    /// What is met under a thing's name is this site's, or is not there.
    async fn no_stranger(&self, thing: &Thing) -> Done<Found> {
        match self.find(thing).await? {
            Found::Strangers(whose) => Err(Failure::new(ErrorCode::InstanceConflict, whose)),
            found => Ok(found),
        }
    }

    pub(super) async fn make_network(&self, thing: &Thing) -> Done {
        if self.no_stranger(thing).await? == Found::Ours {
            return Ok(());
        }
        let request = NetworkCreateRequest {
            name: thing.name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels::of(self.settings, labels::SHARED, None)),
            options: Some(HashMap::from([(INTERFACE.to_owned(), thing.name.clone())])),
            ..Default::default()
        };
        let call = self.engine.docker().create_network(request);
        match self.engine.ask(format!("make {thing}"), call).await {
            // Another instance's deployment may be quicker.
            Err(refusal) if refusal.why != Why::Conflict => Err(refusal.with(ErrorCode::Network)),
            _ => Ok(()),
        }
    }

    pub(super) async fn make_volume(&self, thing: &Thing) -> Done {
        if self.no_stranger(thing).await? == Found::Ours {
            return Ok(());
        }
        let request = VolumeCreateRequest {
            name: Some(thing.name.clone()),
            labels: Some(labels::of(self.settings, &self.site.instance.to_string(), None)),
            ..Default::default()
        };
        let call = self.engine.docker().create_volume(request);
        self.engine
            .ask(format!("make {thing}"), call)
            .await
            .map(drop)
            .map_err(|no| no.with(ErrorCode::Volume))
    }

    /// Makes a container; one that was made otherwise is replaced. It has all its files before it has its name.
    pub(super) async fn make_container(
        &self,
        thing: &Thing,
        service: Service,
        definition: &Definition,
    ) -> Done {
        self.no_stranger(thing).await?;
        let digest = definition.digest();
        if let Some(found) = self.inspect(&thing.name).await? {
            let made = found.config.and_then(|config| config.labels);
            if made.is_some_and(|labels| labels.get(labels::DEFINITION) == Some(&digest)) {
                return Ok(());
            }
        }
        self.remove_container(thing).await?;
        let unfinished = format!("{}{UNFINISHED}", thing.name);
        let docker = self.engine.docker();
        let options = CreateContainerOptionsBuilder::new().name(&unfinished).build();
        let call = docker.create_container(Some(options), self.body(service, definition, digest));
        self.engine.ask(format!("make {thing}"), call).await.map_err(|refusal| match refusal.why {
            Why::Missing => {
                let help = format!("{} (pull {}, or name another image)", refusal.told, definition.image);
                Failure::new(ErrorCode::Definition, help)
            }
            Why::NoNetwork => refusal.with(ErrorCode::Network),
            _ => refusal.with(ErrorCode::ContainerStart),
        })?;
        if !definition.files.is_empty() {
            let archive = archive(&definition.files).map_err(|error| {
                Failure::new(ErrorCode::CertificateCopy, format!("the files of {thing}: {error}"))
            })?;
            let options = UploadToContainerOptionsBuilder::new().path("/").build();
            let call =
                docker.upload_to_container(&unfinished, Some(options), bollard::body_full(archive.into()));
            let copied = self.engine.ask(format!("copy files into {thing}"), call).await;
            copied.map_err(|refusal| refusal.with(ErrorCode::CertificateCopy))?;
        }
        let options = RenameContainerOptionsBuilder::new().name(&thing.name).build();
        let call = docker.rename_container(&unfinished, options);
        self.engine.ask(format!("name {thing}"), call).await.map_err(|no| no.with(ErrorCode::ContainerStart))
    }

    fn body(&self, service: Service, definition: &Definition, digest: String) -> ContainerCreateBody {
        let instance = self.site.instance.to_string();
        let mut labels = labels::of(self.settings, &instance, Some(service));
        labels.insert(labels::DEFINITION.to_owned(), digest);
        let (inside, outside) = definition.port;
        let inside = format!("{inside}/tcp");
        let binding =
            PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(outside.to_string()) };
        let mount = definition.data.as_ref().map(|target| Mount {
            target: Some(target.clone()),
            source: Some(service.container(&self.site.instance)),
            typ: Some(MountType::VOLUME),
            ..Default::default()
        });
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).ok();
        let healthcheck = definition.check.as_ref().map(|test| HealthConfig {
            test: Some(test.clone()),
            interval: nanos(CHECKED),
            start_interval: nanos(CHECKED_AT_FIRST),
            timeout: Some(5_000_000_000),
            retries: Some(5),
            start_period: nanos(service.start_timeout() * 2),
        });
        ContainerCreateBody {
            image: Some(definition.image.clone()),
            cmd: Some(definition.command.clone()).filter(|words| !words.is_empty()),
            env: Some(definition.environment.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            labels: Some(labels),
            healthcheck,
            exposed_ports: Some(vec![inside.clone()]),
            host_config: Some(HostConfig {
                network_mode: Some(NETWORK.to_owned()),
                port_bindings: Some(HashMap::from([(inside, Some(vec![binding]))])),
                mounts: mount.map(|mount| vec![mount]),
                restart_policy: Some(RestartPolicy {
                    name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    pub(super) async fn remove_container(&self, thing: &Thing) -> Done {
        if self.find(thing).await? != Found::Ours {
            return Ok(());
        }
        for name in [thing.name.clone(), format!("{}{UNFINISHED}", thing.name)] {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let call = self.engine.docker().remove_container(&name, Some(options));
            self.engine.find(format!("remove {name}"), ErrorCode::ContainerStart, call).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_volume(&self, thing: &Thing) -> Done {
        if self.find(thing).await? != Found::Ours {
            return Ok(());
        }
        let call = self.engine.docker().remove_volume(&thing.name, None::<RemoveVolumeOptions>);
        self.engine.find(format!("remove {thing}"), ErrorCode::Volume, call).await.map(drop)
    }

    /// Removes the network with its last user.
    pub(super) async fn remove_network(&self, thing: &Thing) -> Done {
        if self.find(thing).await? != Found::Ours {
            return Ok(());
        }
        let all = self.containers(labels::INSTANCE).await?;
        let own = self.site.instance.to_string();
        if all.iter().any(|(_, labels)| labels.get(labels::INSTANCE).is_some_and(|instance| *instance != own))
        {
            return Ok(());
        }
        let call = self.engine.docker().remove_network(&thing.name);
        self.engine.find(format!("remove {thing}"), ErrorCode::Network, call).await.map(drop)
    }

    /// The containers with a label, in whatever state, by their own names.
    async fn containers(&self, label: &str) -> Done<Vec<(String, HashMap<String, String>)>> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let call = self.engine.docker().list_containers(Some(options));
        let found = self.engine.ask("list containers", call).await;
        let found = found.map_err(|refusal| refusal.with(ErrorCode::ContainerStart))?;
        let named = found.into_iter().filter_map(|found| {
            let name = found.names?.first()?.trim_start_matches('/').trim_end_matches(UNFINISHED).to_owned();
            Some((name, found.labels.unwrap_or_default()))
        });
        Ok(named.collect())
    }

    /// The volumes with a label.
    async fn volumes(&self, label: &str) -> Done<Vec<(String, HashMap<String, String>)>> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
        let call = self.engine.docker().list_volumes(Some(options));
        let found = self.engine.ask("list volumes", call).await.map_err(|no| no.with(ErrorCode::Volume))?;
        Ok(found.volumes.unwrap_or_default().into_iter().map(|found| (found.name, found.labels)).collect())
    }

    /// The volumes and containers with a label, each with all it has.
    async fn labelled(&self, label: &str) -> Done<Vec<(Thing, HashMap<String, String>)>> {
        let of_kind = |kind, found: Vec<(String, _)>| {
            found.into_iter().map(move |(name, labels)| (Thing::new(kind, name), labels))
        };
        let containers = of_kind(ResourceKind::Container, self.containers(label).await?);
        Ok(of_kind(ResourceKind::Volume, self.volumes(label).await?).chain(containers).collect())
    }

    /// All containers and volumes of this site.
    pub(super) async fn existing(&self) -> Done<Vec<Thing>> {
        let label = format!("{}={}", labels::INSTANCE, self.site.instance);
        Ok(self.labelled(&label).await?.into_iter().map(|(thing, _)| thing).collect())
    }

    /// All containers and volumes of instances that are not `known`. What carries no instance's name was made by no
    /// deployment.
    pub(super) async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>> {
        let mut unknown = Vec::new();
        for (thing, labels) in self.labelled(labels::INSTANCE).await? {
            if let Some(Ok(instance)) = labels.get(labels::INSTANCE).map(|name| name.parse::<Instance>())
                && !known.contains(&instance)
            {
                unknown.push((instance, thing));
            }
        }
        unknown.sort();
        Ok(unknown)
    }

    /// Makes the network anew if it is not there, and joins what runs of this site to it.
    pub(super) async fn rejoin_network(&self) -> Done {
        self.make_network(&Thing::new(ResourceKind::Network, NETWORK)).await?;
        for thing in self.existing().await?.iter().filter(|thing| thing.kind == ResourceKind::Container) {
            let request = NetworkConnectRequest {
                container: thing.name.clone(),
                endpoint_config: Some(EndpointSettings::default()),
            };
            let call = self.engine.docker().connect_network(NETWORK, request);
            match self.engine.ask(format!("join {thing} to the network"), call).await {
                // It may have gone meanwhile, or be on it.
                Err(refusal) if !matches!(refusal.why, Why::Conflict | Why::Missing) => {
                    return Err(refusal.with(ErrorCode::Network));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Which service a container's name says.
pub(super) fn service_of(instance: &Instance, container: &str) -> Option<Service> {
    Service::ALL.into_iter().find(|service| service.container(instance) == container)
}

fn archive(files: &[Given]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(file.owner);
        header.set_gid(0);
        archive.append_data(&mut header, file.path.trim_start_matches('/'), file.content.as_slice())?;
    }
    archive.into_inner()
}
