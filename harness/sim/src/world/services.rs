//! The services of a world: which life each is in, and which faults keep it down.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use harness_core::fault::ServiceName;
use harness_core::time::seconds;
use harness_core::world::WorldError;

use super::system::SimSystem;
use crate::node::{Node, SimHandle};

/// How long a service may take to become ready.
const BOOT_LIMIT: Duration = Duration::from_secs(60);

/// How long a service that is stopped in good order may take to end.
const GRACE: Duration = Duration::from_secs(30);

pub(super) struct Services<S> {
    sim: SimHandle,
    system: S,
    states: RefCell<BTreeMap<ServiceName, State>>,
}

struct State {
    node: Node,
    /// Counted from 1.
    life: u32,
    /// The faults that keep it down. It comes back when the last of them is healed.
    down_by: BTreeSet<String>,
}

impl<S: SimSystem> Services<S> {
    pub(super) fn new(sim: &SimHandle, system: S) -> Self {
        let state =
            |service: &ServiceName| State { node: sim.node(&service.0), life: 1, down_by: BTreeSet::new() };
        let states =
            system.services().into_iter().map(|service| (service.clone(), state(&service))).collect();
        Self { sim: sim.clone(), system, states: RefCell::new(states) }
    }

    pub(super) fn system(&self) -> &S {
        &self.system
    }

    /// The present life of a service.
    pub(super) fn node(&self, service: &ServiceName) -> Result<Node, WorldError> {
        self.with(service, |state| state.node.clone())
    }

    /// Boots all of them, one after the other.
    pub(super) async fn start(&self) -> Result<(), WorldError> {
        for service in self.system.services() {
            let node = self.node(&service)?;
            self.boot(&service, &node).await?;
        }
        Ok(())
    }

    /// Ends a service for as long as the fault of this name is not healed.
    pub(super) async fn take_down(
        &self,
        service: &ServiceName,
        fault: &str,
        gracefully: bool,
    ) -> Result<(), WorldError> {
        let node = self.with(service, |state| {
            state.down_by.insert(fault.to_owned());
            state.node.clone()
        })?;
        self.end(service, &node, gracefully).await;
        Ok(())
    }

    /// Boots a service anew, unless another fault keeps it down as well.
    pub(super) async fn bring_back(&self, service: &ServiceName, fault: &str) -> Result<(), WorldError> {
        let free = self.with(service, |state| {
            state.down_by.remove(fault);
            state.down_by.is_empty()
        })?;
        if free { self.reboot(service).await.map(|_| ()) } else { Ok(()) }
    }

    /// Lets a frozen service go on.
    pub(super) fn unpause(&self, service: &ServiceName) -> Result<(), WorldError> {
        self.with(service, |state| state.node.resume())
    }

    /// Ends a service in good order and boots it anew. Returns the number of its new life.
    pub(super) async fn restart(&self, service: &ServiceName) -> Result<u32, WorldError> {
        let (node, down_by) = self.with(service, |state| (state.node.clone(), state.down_by.clone()))?;
        if let Some(fault) = down_by.first() {
            return Err(WorldError::Failed(format!("{service} can't be restarted: {fault} keeps it down")));
        }
        self.end(service, &node, true).await;
        self.reboot(service).await
    }

    /// Ends all of them in good order, the last booted first, whatever keeps them frozen.
    pub(super) async fn stop(&self) {
        for service in self.system.services().iter().rev() {
            if let Ok(node) = self.node(service) {
                node.resume();
                self.end(service, &node, true).await;
            }
        }
    }

    async fn end(&self, service: &ServiceName, node: &Node, gracefully: bool) {
        if gracefully && node.is_alive() {
            let _ended_or_out_of_patience =
                self.sim.timeout(GRACE, self.system.shut_down(service, node)).await;
        }
        node.crash();
    }

    async fn reboot(&self, service: &ServiceName) -> Result<u32, WorldError> {
        let (node, life) = self.with(service, |state| {
            state.node = state.node.next_life();
            state.life += 1;
            (state.node.clone(), state.life)
        })?;
        self.boot(service, &node).await?;
        Ok(life)
    }

    async fn boot(&self, service: &ServiceName, node: &Node) -> Result<(), WorldError> {
        let booted = self.sim.timeout(BOOT_LIMIT, self.system.boot(service, node)).await;
        booted.unwrap_or_else(|| {
            let why = format!("its boot did not end within {}", seconds(BOOT_LIMIT));
            Err(WorldError::NotReady { service: service.to_string(), why, log: Vec::new() })
        })
    }

    fn with<T>(&self, service: &ServiceName, read: impl FnOnce(&mut State) -> T) -> Result<T, WorldError> {
        let mut states = self.states.borrow_mut();
        let state = states.get_mut(service);
        state.map(read).ok_or_else(|| WorldError::Failed(format!("there is no service {service}")))
    }
}
