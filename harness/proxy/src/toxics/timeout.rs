//! Timeout: nothing gets through, and after a while without bytes the connection ends.

use super::within;
use crate::effect::{Effect, InvalidToxic};
use crate::limits::LONGEST_MS;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Drops bytes; ends the connection in order once `timeout` has passed without any. Removing it ends the connections
/// it acted on, because their streams have a hole. (A black hole does not.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeout {
    /// Milliseconds, at most a day; 0 never ends the connection.
    pub timeout: u64,
}

impl Timeout {
    pub(crate) fn check(self) -> Result<(), InvalidToxic> {
        within("timeout", self.timeout, 0, LONGEST_MS)
    }
}

#[derive(Debug)]
pub(crate) struct TimeoutStage {
    timeout: Duration,
    /// The last byte, or the toxic's coming.
    quiet_since: Instant,
    ended: bool,
    dropped: u64,
}

impl TimeoutStage {
    pub(crate) fn new(timeout: Timeout, now: Instant) -> Self {
        Self { timeout: Duration::from_millis(timeout.timeout), quiet_since: now, ended: false, dropped: 0 }
    }
}

impl Stage for TimeoutStage {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn push(&mut self, now: Instant, piece: Piece) {
        match piece {
            Piece::Data { bytes, .. } => {
                self.dropped += bytes.len() as u64;
                self.quiet_since = now;
            }
            Piece::Fin | Piece::Close | Piece::Reset => self.ended = true,
        }
    }

    fn pull(&mut self, now: Instant) -> Pull {
        if self.ended {
            return Pull::Piece(Piece::Close);
        }
        if self.timeout.is_zero() {
            return Pull::Nothing;
        }
        let due = self.quiet_since + self.timeout;
        if now < due { Pull::At(due) } else { Pull::Piece(Piece::Close) }
    }

    fn reshape(&mut self, now: Instant, effect: &Effect) {
        if let Effect::Timeout(timeout) = effect {
            self.timeout = Duration::from_millis(timeout.timeout);
            self.quiet_since = now;
        }
    }

    fn retire(self: Box<Self>, _now: Instant) -> Vec<Piece> {
        vec![Piece::Close]
    }

    fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxics::bench_stage::Bench;

    fn bench(timeout: u64) -> Bench {
        Bench::new(|now| Box::new(TimeoutStage::new(Timeout { timeout }, now)))
    }

    #[test]
    fn it_is_an_idle_timer_bytes_set_it_back() {
        let mut bench = bench(100);
        assert_eq!(bench.due_ms(), Some(100));
        bench.wait_ms(60);
        bench.send("lost");
        assert_eq!(bench.due_ms(), Some(160));
        assert_eq!(bench.stage.take_dropped(), 4);
        assert_eq!(bench.stage.take_dropped(), 0);
        bench.wait_ms(100);
        assert_eq!(bench.pull(), Some(Piece::Close));
    }

    #[test]
    fn zero_never_ends_it_but_removing_does() {
        let mut bench = bench(0);
        bench.send("lost");
        bench.wait_ms(3_600_000);
        assert_eq!(bench.due_ms(), None);
        assert_eq!(bench.retire(), (vec![], Some(Piece::Close)));
    }
}
