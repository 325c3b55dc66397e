//! What goes over an edge, counted.

use harness_core::fault::Edge;

use super::{LinkError, Reply};

/// The counts of one edge since the simulation began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls that were begun.
    pub calls: u64,
    /// Calls under way.
    pub in_flight: u64,
    /// The most calls that were under way at once since the mark was last reset.
    pub high_water: u64,
    /// Calls that got an answer, right or wrong.
    pub answered: u64,
    /// Calls that ended in a [`LinkError`].
    pub failed: u64,
    /// Calls that their caller gave up.
    pub abandoned: u64,
}

impl Traffic {
    pub(super) fn take_off(&mut self) -> u64 {
        self.calls += 1;
        self.in_flight += 1;
        self.high_water = self.high_water.max(self.in_flight);
        self.in_flight
    }

    pub(super) fn land(&mut self, ending: Ending) -> u64 {
        self.in_flight -= 1;
        match ending {
            Ending::Answered => self.answered += 1,
            Ending::Failed(_) => self.failed += 1,
            Ending::Abandoned => self.abandoned += 1,
        }
        self.in_flight
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, right or wrong, whole or truncated.
    Answered,
    /// With an error.
    Failed(LinkError),
    /// The caller gave it up: a timeout, a crash.
    Abandoned,
}

impl Ending {
    pub(super) fn of<T>(outcome: &Result<Reply<T>, LinkError>) -> Self {
        match outcome {
            Ok(_) => Self::Answered,
            Err(error) => Self::Failed(*error),
        }
    }
}

/// A call begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// A call began.
    Began {
        /// Calls under way, this one counted.
        in_flight: u64,
    },
    /// A call ended.
    Ended {
        /// Calls still under way.
        in_flight: u64,
        /// How it ended.
        ending: Ending,
    },
}

/// Is told of every call on every edge, as it happens. Must not block and must not make calls.
pub type Tap = Box<dyn Fn(&Edge, Passing) + Send + Sync>;
