//! Reset peer: the first bytes bring a TCP reset.

use super::within;
use crate::effect::{Effect, InvalidToxic};
use crate::limits::LONGEST_MS;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Swallows what comes and resets both sides `timeout` after the first of it. An idle connection feels nothing: to
/// reset those too, cut them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResetPeer {
    /// Milliseconds from the first byte (or FIN) to the reset, at most a day.
    pub timeout: u64,
}

impl ResetPeer {
    pub(crate) fn check(self) -> Result<(), InvalidToxic> {
        within("timeout", self.timeout, 0, LONGEST_MS)
    }
}

#[derive(Debug)]
pub(crate) struct ResetPeerStage {
    timeout: Duration,
    armed: Option<Instant>,
    dropped: u64,
}

impl ResetPeerStage {
    pub(crate) fn new(reset: ResetPeer) -> Self {
        Self { timeout: Duration::from_millis(reset.timeout), armed: None, dropped: 0 }
    }
}

impl Stage for ResetPeerStage {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn push(&mut self, now: Instant, piece: Piece) {
        self.dropped += piece.len() as u64;
        self.armed.get_or_insert(now);
    }

    fn pull(&mut self, now: Instant) -> Pull {
        match self.armed {
            None => Pull::Nothing,
            Some(armed) if now < armed + self.timeout => Pull::At(armed + self.timeout),
            Some(_) => Pull::Piece(Piece::Reset),
        }
    }

    fn reshape(&mut self, _now: Instant, effect: &Effect) {
        if let Effect::ResetPeer(reset) = effect {
            self.timeout = Duration::from_millis(reset.timeout);
        }
    }

    /// Bytes are gone already, so an armed reset cannot be taken back, only brought forward.
    fn retire(self: Box<Self>, _now: Instant) -> Vec<Piece> {
        self.armed.map(|_| Piece::Reset).into_iter().collect()
    }

    fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxics::bench_stage::Bench;

    fn bench() -> Bench {
        Bench::new(|_| Box::new(ResetPeerStage::new(ResetPeer { timeout: 50 })))
    }

    #[test]
    fn nothing_until_bytes_flow_then_reset_after_the_timeout() {
        let mut bench = bench();
        bench.wait_ms(1000);
        assert_eq!(bench.due_ms(), None);
        bench.send("x");
        bench.wait_ms(20);
        bench.send("y");
        assert_eq!(bench.due_ms(), Some(1050), "counted from the first bytes");
        bench.wait_ms(30);
        assert_eq!(bench.pull(), Some(Piece::Reset));
        assert_eq!(bench.stage.take_dropped(), 2);
    }

    #[test]
    fn removed_unarmed_it_leaves_no_trace_armed_it_resets() {
        assert_eq!(bench().retire(), (vec![], None));
        let mut armed = bench();
        armed.send("x");
        assert_eq!(armed.retire(), (vec![], Some(Piece::Reset)));
    }
}
