//! One service in one container.

mod spec;

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bollard::models::PortBinding;
use serde::{Deserialize, Serialize};
use testcontainers::core::{Host, IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerRequest, CopyTargetOptions, GenericImage, ImageExt, TestcontainersError};

use crate::attachment::Attachment;
use crate::cleanup;
use crate::engine::{Engine, EngineError};
use crate::{logs, ports};

pub use self::spec::{ContainerSpec, Ready};

const LOG_TAIL: usize = 30;
const PORT_ATTEMPTS: u32 = 5;
const EXIT_POLL: Duration = Duration::from_millis(100);
const READY_POLL: Duration = Duration::from_millis(50);
const READY_ANSWER: Duration = Duration::from_secs(1);

/// Why a container did not come up.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// testcontainers or the engine refused to create or start it.
    #[error("{service} could not be started from {image}: {why}{log}")]
    Refused {
        /// The service.
        service: String,
        /// The image's tag.
        image: String,
        /// The reason given.
        why: Box<TestcontainersError>,
        /// The last lines of its log, when it had one.
        log: logs::Tail,
    },
    /// It ended before it was ready.
    #[error("{service} ended with exit code {code} before it was ready{log}")]
    Ended {
        /// The service.
        service: String,
        /// Its exit code.
        code: i64,
        /// The last lines of its log.
        log: logs::Tail,
    },
    /// It runs and did not show the sign.
    #[error("{service} was not ready within {within:?}, waiting for {sign}{log}")]
    NotReady {
        /// The service.
        service: String,
        /// The sign awaited.
        sign: Ready,
        /// For how long.
        within: Duration,
        /// The last lines of its log.
        log: logs::Tail,
    },
    /// No host port could be had for a published port.
    #[error(
        "no free port on 127.0.0.1 for {service}; end what listens there, or widen net.ipv4.ip_local_port_range"
    )]
    NoPort {
        /// The service.
        service: String,
    },
}

/// A container that was ready once. Dropping this leaves it running: its topology removes it, or the reaper.
///
/// Plain data: another process that reads it back has the same container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    service: String,
    name: String,
    attachment: Attachment,
    published: BTreeMap<u16, u16>,
}

impl Container {
    /// The service it runs.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Its name on the engine, by which other containers of the topology can also call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address on the topology's network, the same for as long as it exists.
    pub fn address(&self) -> Ipv4Addr {
        self.attachment.address
    }

    /// Where this machine reaches a port of it, the same for as long as it exists. `None` when the port was
    /// not published.
    pub fn published(&self, port: u16) -> Option<SocketAddr> {
        self.published.get(&port).map(|host| SocketAddr::from((Ipv4Addr::LOCALHOST, *host)))
    }

    pub(crate) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Puts it at another address of its network.
    pub(crate) async fn moved(mut self, engine: &Engine, address: Ipv4Addr) -> Result<Self, EngineError> {
        self.attachment.address = address;
        self.attachment.restore(engine, &self.name).await?;
        Ok(self)
    }
}

/// Creates and starts a container on `network` and waits until it is ready. When that fails, nothing of it
/// is left.
pub(crate) async fn start(
    engine: &Engine,
    spec: &ContainerSpec,
    network: &str,
    labels: &HashMap<String, String>,
) -> Result<Container, StartError> {
    let name = format!("{network}-{}", spec.service);
    let mut attempt = 0;
    loop {
        let published = choose_ports(spec)?;
        let request = request(spec, &name, network, labels, &published);
        match until_ready(engine, spec, &name, network, request, &published).await {
            Ok(attachment) => {
                return Ok(Container { service: spec.service.clone(), name, attachment, published });
            }
            Err(error) => {
                cleanup::remove_container(engine, &name).await?;
                attempt += 1;
                if attempt == PORT_ATTEMPTS || !lost_its_port(&error) {
                    return Err(error);
                }
            }
        }
    }
}

fn choose_ports(spec: &ContainerSpec) -> Result<BTreeMap<u16, u16>, StartError> {
    let no_port = || StartError::NoPort { service: spec.service.clone() };
    spec.ports.iter().map(|port| Ok((*port, ports::free().ok_or_else(no_port)?))).collect()
}

fn lost_its_port(error: &StartError) -> bool {
    let StartError::Refused { why, .. } = error else { return false };
    let why = why.to_string();
    why.contains("port is already allocated") || why.contains("address already in use")
}

fn request(
    spec: &ContainerSpec,
    name: &str,
    network: &str,
    labels: &HashMap<String, String>,
    published: &BTreeMap<u16, u16>,
) -> ContainerRequest<GenericImage> {
    let (image, tag) = spec.image.rsplit_once(':').unwrap_or((&spec.image, "latest"));
    let bindings: HashMap<_, _> = published
        .iter()
        .map(|(port, host)| {
            let binding =
                PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some(host.to_string()) };
            (format!("{port}/tcp"), Some(vec![binding]))
        })
        .collect();
    let mut request = spec
        .ports
        .iter()
        .fold(GenericImage::new(image, tag), |image, port| image.with_exposed_port(port.tcp()))
        .with_wait_for(wait_for(&spec.ready))
        .with_cmd(&spec.command)
        .with_container_name(name)
        .with_network(network)
        .with_labels(labels)
        // Ours is the deadline that counts: when it passes, the log is read before the container is removed.
        .with_startup_timeout(spec.ready_within + Duration::from_secs(30))
        .with_host_config_modifier(move |host| {
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(bindings.clone());
        });
    for (variable, value) in &spec.env {
        request = request.with_env_var(variable, value);
    }
    for (path, file) in &spec.files {
        let target = CopyTargetOptions::new(path).with_mode(file.mode);
        request = request.with_copy_to(target, file.content.clone());
    }
    for (host, address) in &spec.hosts {
        request = request.with_host(host, Host::Addr((*address).into()));
    }
    request
}

/// An HTTP answer is awaited by [`healthy`]: testcontainers asks the gateway of the default network wherever it
/// takes itself to be in a container, and nothing is published there.
fn wait_for(sign: &Ready) -> WaitFor {
    match sign {
        Ready::Running | Ready::Http { .. } | Ready::Https { .. } => WaitFor::Nothing,
        Ready::Log(text) => WaitFor::message_on_either_std(text),
    }
}

/// Returns when the sign of health is there, if it is one that is asked for.
async fn healthy(sign: &Ready, published: &BTreeMap<u16, u16>) {
    let Some((port, canary)) = sign.canary() else { return };
    let Some(host) = published.get(&port) else { return std::future::pending().await };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *host));
    while canary.send(address, 0, READY_ANSWER).await.answer().and_then(|heard| heard.status) != Some(200) {
        tokio::time::sleep(READY_POLL).await;
    }
}

async fn until_ready(
    engine: &Engine,
    spec: &ContainerSpec,
    name: &str,
    network: &str,
    request: ContainerRequest<GenericImage>,
    published: &BTreeMap<u16, u16>,
) -> Result<Attachment, StartError> {
    let service = || spec.service.clone();
    let ended = async |code| StartError::Ended {
        service: service(),
        code,
        log: logs::tail(engine, name, LOG_TAIL).await,
    };
    let mut starting = Box::pin(async {
        let container = request.start().await?;
        // Its `Drop` would remove the container, and only while a runtime lives. The owner label and
        // the reaper do that, whatever becomes of this process.
        std::mem::forget(container);
        healthy(&spec.ready, published).await;
        Ok(())
    });
    tokio::select! {
        biased;
        started = &mut starting => match started {
            Ok(()) => match attached(engine, name, network).await? {
                Some(attachment) => Ok(attachment),
                // It has no address any more.
                None => Err(ended(exit(engine, name).await?).await),
            },
            Err(why) => Err(StartError::Refused {
                service: service(),
                image: spec.image.clone(),
                why: Box::new(why),
                log: logs::tail(engine, name, LOG_TAIL).await,
            }),
        },
        code = exit(engine, name) => Err(ended(code?).await),
        () = tokio::time::sleep(spec.ready_within) => Err(StartError::NotReady {
            service: service(),
            sign: spec.ready.clone(),
            within: spec.ready_within,
            log: logs::tail(engine, name, LOG_TAIL).await,
        }),
    }
}

/// Waits until the container has run and ended; gives its exit code.
async fn exit(engine: &Engine, name: &str) -> Result<i64, EngineError> {
    loop {
        let state = engine.state(name).await?;
        if let Some(code) = state.and_then(|state| match state.status {
            Some(bollard::models::ContainerStateStatusEnum::EXITED) => state.exit_code,
            _ => None,
        }) {
            return Ok(code);
        }
        tokio::time::sleep(EXIT_POLL).await;
    }
}

/// Where the engine put the container; `None` when it runs no more.
async fn attached(engine: &Engine, name: &str, network: &str) -> Result<Option<Attachment>, EngineError> {
    let endpoint = Attachment::read(engine, name, network).await?;
    let address = endpoint.and_then(|endpoint| endpoint.ip_address?.parse().ok());
    Ok(address.map(|address| Attachment { network: network.to_owned(), address }))
}
