//! A container's place on its network, kept over stops and disconnections.
//!
//! The engine gives a container's address back when it stops or is disconnected, and hands out the next free
//! one when it returns. Naming the address at the return keeps it.

use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest,
};
use serde::{Deserialize, Serialize};

use crate::engine::{BRIEF, Engine, EngineError};

/// Which network, and which address on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// The container's address there.
    pub address: Ipv4Addr,
}

impl Attachment {
    /// Reads a container's attachment to `network`; `None` when it is not attached.
    pub(crate) async fn read(
        engine: &Engine,
        container: &str,
        network: &str,
    ) -> Result<Option<EndpointSettings>, EngineError> {
        let call = engine.docker().inspect_container(container, None);
        let found = engine.ask(format!("inspect container {container}"), BRIEF, call).await?;
        Ok(found.network_settings.and_then(|settings| settings.networks?.remove(network)))
    }

    /// Whether the container is on the network now.
    pub(crate) async fn holds(&self, engine: &Engine, container: &str) -> Result<bool, EngineError> {
        Ok(Self::read(engine, container, &self.network).await?.is_some())
    }

    /// Attaches the container at its own address. Does nothing when it is.
    pub(crate) async fn restore(&self, engine: &Engine, container: &str) -> Result<(), EngineError> {
        match Self::read(engine, container, &self.network).await? {
            Some(at) if pinned(&at) == Some(self.address) => return Ok(()),
            // A running container at the right address stays connected: leaving would cut its connections.
            Some(at) if at.ip_address == Some(self.address.to_string()) => return Ok(()),
            Some(_) => self.detach(engine, container).await?,
            None => {}
        }
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(EndpointSettings {
                ipam_config: Some(EndpointIpamConfig {
                    ipv4_address: Some(self.address.to_string()),
                    ..EndpointIpamConfig::default()
                }),
                ..EndpointSettings::default()
            }),
        };
        let what = format!("connect container {container} to {} at {}", self.network, self.address);
        engine.ask(what, BRIEF, engine.docker().connect_network(&self.network, request)).await
    }

    /// Takes the container off its network.
    pub(crate) async fn detach(&self, engine: &Engine, container: &str) -> Result<(), EngineError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let what = format!("disconnect container {container} from {}", self.network);
        engine.ask(what, BRIEF, engine.docker().disconnect_network(&self.network, request)).await
    }
}

fn pinned(at: &EndpointSettings) -> Option<Ipv4Addr> {
    at.ipam_config.as_ref()?.ipv4_address.as_ref()?.parse().ok()
}
