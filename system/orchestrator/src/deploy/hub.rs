//! What a spoke asks of its hub, and when.

use std::time::Duration;

use super::moves::{Trouble, Work};
use super::{Engine, Event, Failure, Found};
use crate::preflight::{HubGate, Need, has_stood_beside_its_hub, hub_gate};
use crate::store::Answer;
use crate::{DeploymentState, ErrorCode, Instance, ResourceKind, Service, levels};

/// How often a spoke looks for its hub.
const HUB_POLL: Duration = Duration::from_secs(2);

impl Engine {
    /// How a spoke that has `waited` finds its hub.
    pub(super) async fn hub(&self, need: Need, waited: Duration) -> Answer<(DeploymentState, HubGate)> {
        let state = self.store.state(&Instance::Hub).await?;
        let is_held = self.store.holder(&Instance::Hub).await?.is_some();
        let limit = levels::deployment_timeout(&levels::of_instance(&Instance::Hub));
        Ok((state, hub_gate(need, state, is_held, waited, limit)))
    }
}

fn closed(code: ErrorCode, hub: DeploymentState) -> Trouble {
    Trouble::Failed(Failure::new(code, format!("the hub is {}", hub.as_str())))
}

impl Work<'_> {
    /// A spoke whose hub stands, or is being deployed, may begin.
    pub(super) async fn hub_is_there_or_coming(&self) -> Result<(), Trouble> {
        if self.site.instance == Instance::Hub {
            return Ok(());
        }
        match self.engine.hub(Need::Up, Duration::ZERO).await? {
            (hub, HubGate::Closed(code)) => Err(closed(code, hub)),
            (_, HubGate::Open | HubGate::Wait { .. }) => Ok(()),
        }
    }

    /// Waits until the hub is up where a service is to be made with something of it. A container that is there was
    /// made when the hub was: bringing it up again asks for no hub.
    pub(super) async fn hub_is_up_for(&self, service: Service) -> Result<(), Trouble> {
        if self.site.instance == Instance::Hub || !service.needs_the_hub() || self.is_made(service).await? {
            return Ok(());
        }
        self.wait_for_the_hub(Need::Up).await
    }

    /// Waits until the hub is COMPLETE, unless the spoke has stood beside it: such a one stands by itself.
    pub(super) async fn hub_is_complete(&self) -> Result<(), Trouble> {
        if self.site.instance == Instance::Hub
            || has_stood_beside_its_hub(&self.engine.store.history(&self.site.instance).await?)
        {
            return Ok(());
        }
        self.wait_for_the_hub(Need::Complete).await
    }

    async fn wait_for_the_hub(&self, need: Need) -> Result<(), Trouble> {
        let began = self.engine.runtime.now();
        loop {
            let waited = self.engine.runtime.now().saturating_since(began);
            match self.engine.hub(need, waited).await? {
                (_, HubGate::Open) => return Ok(()),
                (_, HubGate::Wait { left }) => {
                    self.tell(&Event::WaitingForHub { left });
                    self.wait(HUB_POLL.min(left)).await?;
                }
                (hub, HubGate::Closed(code)) => return Err(closed(code, hub)),
            }
        }
    }

    /// Whether its container is there. Where that can't be told it counts as not there.
    async fn is_made(&self, service: Service) -> Result<bool, Trouble> {
        let parts = self.engine.platform.parts(self.site, service);
        let Some(container) = parts.into_iter().find(|thing| thing.kind == ResourceKind::Container) else {
            return Ok(false);
        };
        match self.look(self.engine.platform.find(self.site, &container)).await {
            Ok(found) => Ok(found == Found::Ours),
            Err(Trouble::Failed(_)) => Ok(false),
            Err(interrupted) => Err(interrupted),
        }
    }
}
