//! A network of its own and the containers on it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

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
    subnet: Subnet,
    /// Addresses that containers of this topology have had, stopped ones included.
    given: Mutex<BTreeSet<Ipv4Addr>>,
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
        let taken = taken(engine).await?;
        for subnet in subnet::free(&taken, seed).take(SUBNET_ATTEMPTS) {
            match create_network(engine, &owner, &name, subnet).await {
                Ok(()) => {
                    let engine = engine.clone();
                    return Ok(Self { engine, owner, name, subnet, given: Mutex::default() });
                }
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
        let container = container::start(&self.engine, spec, &self.name, &labels).await?;
        match self.other_address(container.address()) {
            None => Ok(container),
            Some(free) => Ok(container.moved(&self.engine, free).await?),
        }
    }

    /// The engine gives out the address of a container that is stopped as if it were free; then the new one must
    /// have another.
    fn other_address(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.insert(address) {
            return None;
        }
        // The engine goes from the lowest up.
        let free = self.subnet.hosts_from_the_top().find(|host| given.insert(*host));
        Some(free.unwrap_or(address))
    }

    /// Removes its containers and its network.
    pub async fn remove(self) -> Result<Removed, EngineError> {
        cleanup::remove_topology(&self.engine, &self.owner, &self.name).await
    }
}

async fn create_network(
    engine: &Engine,
    owner: &Owner,
    name: &str,
    subnet: Subnet,
) -> Result<(), EngineError> {
    let pool = IpamConfig {
        subnet: Some(subnet.to_string()),
        gateway: Some(subnet.gateway().to_string()),
        ..IpamConfig::default()
    };
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".into()),
        ipam: Some(Ipam { config: Some(vec![pool]), ..Ipam::default() }),
        labels: Some(labels::of(owner, name)),
        ..NetworkCreateRequest::default()
    };
    let what = format!("create network {name} on {subnet}");
    engine.ask(what, BRIEF, engine.docker().create_network(request)).await.map(drop)
}

/// The subnets of all Docker networks and of this machine's routes.
async fn taken(engine: &Engine) -> Result<Vec<Subnet>, EngineError> {
    let networks = engine.ask("list networks", BRIEF, engine.docker().list_networks(None)).await?;
    let docker = networks
        .into_iter()
        .filter_map(|network| network.ipam?.config)
        .flatten()
        .filter_map(|pool| pool.subnet?.parse().ok());
    let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    Ok(docker.chain(subnet::routed(&routes)).collect())
}
