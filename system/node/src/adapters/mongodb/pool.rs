//! What the driver's connection pool is doing, for the metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mongodb::event::cmap::{CmapEvent, ConnectionCheckoutFailedReason, ConnectionClosedReason};
use parking_lot::Mutex;

/// What can go wrong with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PoolError {
    /// One could not be made.
    Connect,
    /// None became free in time.
    Exhausted,
    /// One broke while it was used.
    Broken,
    /// There is no server to connect to.
    Unavailable,
    /// A reply did not come in time.
    Timeout,
}

impl PoolError {
    /// Every kind there is.
    pub const ALL: [Self; 5] =
        [Self::Connect, Self::Exhausted, Self::Broken, Self::Unavailable, Self::Timeout];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Exhausted => "exhausted",
            Self::Broken => "broken",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
        }
    }
}

/// The pool at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// Connections in use.
    pub active: usize,
    /// Connections ready to be used.
    pub idle: usize,
    /// All connections, those being made included.
    pub total: usize,
    /// What went wrong since the start, each kind that ever did.
    pub errors: BTreeMap<PoolError, u64>,
}

/// A view of a pool, to be read at any time. Its clones are views of the same pool.
#[derive(Clone, Debug, Default)]
pub struct PoolView(Arc<Mutex<Connections>>);

#[derive(Debug, Default)]
struct Connections {
    made: BTreeSet<u32>,
    ready: BTreeSet<u32>,
    active: BTreeSet<u32>,
    errors: BTreeMap<PoolError, u64>,
}

impl PoolView {
    /// The pool now.
    pub fn snapshot(&self) -> PoolSnapshot {
        let connections = self.0.lock();
        PoolSnapshot {
            active: connections.active.len(),
            idle: connections.ready.difference(&connections.active).count(),
            total: connections.made.len(),
            errors: connections.errors.clone(),
        }
    }

    pub(super) fn failed(&self, error: PoolError) {
        *self.0.lock().errors.entry(error).or_default() += 1;
    }

    pub(super) fn on(&self, event: &CmapEvent) {
        match event {
            CmapEvent::ConnectionCreated(event) => drop(self.0.lock().made.insert(event.connection_id)),
            CmapEvent::ConnectionReady(event) => drop(self.0.lock().ready.insert(event.connection_id)),
            CmapEvent::ConnectionCheckedOut(event) => drop(self.0.lock().active.insert(event.connection_id)),
            CmapEvent::ConnectionCheckedIn(event) => drop(self.0.lock().active.remove(&event.connection_id)),
            CmapEvent::ConnectionClosed(event) => {
                let mut connections = self.0.lock();
                connections.made.remove(&event.connection_id);
                connections.ready.remove(&event.connection_id);
                connections.active.remove(&event.connection_id);
                drop(connections);
                if event.reason == ConnectionClosedReason::Error {
                    self.failed(PoolError::Broken);
                }
            }
            CmapEvent::ConnectionCheckoutFailed(event) => self.failed(match event.reason {
                ConnectionCheckoutFailedReason::Timeout => PoolError::Exhausted,
                _ => PoolError::Connect,
            }),
            _ => {}
        }
    }
}
