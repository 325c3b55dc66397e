//! How all deployments stand.

use futures_util::future::join_all;

use super::{Engine, Failure, Holding, Site};
use crate::ladder::{Rung, Standing, rungs};
use crate::store::{Answer, ErrorRecord, PhaseRun};
use crate::{DeploymentState, Held, Instance, Phase, Service, Slot, Stamp, StateChange};

/// How long one rung may take to answer.
const RUNG_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// How one deployment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which.
    pub instance: Instance,
    /// Its newest state.
    pub state: DeploymentState,
    /// Since when; `None` when it never had one.
    pub since: Option<Stamp>,
    /// Why it came to that.
    pub why: String,
    /// The phase that is under way or was cut short.
    pub phase: Option<Phase>,
    /// Who is at work on it.
    pub holder: Option<Held>,
    /// Its services, in their order; empty when nothing is deployed.
    pub services: Vec<ServiceStatus>,
}

/// How one service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStatus {
    /// Which.
    pub service: Service,
    /// How far up it is.
    pub standing: Standing,
    /// Why no further.
    pub why: Option<String>,
}

impl Status {
    /// Whether its last run was cut short: somebody should be at work, and nobody is.
    pub const fn is_interrupted(&self) -> bool {
        self.state.needs_a_holder() && self.holder.is_none()
    }

    /// Whether it is COMPLETE and every service is healthy now.
    pub fn is_green(&self) -> bool {
        let healthy = |service: &ServiceStatus| service.standing == Standing::Healthy;
        self.state == DeploymentState::Complete && self.services.iter().all(healthy)
    }
}

/// What happened to one deployment, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Its states.
    pub states: Vec<StateChange>,
    /// Its phases.
    pub phases: Vec<PhaseRun>,
    /// The errors it met.
    pub errors: Vec<ErrorRecord>,
}

impl Engine {
    /// How all deployments stand that there ever were, in order. It takes no lock and changes nothing.
    pub async fn status(&self) -> Answer<Vec<Status>> {
        let slots = self.store.slots().await?;
        let mut all = Vec::new();
        for instance in self.store.instances().await? {
            let given = |code: &_| slots.iter().find(|(given, _)| given == code).map(|(_, slot)| *slot);
            let slot = crate::ports::slot_of(&instance, given);
            all.push(self.status_of(instance, slot).await?);
        }
        Ok(all)
    }

    /// What happened to one deployment.
    pub async fn history(&self, instance: &Instance) -> Answer<History> {
        Ok(History {
            states: self.store.history(instance).await?,
            phases: self.store.phase_runs(instance).await?,
            errors: self.store.errors(instance).await?,
        })
    }

    async fn status_of(&self, instance: Instance, slot: Option<Slot>) -> Answer<Status> {
        let history = self.store.history(&instance).await?;
        let newest = history.last();
        let state = newest.map_or(DeploymentState::Unknown, |change| change.to);
        let runs = self.store.phase_runs(&instance).await?;
        let holder = self.store.holder(&instance).await?;
        let services = match slot {
            Some(slot) if state != DeploymentState::Unknown => {
                self.services_of(&Site { instance: instance.clone(), slot }).await
            }
            _ => Vec::new(),
        };
        Ok(Status {
            state,
            since: newest.map(|change| change.at),
            why: newest.map(|change| change.why.clone()).unwrap_or_default(),
            phase: runs
                .last()
                .filter(|run| run.ended.is_none() && state.needs_a_holder())
                .map(|run| run.phase),
            holder,
            services,
            instance,
        })
    }

    async fn services_of(&self, site: &Site) -> Vec<ServiceStatus> {
        let services = self.platform.services(site);
        join_all(services.into_iter().map(|service| self.service_status(site, service))).await
    }

    async fn service_status(&self, site: &Site, service: Service) -> ServiceStatus {
        for rung in rungs(service) {
            if let Some(why) = self.does_not_hold(site, service, *rung).await {
                return ServiceStatus { service, standing: Standing::Stuck(*rung), why: Some(why) };
            }
        }
        ServiceStatus { service, standing: Standing::Healthy, why: None }
    }

    async fn does_not_hold(&self, site: &Site, service: Service, rung: Rung) -> Option<String> {
        match self.runtime.timeout(RUNG_LIMIT, self.platform.rung(site, service, rung)).await {
            Ok(Ok(Holding::Yes)) => None,
            Ok(Ok(Holding::NotYet(why)) | Err(Failure { detail: why, .. })) => Some(why),
            Err(elapsed) => Some(elapsed.to_string()),
        }
    }
}
