//! Copies the audit trail to the store that all nodes share: every entry at least once, in the trail's order;
//! the store keeps each once, by its id.
//!
//! The trail on the node's disk is what an answer waits for. So the store may be away for as long as it
//! likes; the shipper catches up when the store's circuit is closed again.

use std::sync::Arc;
use std::time::Duration;

use dive_resilience::State;
use dive_runtime::Runtime;

use crate::call_path::{CallPath, NoAnswer};
use crate::event::NodeEvent;
use crate::events::Events;
use crate::ports::{Shipping, StoreError};
use crate::settings::AuditSettings;

/// After failures the pause doubles, up to so many intervals.
const LONGEST_PAUSE: u32 = 32;

/// The task that copies.
pub(crate) struct Shipper {
    pub(crate) shipping: Shipping,
    pub(crate) path: CallPath,
    pub(crate) interval: Duration,
    pub(crate) batch: usize,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) events: Arc<Events>,
}

/// How one attempt ended.
enum Attempt {
    /// So many were copied.
    Shipped(usize),
    /// The store's circuit is not closed.
    Waiting,
    Failed(StoreError),
}

impl Shipper {
    pub(crate) fn new(shipping: Shipping, settings: &AuditSettings, path: CallPath) -> Self {
        let (runtime, events) = (Arc::clone(&path.runtime), Arc::clone(&path.events));
        let (interval, batch) = (settings.ship_interval, settings.ship_batch);
        Self { shipping, path, interval, batch, runtime, events }
    }

    /// Copies for as long as the node lives.
    pub(crate) async fn run(&self) {
        let mut failures = 0;
        loop {
            let pause = match self.attempt().await {
                Attempt::Shipped(entries) => {
                    failures = 0;
                    if entries > 0 {
                        self.events.emit(&NodeEvent::AuditShipped { entries });
                    }
                    if entries == self.batch {
                        continue;
                    }
                    self.interval
                }
                Attempt::Waiting => self.interval,
                Attempt::Failed(error) => {
                    // Once for each outage, not for each attempt.
                    if failures == 0 {
                        self.events.emit(&NodeEvent::AuditNotShipped { error: &error.to_string() });
                    }
                    failures += 1;
                    self.interval * 2_u32.saturating_pow(failures).min(LONGEST_PAUSE)
                }
            };
            self.runtime.sleep(pause).await;
        }
    }

    async fn attempt(&self) -> Attempt {
        // The shipper is in no hurry: it neither spends probes nor has itself turned away.
        if self.path.circuit.as_ref().is_some_and(|circuit| circuit.snapshot().state != State::Closed) {
            return Attempt::Waiting;
        }
        match self.ship().await {
            Ok(entries) => Attempt::Shipped(entries),
            Err(error) => Attempt::Failed(error),
        }
    }

    async fn ship(&self) -> Result<usize, StoreError> {
        let batch = self.shipping.from.unshipped(self.batch).await?;
        if !batch.entries.is_empty() {
            let copying = self.shipping.to.record_all(&batch.entries);
            let copied = self.path.call(copying, StoreError::is_the_stores_fault).await;
            copied.map_err(|no_answer| match no_answer {
                NoAnswer::Failed(error) => error,
                NoAnswer::TimedOut(elapsed) => elapsed.into(),
                NoAnswer::Rejected(rejected) => StoreError::Unavailable(rejected.to_string()),
            })?;
        }
        self.shipping.from.shipped(batch.end).await?;
        Ok(batch.entries.len())
    }
}

#[cfg(test)]
#[path = "shipper_tests.rs"]
mod tests;
