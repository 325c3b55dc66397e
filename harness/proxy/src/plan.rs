//! The plan: which toxics are in force, as every connection of a proxy sees it.
//!
//! Changing it swaps one pointer, raises the revision and wakes the connections; nothing waits for any of them. A
//! connection compares the revision after each read, so a toxic is in force for every byte that arrives after the
//! call that added it has returned.

use crate::draw::{self, Draw};
use crate::toxic::{Stream, Toxic};
use parking_lot::RwLock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// Names one toxic of one proxy; never used twice by that proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(pub(crate) u64);

/// A toxic in force.
#[derive(Debug, Clone)]
pub(crate) struct Active {
    pub(crate) id: FaultId,
    /// Raised by every update.
    pub(crate) version: u64,
    pub(crate) toxic: Toxic,
}

/// In the order in which they were added, which is the order in which bytes pass them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) active: Vec<Active>,
}

impl Plan {
    pub(crate) fn named(&self, name: &str) -> Option<&Active> {
        self.active.iter().find(|a| a.toxic.name == name)
    }
}

/// Who a connection is, for the draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) seed: u64,
    pub(crate) number: u64,
}

impl Identity {
    /// Whether `active` acts on this connection: the same answer for its whole life, as long as toxicity stays.
    pub(crate) fn drawn(self, active: &Active) -> bool {
        draw::fires(self.seed, self.number, &active.toxic.name, active.toxic.toxicity)
    }

    pub(crate) fn stream(self, active: &Active, direction: Stream) -> Draw {
        Draw::new(self.seed, self.number, &active.toxic.name, 1 + direction as u64)
    }
}

/// The plan with its revision and its bell.
#[derive(Debug, Default)]
pub(crate) struct Control {
    revision: AtomicU64,
    plan: RwLock<Arc<Plan>>,
    changed: Notify,
}

impl Control {
    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan.read())
    }

    /// Takes effect on a connection once it has polled this; take it before reading the revision.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Puts in force what `edit` makes of the plan; when it refuses, nothing changes.
    pub(crate) fn edit<T, E>(&self, edit: impl FnOnce(&mut Plan) -> Result<T, E>) -> Result<T, E> {
        let out = {
            let mut current = self.plan.write();
            let mut next = Plan::clone(&current);
            let out = edit(&mut next)?;
            *current = Arc::new(next);
            out
        };
        self.ring();
        Ok(out)
    }

    /// Makes every connection look at its orders.
    pub(crate) fn ring(&self) {
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_waiters();
    }
}
