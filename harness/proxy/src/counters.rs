//! What a proxy counts.

use crate::exchanges::ExchangeGauge;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct StreamTally {
    pub(crate) received: Count,
    pub(crate) delivered: Count,
    pub(crate) dropped: Count,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) accepted: Count,
    pub(crate) turned_away: Count,
    pub(crate) closed: Count,
    pub(crate) dials_failed: Count,
    pub(crate) cut: Count,
    pub(crate) answered: Count,
    pub(crate) upstream: StreamTally,
    pub(crate) downstream: StreamTally,
}

/// Bytes of one direction. What is neither delivered nor dropped is held back or was on its way when its connection
/// ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamCounters {
    /// Read from the sender (or made up by an answer).
    pub received: u64,
    /// Written to the receiver (or read by an answer).
    pub delivered: u64,
    /// Lost on purpose.
    pub dropped: u64,
}

/// Since the proxy began, except the two gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Connections accepted; the number of the latest one.
    pub accepted: u64,
    /// Connections reset because there were too many.
    pub turned_away: u64,
    /// Gauge: connections open now.
    pub open: u64,
    /// Connections that are over.
    pub closed: u64,
    /// Connections that the upstream refused or did not take in time.
    pub dials_failed: u64,
    /// Connections ended by a cut.
    pub cut: u64,
    /// HTTP requests answered instead of the upstream.
    pub answered: u64,
    /// Client to server.
    pub upstream: StreamCounters,
    /// Server to client.
    pub downstream: StreamCounters,
    /// Gauge: exchanges in progress, with its high-water mark.
    pub exchanges: ExchangeGauge,
}

impl StreamTally {
    pub(crate) fn read(&self) -> StreamCounters {
        StreamCounters {
            received: self.received.get(),
            delivered: self.delivered.get(),
            dropped: self.dropped.get(),
        }
    }
}
