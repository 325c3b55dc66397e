//! What the last checks said. Answers about health come from here and ask nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dive_resilience::health::{NodeStatus, ServiceStatus};
use parking_lot::Mutex;

use crate::dependency::Dependency;
use crate::event::NodeEvent;
use crate::events::Events;

/// What the last check of a service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) status: ServiceStatus,
    pub(crate) took: Duration,
    pub(crate) error: Option<Arc<str>>,
}

/// The last reading of every service the node watches.
pub(crate) struct HealthBoard {
    events: Arc<Events>,
    board: Mutex<Board>,
}

struct Board {
    services: BTreeMap<Dependency, Option<Reading>>,
    status: NodeStatus,
}

impl Board {
    fn roll_up(&self) -> NodeStatus {
        NodeStatus::roll_up(self.services.iter().map(|(service, reading)| {
            // What was never checked is not known to be there.
            let status = reading.as_ref().map_or(ServiceStatus::Down, |reading| reading.status);
            (service.criticality(), status)
        }))
    }
}

impl HealthBoard {
    pub(crate) fn new(services: impl IntoIterator<Item = Dependency>, events: Arc<Events>) -> Self {
        let services = services.into_iter().map(|service| (service, None)).collect();
        let mut board = Board { services, status: NodeStatus::Healthy };
        board.status = board.roll_up();
        Self { events, board: Mutex::new(board) }
    }

    pub(crate) fn status(&self) -> NodeStatus {
        self.board.lock().status
    }

    /// Whether every service was checked at least once.
    pub(crate) fn is_known(&self) -> bool {
        self.board.lock().services.values().all(Option::is_some)
    }

    pub(crate) fn services(&self) -> Vec<(Dependency, Option<Reading>)> {
        self.board.lock().services.iter().map(|(service, reading)| (*service, reading.clone())).collect()
    }

    /// What the last check of `service` said, if it is watched and was checked.
    pub(crate) fn reading(&self, service: Dependency) -> Option<Reading> {
        self.board.lock().services.get(&service).cloned().flatten()
    }

    /// Puts a new reading in the place of the last one and tells what changed.
    pub(crate) fn record(&self, service: Dependency, reading: Reading) {
        let Reading { status, took, .. } = reading;
        let mut board = self.board.lock();
        let error = reading.error.as_deref();
        self.events.emit(&NodeEvent::Polled { service, status, took, error });
        let before = board.services.insert(service, Some(reading)).flatten().map(|reading| reading.status);
        if before != Some(status) {
            self.events.emit(&NodeEvent::ServiceChanged { service, from: before, to: status });
        }
        let (from, to) = (board.status, board.roll_up());
        if from != to {
            board.status = to;
            self.events.emit(&NodeEvent::NodeChanged { from, to });
        }
    }
}
