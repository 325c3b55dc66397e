//! Limit data: the connection ends after so many bytes.

use super::within;
use crate::effect::{Effect, InvalidToxic};
use crate::limits::PASSING;
use crate::queue::Queue;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Passes `bytes` bytes counted from when it came, then ends the connection in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitData {
    /// Bytes; 0 ends the connection at the first byte.
    pub bytes: u64,
}

impl LimitData {
    pub(crate) fn check(self) -> Result<(), InvalidToxic> {
        within("bytes", self.bytes, 0, i64::MAX as u64)
    }
}

#[derive(Debug)]
pub(crate) struct LimitDataStage {
    limit: u64,
    passed: u64,
    passing: Queue,
    over: bool,
    dropped: u64,
}

impl LimitDataStage {
    pub(crate) fn new(limit: LimitData) -> Self {
        Self { limit: limit.bytes, passed: 0, passing: Queue::default(), over: false, dropped: 0 }
    }
}

impl Stage for LimitDataStage {
    fn room(&self) -> usize {
        PASSING.saturating_sub(self.passing.weight())
    }

    fn push(&mut self, _now: Instant, piece: Piece) {
        if self.over {
            self.dropped += piece.len() as u64;
            return;
        }
        let Piece::Data { mut bytes, at } = piece else { return self.passing.push(piece) };
        let left = self.limit.saturating_sub(self.passed);
        let kept = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.dropped += (bytes.len() - kept) as u64;
        bytes.truncate(kept);
        self.passed += kept as u64;
        if kept > 0 {
            self.passing.push(Piece::Data { bytes, at });
        }
        if self.passed >= self.limit {
            self.over = true;
            self.passing.push(Piece::Close);
        }
    }

    fn pull(&mut self, _now: Instant) -> Pull {
        self.passing.pop().map_or(Pull::Nothing, Pull::Piece)
    }

    fn reshape(&mut self, _now: Instant, effect: &Effect) {
        if let Effect::LimitData(limit) = effect {
            self.limit = limit.bytes;
        }
    }

    fn retire(mut self: Box<Self>, now: Instant) -> Vec<Piece> {
        self.passing.drain(now)
    }

    fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxics::bench_stage::Bench;
    use proptest::prelude::*;

    fn bench(bytes: u64) -> Bench {
        Bench::new(|_| Box::new(LimitDataStage::new(LimitData { bytes })))
    }

    proptest! {
        #[test]
        fn exactly_the_limit_passes_then_the_end(limit in 0_u64..200, sizes in prop::collection::vec(1_usize..60, 1..10)) {
            let mut bench = bench(limit);
            let total: usize = sizes.iter().sum();
            for &n in &sizes { bench.send(vec![1; n]); }
            let (passed, end) = bench.take();
            prop_assert_eq!(passed.len() as u64, limit.min(total as u64));
            prop_assert_eq!(end.is_some(), total as u64 >= limit);
            prop_assert_eq!(bench.stage.take_dropped(), (total as u64).saturating_sub(limit));
        }
    }

    #[test]
    fn an_update_keeps_the_count() {
        let mut bench = bench(10);
        bench.send([0; 6]);
        let now = bench.now();
        bench.stage.reshape(now, &Effect::LimitData(LimitData { bytes: 8 }));
        bench.send([0; 6]);
        assert_eq!(bench.take(), (vec![0; 8], Some(Piece::Close)));
    }

    #[test]
    fn a_stream_shorter_than_the_limit_ends_by_itself() {
        let mut bench = bench(10);
        bench.send("abc");
        bench.send_piece(Piece::Fin);
        assert_eq!(bench.take(), (b"abc".to_vec(), Some(Piece::Fin)));
    }
}
