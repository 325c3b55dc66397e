//! Black hole: bytes vanish and nobody is told.

use crate::effect::Effect;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Bytes vanish; connections are still accepted, and neither side learns anything, not even that the other has gone.
/// A connection opened meanwhile reaches the upstream only when the hole is healed. Healed, the connection carries
/// later bytes, and an end that came meanwhile is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlackHole {}

#[derive(Debug, Default)]
pub(crate) struct BlackHoleStage {
    end: Option<Piece>,
    dropped: u64,
}

impl Stage for BlackHoleStage {
    fn room(&self) -> usize {
        usize::MAX
    }

    fn push(&mut self, _now: Instant, piece: Piece) {
        match piece {
            Piece::Data { bytes, .. } => self.dropped += bytes.len() as u64,
            end => self.end = Some(end),
        }
    }

    fn pull(&mut self, _now: Instant) -> Pull {
        Pull::Nothing
    }

    fn reshape(&mut self, _now: Instant, _effect: &Effect) {}

    fn retire(self: Box<Self>, _now: Instant) -> Vec<Piece> {
        self.end.into_iter().collect()
    }

    fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxics::bench_stage::Bench;

    #[test]
    fn bytes_vanish_and_the_end_comes_with_the_healing() {
        let mut bench = Bench::new(|_| Box::new(BlackHoleStage::default()));
        bench.send("gone");
        bench.send_piece(Piece::Fin);
        bench.wait_ms(3_600_000);
        assert_eq!(bench.due_ms(), None);
        assert_eq!(bench.stage.take_dropped(), 4);
        assert_eq!(bench.retire(), (vec![], Some(Piece::Fin)));
    }
}
