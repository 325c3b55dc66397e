//! When a run of failures is long enough to open.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::Moment;

/// The consecutive failures since the last success, as far as they can still matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum FailureRun {
    /// Without a window the number is enough.
    Count(u32),
    /// With one, the instants still inside it, oldest first.
    Instants(VecDeque<Moment>),
}

impl FailureRun {
    pub(super) const fn new(windowed: bool) -> Self {
        if windowed { Self::Instants(VecDeque::new()) } else { Self::Count(0) }
    }

    /// Adds a failure; true when `needed` consecutive ones now lie inside the window.
    pub(super) fn add(&mut self, now: Moment, needed: NonZeroU32, within: Option<Duration>) -> bool {
        match self {
            Self::Count(count) => {
                *count = count.saturating_add(1);
                *count >= needed.get()
            }
            Self::Instants(instants) => {
                let window = within.unwrap_or(Duration::MAX);
                while instants.front().is_some_and(|oldest| now.saturating_since(*oldest) > window) {
                    instants.pop_front();
                }
                instants.push_back(now);
                u32::try_from(instants.len()).is_ok_and(|inside| inside >= needed.get())
            }
        }
    }

    /// A success: the run is over.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Count(count) => *count = 0,
            Self::Instants(instants) => instants.clear(),
        }
    }
}
