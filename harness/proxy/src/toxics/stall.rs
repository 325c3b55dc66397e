//! Stall: bytes are held back, none is lost.

use crate::effect::Effect;
use crate::limits::HELD;
use crate::queue::Queue;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Holds everything back, ends included, and delivers it in order when healed. The sender feels back-pressure after
/// about 1 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {}

#[derive(Debug, Default)]
pub(crate) struct StallStage {
    held: Queue,
}

impl Stage for StallStage {
    fn room(&self) -> usize {
        HELD.saturating_sub(self.held.weight())
    }

    fn push(&mut self, _now: Instant, piece: Piece) {
        self.held.push(piece);
    }

    fn pull(&mut self, _now: Instant) -> Pull {
        Pull::Nothing
    }

    fn reshape(&mut self, _now: Instant, _effect: &Effect) {}

    fn retire(mut self: Box<Self>, now: Instant) -> Vec<Piece> {
        self.held.drain(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxics::bench_stage::Bench;

    #[test]
    fn nothing_passes_until_healed_and_nothing_is_lost() {
        let mut bench = Bench::new(|_| Box::new(StallStage::default()));
        bench.send("a");
        bench.send("b");
        bench.send_piece(Piece::Fin);
        bench.wait_ms(3_600_000);
        assert_eq!(bench.due_ms(), None);
        assert_eq!(bench.retire(), (b"ab".to_vec(), Some(Piece::Fin)));
    }

    #[test]
    fn a_full_stall_takes_no_more() {
        let mut bench = Bench::new(|_| Box::new(StallStage::default()));
        assert_eq!(bench.stage.room(), HELD);
        bench.send(vec![0; HELD]);
        assert_eq!(bench.stage.room(), 0);
    }
}
