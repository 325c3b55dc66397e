//! Where the services of one run stand: addresses, edges, the clock.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use harness_core::fault::{Edge, ServiceName};
use harness_core::world::WorldError;
use harness_local::clock::Clock;

use crate::container::Container;

/// The first port of Toxiproxy's container that an edge listens on; below it is Toxiproxy's own.
const FIRST_EDGE: u16 = 10_001;

/// The ground that one run's services stand on. While the system plans, an edge it asks for is made;
/// afterwards only what was made is found.
#[derive(Debug)]
pub struct Site {
    clock: Clock,
    seed: u64,
    network: String,
    toxiproxy: Ipv4Addr,
    edges: RefCell<BTreeMap<Edge, u16>>,
    services: RefCell<BTreeMap<ServiceName, (Container, u16)>>,
    planned: Cell<bool>,
}

impl Site {
    /// A site with nothing on it but Toxiproxy.
    pub(super) fn new(clock: Clock, seed: u64, network: &str, toxiproxy: Ipv4Addr) -> Self {
        Self {
            clock,
            seed,
            network: network.to_owned(),
            toxiproxy,
            edges: RefCell::default(),
            services: RefCell::default(),
            planned: Cell::new(false),
        }
    }

    /// The run's clock, with its speed.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Where `from` must call `to`: the near end of the edge between them, a port of Toxiproxy's container.
    /// Containers and this machine reach it alike. `from` may be a client that is no service.
    ///
    /// # Errors
    /// After planning, when the plan has no such edge.
    pub fn via(&self, from: &str, to: &str) -> Result<SocketAddr, WorldError> {
        let edge = Edge::new(from, to);
        let mut edges = self.edges.borrow_mut();
        let next = u16::try_from(edges.len()).ok().and_then(|count| FIRST_EDGE.checked_add(count));
        let port = match (edges.get(&edge), next) {
            (Some(port), _) => *port,
            (None, Some(port)) if !self.planned.get() => {
                edges.insert(edge, port);
                port
            }
            _ => return Err(unknown(&format!("edge {edge}"))),
        };
        Ok((self.toxiproxy, port).into())
    }

    /// The name under which the other containers reach a service, past every edge. Known while planning.
    pub fn host(&self, service: &str) -> String {
        format!("{}-{service}", self.network)
    }

    /// Where this machine reaches a service's own port, past every edge: on 127.0.0.1. The same over all its
    /// restarts.
    ///
    /// # Errors
    /// Until the service was ready once, or when the plan does not have it.
    pub fn address(&self, service: &str) -> Result<SocketAddr, WorldError> {
        let port = self.started(service, |_, port| port)?;
        self.published(service, port)
    }

    /// Where this machine reaches another published port of a service.
    ///
    /// # Errors
    /// As [`Site::address`], or when the port was not published.
    pub fn published(&self, service: &str, port: u16) -> Result<SocketAddr, WorldError> {
        let published = self.started(service, |container, _| container.published(port))?;
        published.ok_or_else(|| WorldError::Failed(format!("port {port} of {service} is not published")))
    }

    fn started<T>(&self, service: &str, read: impl FnOnce(&Container, u16) -> T) -> Result<T, WorldError> {
        let services = self.services.borrow();
        let found = services.get(&ServiceName::from(service));
        let (container, port) =
            found.ok_or_else(|| WorldError::Failed(format!("{service} was not started in this topology")))?;
        Ok(read(container, *port))
    }

    /// From here on no edge is made.
    pub(super) fn planned(&self) {
        self.planned.set(true);
    }

    pub(super) fn stands(&self, service: &ServiceName, container: &Container, port: u16) {
        self.services.borrow_mut().insert(service.clone(), (container.clone(), port));
    }

    /// All edges, with the port each listens on.
    pub(super) fn edges(&self) -> Vec<(Edge, u16)> {
        self.edges.borrow().iter().map(|(edge, port)| (edge.clone(), *port)).collect()
    }
}

fn unknown(what: &str) -> WorldError {
    WorldError::Failed(format!("there is no {what} in this topology"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_asked_for_while_planning_is_made_once_and_none_after() {
        let site = Site::new(Clock::start(1.0).unwrap(), 0, "net", Ipv4Addr::new(10, 0, 0, 2));
        let one = site.via("hub", "opa").unwrap();
        assert_eq!(site.via("hub", "opa").unwrap(), one);
        assert_ne!(site.via("client", "hub").unwrap(), one);
        site.planned();
        assert_eq!(site.via("hub", "opa").unwrap(), one);
        assert!(site.via("opa", "hub").is_err());
        assert_eq!(site.edges().len(), 2);
        assert!(site.address("opa").unwrap_err().to_string().contains("was not started"));
    }
}
