//! Removal by owner label: what lacks the label, or carries another's, is never touched.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};
use futures_util::future::join_all;
use harness_core::owner::Owner;

use crate::engine::{BRIEF, Engine, EngineError};
use crate::labels;

const REMOVAL: Duration = Duration::from_secs(30);
/// How often a network with containers on it is tried again, and how soon: for two seconds.
const LEAVING: u32 = 80;
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// Names of what was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Containers.
    pub containers: Vec<String>,
    /// Networks.
    pub networks: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
}

impl Removed {
    /// Whether there was nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }
}

/// Removes all containers, in whichever state, networks and volumes of one owner.
pub async fn remove_owned(engine: &Engine, owner: &Owner) -> Result<Removed, EngineError> {
    remove_if(engine, &format!("{}={owner}", labels::OWNER), |found| found == owner).await
}

/// Removes what owners left behind who live no more, containers that never started included.
///
/// Only processes of this machine are known to live or not; nothing else may share the engine.
pub async fn remove_stale(engine: &Engine) -> Result<Removed, EngineError> {
    remove_if(engine, labels::OWNER, |owner| !owner.is_alive()).await
}

/// Removes the containers and the network of one topology.
pub(crate) async fn remove_topology(
    engine: &Engine,
    owner: &Owner,
    topology: &str,
) -> Result<Removed, EngineError> {
    remove_if(engine, &format!("{}={topology}", labels::TOPOLOGY), |found| found == owner).await
}

/// Names of the containers, networks and volumes that carry an owner label, with their owners' text.
pub async fn list_owned(engine: &Engine) -> Result<Vec<(String, String)>, EngineError> {
    list_labelled(engine, labels::OWNER).await
}

/// Names of the containers, networks and volumes that carry a label, with its value.
pub async fn list_labelled(engine: &Engine, label: &str) -> Result<Vec<(String, String)>, EngineError> {
    let Labelled { containers, networks, volumes } = labelled(engine, label).await?;
    Ok([containers, networks, volumes]
        .into_iter()
        .flatten()
        .map(|found| (found.name, found.labels.get(label).cloned().unwrap_or_default()))
        .collect())
}

/// Removes a container in whichever state, with its anonymous volumes. One that is not there is removed.
pub(crate) async fn remove_container(engine: &Engine, container: &str) -> Result<(), EngineError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    let call = engine.docker().remove_container(container, Some(options));
    gone(engine.ask(format!("remove container {container}"), REMOVAL, call).await)
}

/// Removes a network. One that is not there is removed. One that a container is just leaving, which somebody else
/// removes, is tried again.
pub(crate) async fn remove_network(engine: &Engine, network: &str) -> Result<(), EngineError> {
    let mut leaving = 0;
    loop {
        let call = engine.docker().remove_network(network);
        match engine.ask(format!("remove network {network}"), REMOVAL, call).await {
            Err(error) if error.status() == Some(403) && leaving < LEAVING => leaving += 1,
            outcome => return gone(outcome),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Removes a volume. One that is not there is removed.
async fn remove_volume(engine: &Engine, volume: &str) -> Result<(), EngineError> {
    let call = engine.docker().remove_volume(volume, None::<RemoveVolumeOptions>);
    gone(engine.ask(format!("remove volume {volume}"), REMOVAL, call).await)
}

/// What carries a label.
struct Labelled {
    containers: Vec<Found>,
    networks: Vec<Found>,
    volumes: Vec<Found>,
}

struct Found {
    id: String,
    name: String,
    labels: HashMap<String, String>,
}

async fn remove_if(
    engine: &Engine,
    label: &str,
    ours: impl Fn(&Owner) -> bool,
) -> Result<Removed, EngineError> {
    let Labelled { mut containers, mut networks, mut volumes } = labelled(engine, label).await?;
    // The engine's filter is not taken at its word.
    let ours = |found: &Found| labels::owner(Some(&found.labels)).is_some_and(|owner| ours(&owner));
    containers.retain(ours);
    networks.retain(ours);
    volumes.retain(ours);

    let names = |found: &[Found]| found.iter().map(|found| found.name.clone()).collect();
    let removed =
        Removed { containers: names(&containers), networks: names(&networks), volumes: names(&volumes) };
    for outcome in join_all(containers.iter().map(|found| remove_container(engine, &found.id))).await {
        outcome?;
    }
    for outcome in join_all(networks.iter().map(|found| remove_network(engine, &found.id))).await {
        outcome?;
    }
    for outcome in join_all(volumes.iter().map(|found| remove_volume(engine, &found.id))).await {
        outcome?;
    }
    Ok(removed)
}

async fn labelled(engine: &Engine, label: &str) -> Result<Labelled, EngineError> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = engine.docker().list_containers(Some(options));
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = engine.docker().list_networks(Some(options));
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = engine.docker().list_volumes(Some(options));
    let containers = engine
        .ask("list containers", BRIEF, containers)
        .await?
        .into_iter()
        .filter_map(|found| {
            let id = found.id?;
            let name = found.names.and_then(|names| names.into_iter().next()).unwrap_or_else(|| id.clone());
            Some(Found {
                id,
                name: name.trim_start_matches('/').to_owned(),
                labels: found.labels.unwrap_or_default(),
            })
        })
        .collect();
    let networks = engine
        .ask("list networks", BRIEF, networks)
        .await?
        .into_iter()
        .filter_map(|found| {
            let id = found.id?;
            Some(Found {
                name: found.name.unwrap_or_else(|| id.clone()),
                id,
                labels: found.labels.unwrap_or_default(),
            })
        })
        .collect();
    let volumes = engine.ask("list volumes", BRIEF, volumes).await?.volumes.unwrap_or_default().into_iter();
    let volumes = volumes
        .map(|found| Found { id: found.name.clone(), name: found.name, labels: found.labels })
        .collect();
    Ok(Labelled { containers, networks, volumes })
}

/// Somebody else removing the same thing at the same time (409) gets there too.
fn gone(outcome: Result<(), EngineError>) -> Result<(), EngineError> {
    match outcome {
        Err(error) if error.status() == Some(404) => Ok(()),
        Err(error) if error.status() == Some(409) && error.to_string().contains("already in progress") => {
            Ok(())
        }
        outcome => outcome,
    }
}
