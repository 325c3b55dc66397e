//! Slow close: the end of the connection comes late.

use super::within;
use crate::effect::{Effect, InvalidToxic};
use crate::limits::{LONGEST_MS, PASSING};
use crate::queue::Queue;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// Passes bytes and holds back the end (FIN or reset) for `delay`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlowClose {
    /// Milliseconds, at most a day.
    pub delay: u64,
}

impl SlowClose {
    pub(crate) fn check(self) -> Result<(), InvalidToxic> {
        within("delay", self.delay, 0, LONGEST_MS)
    }
}

#[derive(Debug)]
pub(crate) struct SlowCloseStage {
    delay: Duration,
    passing: Queue,
    /// When the end came.
    ended: Option<Instant>,
}

impl SlowCloseStage {
    pub(crate) fn new(slow: SlowClose) -> Self {
        Self { delay: Duration::from_millis(slow.delay), passing: Queue::default(), ended: None }
    }
}

impl Stage for SlowCloseStage {
    fn room(&self) -> usize {
        PASSING.saturating_sub(self.passing.weight())
    }

    fn push(&mut self, now: Instant, piece: Piece) {
        if !matches!(piece, Piece::Data { .. }) {
            self.ended.get_or_insert(now);
        }
        self.passing.push(piece);
    }

    fn pull(&mut self, now: Instant) -> Pull {
        match (self.passing.front(), self.ended) {
            (None, _) => return Pull::Nothing,
            (Some(Piece::Fin | Piece::Close | Piece::Reset), Some(ended)) if now < ended + self.delay => {
                return Pull::At(ended + self.delay);
            }
            _ => {}
        }
        self.passing.pop().map_or(Pull::Nothing, Pull::Piece)
    }

    fn reshape(&mut self, _now: Instant, effect: &Effect) {
        if let Effect::SlowClose(slow) = effect {
            self.delay = Duration::from_millis(slow.delay);
        }
    }

    fn retire(mut self: Box<Self>, now: Instant) -> Vec<Piece> {
        self.passing.drain(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxics::bench_stage::Bench;

    fn bench() -> Bench {
        Bench::new(|_| Box::new(SlowCloseStage::new(SlowClose { delay: 80 })))
    }

    #[test]
    fn bytes_pass_at_once_and_the_end_after_the_delay() {
        let mut bench = bench();
        bench.send("bytes");
        bench.send_piece(Piece::Fin);
        assert_eq!(bench.take(), (b"bytes".to_vec(), None));
        assert_eq!(bench.due_ms(), Some(80));
        bench.wait_ms(80);
        assert_eq!(bench.pull(), Some(Piece::Fin));
    }

    #[test]
    fn removed_it_ends_at_once() {
        let mut bench = bench();
        bench.send_piece(Piece::Fin);
        assert_eq!(bench.pull(), None);
        assert_eq!(bench.retire(), (vec![], Some(Piece::Fin)));
    }
}
