//! Removal by owner label: what lacks the label, or carries another's, is never touched.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
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
}

impl Removed {
    /// Whether there was nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty()
    }
}

/// Removes all containers, in whichever state, and networks of one owner.
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

/// Names of the containers and networks that carry an owner label, with their owners' text.
pub async fn list_owned(engine: &Engine) -> Result<Vec<(String, String)>, EngineError> {
    let (containers, networks) = labelled(engine, labels::OWNER).await?;
    Ok(containers
        .into_iter()
        .chain(networks)
        .map(|found| (found.name, found.labels.get(labels::OWNER).cloned().unwrap_or_default()))
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
    let (mut containers, mut networks) = labelled(engine, label).await?;
    // The engine's filter is not taken at its word.
    let ours = |found: &Found| labels::owner(Some(&found.labels)).is_some_and(|owner| ours(&owner));
    containers.retain(ours);
    networks.retain(ours);

    let names = |found: &[Found]| found.iter().map(|found| found.name.clone()).collect();
    let removed = Removed { containers: names(&containers), networks: names(&networks) };
    for outcome in join_all(containers.iter().map(|found| remove_container(engine, &found.id))).await {
        outcome?;
    }
    for outcome in join_all(networks.iter().map(|found| remove_network(engine, &found.id))).await {
        outcome?;
    }
    Ok(removed)
}

async fn labelled(engine: &Engine, label: &str) -> Result<(Vec<Found>, Vec<Found>), EngineError> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = engine.docker().list_containers(Some(options));
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = engine.docker().list_networks(Some(options));
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
    Ok((containers, networks))
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
