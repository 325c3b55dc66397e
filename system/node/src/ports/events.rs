//! Whom the node tells, and what it learns of its own process.

use std::time::Duration;

use crate::event::NodeEvent;

/// Where a node tells what happens in it.
///
/// Called in the order in which things happen, sometimes under a lock: it must neither block nor call back.
pub trait EventSink: Send + Sync {
    /// Takes note of `event`.
    fn emit(&self, event: &NodeEvent<'_>);
}

/// What the node's process takes of its machine. `None` where it cannot be told.
pub trait ProcessStats: Send + Sync {
    /// Resident memory, bytes.
    fn resident_bytes(&self) -> Option<u64>;

    /// Processor time used so far, in user and system mode.
    fn cpu_time(&self) -> Option<Duration> {
        None
    }

    /// Open files and sockets.
    fn open_files(&self) -> Option<u64> {
        None
    }

    /// How many files and sockets may be open.
    fn most_open_files(&self) -> Option<u64> {
        None
    }
}

/// The connections of a store's client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// In use.
    pub active: u64,
    /// Open and not in use.
    pub idle: u64,
    /// The most there may be.
    pub most: u64,
}

/// Counts the connections of a store's client.
pub trait ConnectionStats: Send + Sync {
    /// How many there are now. Must not block.
    fn connections(&self) -> Connections;
}
