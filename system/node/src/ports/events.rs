//! Whom the node tells, and what it learns of its own process.

use crate::event::NodeEvent;

/// Where a node tells what happens in it.
///
/// Called in the order in which things happen, sometimes under a lock: it must neither block nor call back.
pub trait EventSink: Send + Sync {
    /// Takes note of `event`.
    fn emit(&self, event: &NodeEvent<'_>);
}

/// What the node's process takes of its machine.
pub trait ProcessStats: Send + Sync {
    /// Resident memory, bytes; `None` when it cannot be told.
    fn resident_bytes(&self) -> Option<u64>;
}
