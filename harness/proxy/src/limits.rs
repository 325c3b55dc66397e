//! What a proxy may use at most.

use std::time::Duration;

/// Bounds of one proxy. The defaults suit tests on one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; the next ones are reset at once and counted as turned away.
    pub connections: usize,
    /// How long a connection to the upstream may take to be established. The client sees an orderly end after it.
    pub dial: Duration,
    /// Closed connections that the log remembers; the oldest go first.
    pub log: usize,
    /// How long a connection ended in order (FIN) is still read, and discarded, so that the peer sees the end
    /// and not a reset.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 4096, dial: Duration::from_secs(30), log: 1024, linger: Duration::from_secs(1) }
    }
}

/// Bytes that one stage holds back before it stops taking more: the sender then feels back-pressure, nothing is lost.
pub(crate) const HELD: usize = 1 << 20;

/// Bytes that a stage without a reason to hold any passes on at a time.
pub(crate) const PASSING: usize = 64 << 10;

/// Bytes read from a socket at a time.
pub(crate) const READ: usize = 16 << 10;

/// The longest time any toxic accepts, in milliseconds: a day.
pub(crate) const LONGEST_MS: u64 = 86_400_000;
