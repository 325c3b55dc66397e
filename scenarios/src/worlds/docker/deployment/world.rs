//! The world of a deployment: hosts in the world of processes, and the machine beside them, which can be broken, too.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use harness_core::event::Answer;
use harness_core::fault::{Fault, Strike};
use harness_core::journal::Journal;
use harness_core::recorder::Recorder;
use harness_core::time::At;
use harness_core::world::{Evidence, Healed, World, WorldError, WorldKind};
use harness_local::{LocalConfig, LocalWorld};

use super::DockerDeployment;
use super::machine::{Break, Machine};

/// It. What is broken of the machine needs no undoing by others: it ends with this process, or with its containers.
pub(super) struct DeploymentWorld {
    hosts: LocalWorld<DockerDeployment>,
    machine: Machine,
}

fn broken(fault: &Fault) -> Result<Option<Break>, WorldError> {
    Break::of(fault).map_err(|what| WorldError::Unsupported { world: WorldKind::Docker, what })
}

impl DeploymentWorld {
    /// One that has not started yet.
    ///
    /// # Errors
    /// As [`LocalWorld::new`].
    pub(super) fn new(
        system: DockerDeployment,
        machine: Machine,
        config: LocalConfig,
        journal: Rc<RefCell<Journal>>,
    ) -> Result<Self, WorldError> {
        Ok(Self { hosts: LocalWorld::new(system, config, journal)?, machine })
    }
}

impl World for DeploymentWorld {
    fn kind(&self) -> WorldKind {
        WorldKind::Docker
    }

    fn now(&self) -> At {
        self.hosts.now()
    }

    async fn sleep_until(&self, at: At) {
        self.hosts.sleep_until(at).await;
    }

    fn observation_lag(&self) -> Duration {
        self.hosts.observation_lag()
    }

    async fn start(&self) -> Result<(), WorldError> {
        self.hosts.start().await
    }

    fn supports(&self, fault: &Fault) -> Result<(), WorldError> {
        match broken(fault)? {
            Some(_) => Ok(()),
            None => self.hosts.supports(fault),
        }
    }

    async fn inject(&self, name: &str, fault: &Fault) -> Result<Option<Evidence>, WorldError> {
        match broken(fault)? {
            Some(how) => self.machine.inject(name, how).await,
            None => self.hosts.inject(name, fault).await,
        }
    }

    async fn heal(&self, name: &str) -> Result<Healed, WorldError> {
        match self.machine.heal(name).await? {
            Some(healed) => Ok(healed),
            None => self.hosts.heal(name).await,
        }
    }

    async fn strike(&self, strike: &Strike) -> Result<Option<Evidence>, WorldError> {
        self.hosts.strike(strike).await
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        self.hosts.send(request, number).await
    }

    async fn observe(&self, recorder: &Recorder) {
        self.hosts.observe(recorder).await;
    }

    async fn stop(&self) -> Vec<String> {
        self.hosts.stop().await
    }
}
