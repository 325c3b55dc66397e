//! Slicer: bytes arrive in many small segments.

use super::within;
use crate::draw::Draw;
use crate::effect::{Effect, InvalidToxic};
use crate::limits::PASSING;
use crate::queue::Queue;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The largest slice accepted, in bytes.
const LARGEST: u64 = 1 << 20;
/// The longest pause between slices, in microseconds: a minute.
const LONGEST_US: u64 = 60_000_000;

/// Cuts bytes into slices of `average_size` ± `size_variation`, each written to the socket by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slicer {
    /// Bytes, 1 to 1 MiB.
    pub average_size: u64,
    /// Bytes to either side, less than `average_size`.
    pub size_variation: u64,
    /// Microseconds between slices, at most a minute; timers here have a grain of a millisecond.
    pub delay: u64,
}

impl Slicer {
    pub(crate) fn check(self) -> Result<(), InvalidToxic> {
        within("average_size", self.average_size, 1, LARGEST)?;
        within("size_variation", self.size_variation, 0, self.average_size - 1)?;
        within("delay", self.delay, 0, LONGEST_US)
    }
}

#[derive(Debug)]
pub(crate) struct SlicerStage {
    slicer: Slicer,
    draw: Draw,
    held: Queue,
    next: Instant,
}

impl SlicerStage {
    pub(crate) fn new(slicer: Slicer, now: Instant, draw: Draw) -> Self {
        Self { slicer, draw, held: Queue::default(), next: now }
    }
}

impl Stage for SlicerStage {
    fn room(&self) -> usize {
        PASSING.saturating_sub(self.held.weight())
    }

    fn push(&mut self, _now: Instant, piece: Piece) {
        self.held.push(piece);
    }

    fn pull(&mut self, now: Instant) -> Pull {
        if self.held.is_empty() {
            return Pull::Nothing;
        }
        if now < self.next {
            return Pull::At(self.next);
        }
        let Slicer { average_size, size_variation, delay } = self.slicer;
        let size = self.draw.between(average_size - size_variation, average_size + size_variation);
        match self.held.pop_up_to(usize::try_from(size).unwrap_or(usize::MAX)) {
            Some(Piece::Data { bytes, .. }) => {
                self.next = now + Duration::from_micros(delay);
                Pull::Piece(Piece::Data { bytes, at: now })
            }
            Some(end) => Pull::Piece(end),
            None => Pull::Nothing,
        }
    }

    fn reshape(&mut self, now: Instant, effect: &Effect) {
        if let Effect::Slicer(slicer) = effect {
            self.slicer = *slicer;
            self.next = now;
        }
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

    fn bench(slicer: Slicer, seed: u64) -> Bench {
        Bench::new(|now| Box::new(SlicerStage::new(slicer, now, Draw::new(seed, 0, "s", 1))))
    }

    #[test]
    fn slices_come_a_delay_apart() {
        let mut bench = bench(Slicer { average_size: 2, size_variation: 0, delay: 5000 }, 0);
        bench.send("abcde");
        for (slice, due) in [("ab", Some(5)), ("cd", Some(10)), ("e", None)] {
            assert!(matches!(bench.pull(), Some(Piece::Data { bytes, .. }) if bytes == slice));
            assert_eq!(bench.due_ms(), due);
            bench.wait_ms(5);
        }
    }

    proptest! {
        #[test]
        fn slices_keep_the_bytes_and_their_size_bounds(
            seed: u64, average in 1_u64..100, variation in 0_u64..100, bytes in prop::collection::vec(any::<u8>(), 1..2000),
        ) {
            let slicer = Slicer { average_size: average, size_variation: variation.min(average - 1), delay: 0 };
            prop_assert!(slicer.check().is_ok());
            let mut bench = bench(slicer, seed);
            bench.send(&bytes);
            let (mut joined, mut sizes) = (Vec::new(), Vec::new());
            while let Some(Piece::Data { bytes, .. }) = bench.pull() {
                sizes.push(bytes.len() as u64);
                joined.extend_from_slice(&bytes);
            }
            prop_assert_eq!(joined, bytes);
            let last = sizes.pop().unwrap();
            prop_assert!(last <= average + slicer.size_variation);
            for size in sizes {
                prop_assert!((average - slicer.size_variation..=average + slicer.size_variation).contains(&size));
            }
        }
    }

    #[test]
    fn sizes_that_would_never_end_are_refused() {
        assert!(Slicer::default().check().is_err());
        assert!(Slicer { average_size: 5, size_variation: 5, delay: 0 }.check().is_err());
    }
}
