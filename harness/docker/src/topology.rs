//! A network of its own and the containers on it.

use std::sync::atomic::{AtomicU32, Ordering};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest};
use harness_core::owner::Owner;

use crate::cleanup::{self, Removed};
use crate::container::{self, Container, ContainerSpec, StartError};
use crate::engine::{BRIEF, Engine, EngineError};
use crate::labels;
use crate::reaper::Watched;
use crate::subnet::{self, Subnet};

const SUBNET_ATTEMPTS: usize = 16;
static CREATED: AtomicU32 = AtomicU32::new(0);

/// Why a topology could not be created.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Every /24 of the range is in use.
    #[error(
        "no free /24 in 10.231.0.0/16 for a Docker network; `docker network prune` removes those in nobody's use"
    )]
    NoSubnet,
}

/// Containers that see each other and nothing else of ours. Ends by [`Topology::remove`]; when that is never
/// reached, by the reaper, at the latest when its owner dies.
#[derive(Debug)]
pub struct Topology {
    engine: Engine,
    owner: Owner,
    name: String,
    seed: u32,
}

impl Topology {
    /// Creates the network. `name` need not be unique: this process and a counter make it so.
    ///
    /// The reaper comes first: nothing is made that would outlive its owner.
    pub async fn create(engine: &Engine, owner: &Watched, name: &str) -> Result<Self, TopologyError> {
        let count = CREATED.fetch_add(1, Ordering::Relaxed);
        let owner = owner.owner().clone();
        let pid = std::process::id();
        let name = format!("chaos-{name}-{pid}-{count}");
        let seed = pid.wrapping_mul(31).wrapping_add(count);
        let topology = Self { engine: engine.clone(), owner, name, seed };
        let taken = topology.taken().await?;
        for subnet in subnet::free(&taken, seed).take(SUBNET_ATTEMPTS) {
            match topology.create_network(subnet).await {
                Ok(()) => return Ok(topology),
                // Somebody took it since we looked.
                Err(error) if error.to_string().contains("overlaps") => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(TopologyError::NoSubnet)
    }

    /// The network's name, with which the names of its containers begin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Starts a container and waits until it is ready.
    ///
    /// # Errors
    /// With the last lines of its log when it ended or was not ready in time; nothing of it is left then.
    pub async fn start(&self, spec: &ContainerSpec) -> Result<Container, StartError> {
        let mut labels = labels::of(&self.owner, &self.name);
        labels.insert(labels::SERVICE.into(), spec.service.clone());
        container::start(&self.engine, spec, &self.name, &labels, self.seed.wrapping_mul(101)).await
    }

    /// Removes its containers and its network.
    pub async fn remove(self) -> Result<Removed, EngineError> {
        cleanup::remove_topology(&self.engine, &self.owner, &self.name).await
    }

    async fn create_network(&self, subnet: Subnet) -> Result<(), EngineError> {
        let pool = IpamConfig {
            subnet: Some(subnet.to_string()),
            gateway: Some(subnet.gateway().to_string()),
            ..IpamConfig::default()
        };
        let request = NetworkCreateRequest {
            name: self.name.clone(),
            driver: Some("bridge".into()),
            ipam: Some(Ipam { config: Some(vec![pool]), ..Ipam::default() }),
            labels: Some(labels::of(&self.owner, &self.name)),
            ..NetworkCreateRequest::default()
        };
        let what = format!("create network {} on {subnet}", self.name);
        self.engine.ask(what, BRIEF, self.engine.docker().create_network(request)).await.map(drop)
    }

    /// The subnets of all Docker networks and of this machine's routes.
    async fn taken(&self) -> Result<Vec<Subnet>, EngineError> {
        let networks =
            self.engine.ask("list networks", BRIEF, self.engine.docker().list_networks(None)).await?;
        let docker = networks
            .into_iter()
            .filter_map(|network| network.ipam?.config)
            .flatten()
            .filter_map(|pool| pool.subnet?.parse().ok());
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        Ok(docker.chain(subnet::routed(&routes)).collect())
    }
}
