//! Bandwidth: bytes pass at a limited rate.

use super::within;
use crate::effect::{Effect, InvalidToxic};
use crate::limits::PASSING;
use crate::queue::Queue;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The fastest rate accepted, in kB/s.
const FASTEST: u64 = 10_000_000;

/// Bytes leave in portions of at most so many milliseconds' worth.
const PORTION_MS: u64 = 10;

/// Limits the rate. Unused time earns no credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bandwidth {
    /// Thousand bytes per second, at most ten million; 0 lets nothing through and loses nothing.
    pub rate: u64,
}

impl Bandwidth {
    pub(crate) fn check(self) -> Result<(), InvalidToxic> {
        within("rate", self.rate, 0, FASTEST)
    }
}

/// Invariant: within any span of t milliseconds that starts idle, at most `rate * t` bytes have left.
#[derive(Debug)]
pub(crate) struct BandwidthStage {
    rate: u64,
    held: Queue,
    /// Until when the line is busy with what has already left.
    busy_until: Instant,
}

impl BandwidthStage {
    pub(crate) fn new(bandwidth: Bandwidth, now: Instant) -> Self {
        Self { rate: bandwidth.rate, held: Queue::default(), busy_until: now }
    }

    fn portion(&self, waiting: usize) -> usize {
        waiting.min(usize::try_from(self.rate * PORTION_MS).unwrap_or(usize::MAX))
    }
}

impl Stage for BandwidthStage {
    fn room(&self) -> usize {
        PASSING.saturating_sub(self.held.weight())
    }

    fn push(&mut self, now: Instant, piece: Piece) {
        if self.held.is_empty() {
            self.busy_until = self.busy_until.max(now);
        }
        self.held.push(piece);
    }

    fn pull(&mut self, now: Instant) -> Pull {
        let portion = match self.held.front() {
            None => return Pull::Nothing,
            Some(Piece::Data { .. }) if self.rate == 0 => return Pull::Nothing,
            Some(Piece::Data { bytes, .. }) => self.portion(bytes.len()),
            Some(Piece::Fin | Piece::Close | Piece::Reset) => 0,
        };
        let takes = Duration::from_nanos(portion as u64 * 1_000_000 / self.rate.max(1));
        let done = self.busy_until + takes;
        if now < done && portion > 0 {
            return Pull::At(done);
        }
        match self.held.pop_up_to(portion.max(1)) {
            Some(Piece::Data { bytes, .. }) => {
                self.busy_until = done;
                Pull::Piece(Piece::Data { bytes, at: done })
            }
            Some(end) => Pull::Piece(end),
            None => Pull::Nothing,
        }
    }

    fn reshape(&mut self, now: Instant, effect: &Effect) {
        let Effect::Bandwidth(bandwidth) = effect else { return };
        self.rate = bandwidth.rate;
        self.busy_until = now;
    }

    fn retire(mut self: Box<Self>, now: Instant) -> Vec<Piece> {
        self.held.drain(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toxics::bench_stage::Bench;
    use proptest::prelude::*;

    fn bench(rate: u64) -> Bench {
        Bench::new(|now| Box::new(BandwidthStage::new(Bandwidth { rate }, now)))
    }

    #[test]
    fn rate_zero_holds_bytes_and_their_end_and_loses_nothing() {
        let mut bench = bench(0);
        bench.send("held");
        bench.send_piece(Piece::Fin);
        bench.wait_ms(1_000_000);
        assert_eq!(bench.due_ms(), None);
        assert_eq!(bench.retire(), (b"held".to_vec(), Some(Piece::Fin)));
    }

    #[test]
    fn idle_time_earns_no_credit() {
        let mut bench = bench(1);
        bench.wait_ms(10_000);
        bench.send([0; 5]);
        assert_eq!(bench.due_ms(), Some(10_005));
    }

    proptest! {
        #[test]
        fn never_faster_than_the_rate_nor_slower_by_a_portion(
            rate in 1_u64..200, sizes in prop::collection::vec(1_usize..3000, 1..8),
        ) {
            let mut bench = bench(rate);
            let total: usize = sizes.iter().sum();
            for &n in &sizes { bench.send(vec![7; n]); }
            let mut passed = 0;
            for ms in 0_u64.. {
                passed += bench.take().0.len();
                prop_assert!(passed as u64 <= rate * ms, "{passed} bytes after {ms} ms at {rate} kB/s");
                let behind = (rate * ms).min(total as u64) - passed as u64;
                prop_assert!(behind <= rate * (PORTION_MS + 1), "{behind} bytes behind at {ms} ms");
                if passed == total { break; }
                bench.wait_ms(1);
            }
        }
    }
}
