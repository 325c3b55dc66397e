//! Where the services of one run stand: addresses, edges, folders, the clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;

use harness_core::fault::{Edge, ServiceName};
use harness_core::world::WorldError;
use harness_proxy::Proxy;
use tokio::runtime::Handle;

use crate::clock::Clock;
use crate::ports::Lease;

/// Between a service's name and what another address of it is for.
const SIDE: char = '/';

/// The ground that one run's services stand on. While the system plans, whatever it asks for is made;
/// afterwards only what was made is found.
#[derive(Debug)]
pub struct Site {
    clock: Clock,
    seed: u64,
    folder: PathBuf,
    network: Handle,
    leases: RefCell<BTreeMap<ServiceName, Lease>>,
    edges: RefCell<BTreeMap<Edge, Rc<Proxy>>>,
    planned: Cell<bool>,
}

impl Site {
    /// A site with nothing on it. Its proxies run on `network`.
    pub(crate) fn new(clock: Clock, seed: u64, folder: PathBuf, network: Handle) -> Self {
        let (leases, edges) = (RefCell::default(), RefCell::default());
        Self { clock, seed, folder, network, leases, edges, planned: Cell::new(false) }
    }

    /// The run's clock, with its speed.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The folder of a service: its working directory, which it keeps over restarts.
    pub fn folder(&self, service: &str) -> PathBuf {
        self.folder.join(service)
    }

    /// Where a service listens. The same over all its restarts.
    ///
    /// # Errors
    /// When no port is to be had, or the plan does not have this service.
    pub fn address(&self, service: &str) -> Result<SocketAddr, WorldError> {
        let name = ServiceName::from(service);
        let mut leases = self.leases.borrow_mut();
        if let Some(lease) = leases.get(&name) {
            return Ok(lease.address());
        }
        self.must_be_planning(&format!("service {service}"))?;
        let lease = Lease::take().map_err(|error| WorldError::Ground {
            problem: format!("no port for {service}: {error}"),
            next_step: "end other runs, or see who listens with `ss -ltnp`".into(),
        })?;
        let address = lease.address();
        leases.insert(name, lease);
        Ok(address)
    }

    /// Another address at which a service listens, named after what it is for. No edge leads there.
    ///
    /// # Errors
    /// As [`Site::address`].
    pub fn side_address(&self, service: &str, purpose: &str) -> Result<SocketAddr, WorldError> {
        self.address(&format!("{service}{SIDE}{purpose}"))
    }

    /// Where `from` must call `to`: the near end of the edge between them. `from` may be a client that
    /// is no service.
    ///
    /// # Errors
    /// As [`Site::address`], or when the edge's proxy can't listen.
    pub fn via(&self, from: &str, to: &str) -> Result<SocketAddr, WorldError> {
        let edge = Edge::new(from, to);
        if let Some(proxy) = self.edges.borrow().get(&edge) {
            return Ok(proxy.addr());
        }
        self.must_be_planning(&format!("edge {edge}"))?;
        let upstream = self.address(to)?;
        let _network = self.network.enter();
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let proxy = Proxy::listen(format!("{from}-{to}"), any_port, upstream.to_string(), self.seed)
            .map_err(|error| WorldError::Failed(format!("edge {edge}: {error}")))?;
        let address = proxy.addr();
        self.edges.borrow_mut().insert(edge, Rc::new(proxy));
        Ok(address)
    }

    /// The most exchanges over an edge that awaited their answer at once since this was last asked;
    /// nothing when there is no such edge.
    pub fn in_flight(&self, from: &str, to: &str) -> Option<u32> {
        let proxy = self.proxy(&Edge::new(from, to)).ok()?;
        Some(proxy.reset_high_water().high_water)
    }

    /// From here on nothing new is made.
    pub(crate) fn planned(&self) {
        self.planned.set(true);
    }

    pub(crate) fn proxy(&self, edge: &Edge) -> Result<Rc<Proxy>, WorldError> {
        let found = self.edges.borrow().get(edge).cloned();
        found.ok_or_else(|| WorldError::Failed(format!("there is no edge {edge} in this topology")))
    }

    pub(crate) fn addressed_services(&self) -> Vec<ServiceName> {
        let service = |name: &ServiceName| name.0.split(SIDE).next().unwrap_or_default().into();
        self.leases.borrow().keys().map(service).collect()
    }

    /// Gives back every port and every edge; returns the ports' numbers with their services.
    pub(crate) fn clear(&self) -> Vec<(ServiceName, u16)> {
        self.edges.borrow_mut().clear();
        let leases = std::mem::take(&mut *self.leases.borrow_mut());
        leases.into_iter().map(|(service, lease)| (service, lease.port())).collect()
    }

    fn must_be_planning(&self, what: &str) -> Result<(), WorldError> {
        if self.planned.get() {
            return Err(WorldError::Failed(format!("there is no {what} in this topology")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_for_while_planning_is_made_once_and_nothing_after() {
        let clock = Clock::start(1.0).unwrap();
        let site = Site::new(clock, 0, "/tmp".into(), Handle::current());
        let hub = site.address("hub").unwrap();
        assert_eq!(site.address("hub").unwrap(), hub);
        let edge = site.via("hub", "opa").unwrap();
        assert_eq!(site.via("hub", "opa").unwrap(), edge);
        assert_ne!(edge, site.address("opa").unwrap(), "the edge is not the service");

        site.planned();
        assert_eq!(site.address("hub").unwrap(), hub);
        assert!(site.address("hubb").is_err() && site.via("opa", "hub").is_err());
        assert_eq!(site.clear().len(), 2);
    }
}
