//! Latency: every byte arrives later, in order.

use super::within;
use crate::draw::Draw;
use crate::effect::{Effect, InvalidToxic};
use crate::limits::{HELD, LONGEST_MS};
use crate::queue::Queue;
use crate::stage::{Piece, Pull, Stage};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Delays bytes by `latency` ± `jitter`. The handshake and the end of the connection are not delayed, except behind
/// delayed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Latency {
    /// Milliseconds, at most a day.
    pub latency: u64,
    /// Milliseconds to either side, drawn anew for every read; a delay below zero is none.
    pub jitter: u64,
}

impl Latency {
    pub(crate) fn check(self) -> Result<(), InvalidToxic> {
        within("latency", self.latency, 0, LONGEST_MS)?;
        within("jitter", self.jitter, 0, LONGEST_MS)
    }

    fn delay(self, draw: &mut Draw) -> Duration {
        let spread = if self.jitter == 0 { 0 } else { draw.between(0, 2 * self.jitter) };
        Duration::from_millis((self.latency + spread).saturating_sub(self.jitter))
    }
}

/// Invariant: what is due never lies before what was due ahead of it.
#[derive(Debug)]
pub(crate) struct LatencyStage {
    latency: Latency,
    draw: Draw,
    held: Queue,
    due: VecDeque<Instant>,
    last_due: Option<Instant>,
}

impl LatencyStage {
    pub(crate) fn new(latency: Latency, draw: Draw) -> Self {
        Self { latency, draw, held: Queue::default(), due: VecDeque::new(), last_due: None }
    }

    fn due_for(&mut self, now: Instant, piece: &Piece) -> Instant {
        let due = match piece {
            Piece::Data { at, .. } => *at + self.latency.delay(&mut self.draw),
            Piece::Fin | Piece::Close | Piece::Reset => now,
        };
        let due = self.last_due.map_or(due, |last| last.max(due));
        self.last_due = Some(due);
        due
    }
}

impl Stage for LatencyStage {
    fn room(&self) -> usize {
        HELD.saturating_sub(self.held.weight())
    }

    fn push(&mut self, now: Instant, piece: Piece) {
        let due = self.due_for(now, &piece);
        self.due.push_back(due);
        self.held.push(piece);
    }

    fn pull(&mut self, now: Instant) -> Pull {
        let Some(&due) = self.due.front() else { return Pull::Nothing };
        if now < due {
            return Pull::At(due);
        }
        self.due.pop_front();
        match self.held.pop() {
            Some(Piece::Data { bytes, .. }) => Pull::Piece(Piece::Data { bytes, at: due }),
            Some(end) => Pull::Piece(end),
            None => Pull::Nothing,
        }
    }

    fn reshape(&mut self, now: Instant, effect: &Effect) {
        let Effect::Latency(latency) = effect else { return };
        self.latency = *latency;
        self.last_due = None;
        self.due.clear();
        let mut held = Queue::default();
        while let Some(piece) = self.held.pop() {
            let due = self.due_for(now, &piece);
            self.due.push_back(due);
            held.push(piece);
        }
        self.held = held;
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

    fn bench(latency: u64, jitter: u64, seed: u64) -> Bench {
        Bench::new(|_| Box::new(LatencyStage::new(Latency { latency, jitter }, Draw::new(seed, 1, "l", 1))))
    }

    #[test]
    fn bytes_are_due_after_exactly_the_latency() {
        let mut bench = bench(100, 0, 0);
        bench.send("hello");
        assert_eq!(bench.due_ms(), Some(100));
        bench.wait_ms(99);
        assert_eq!(bench.take(), (vec![], None));
        bench.wait_ms(1);
        assert_eq!(bench.take(), (b"hello".to_vec(), None));
    }

    #[test]
    fn an_end_waits_only_for_the_bytes_ahead_of_it() {
        let mut alone = bench(100, 0, 0);
        alone.send_piece(Piece::Fin);
        assert_eq!(alone.pull(), Some(Piece::Fin));

        let mut behind = bench(100, 0, 0);
        behind.send("x");
        behind.send_piece(Piece::Fin);
        assert_eq!(behind.take(), (vec![], None));
        behind.wait_ms(100);
        assert_eq!(behind.take(), (b"x".to_vec(), Some(Piece::Fin)));
    }

    #[test]
    fn removed_it_hands_over_what_it_holds() {
        let mut bench = bench(1000, 0, 0);
        bench.send("a");
        bench.send("b");
        bench.send_piece(Piece::Fin);
        assert_eq!(bench.retire(), (b"ab".to_vec(), Some(Piece::Fin)));
    }

    #[test]
    fn a_shorter_latency_counts_from_when_the_bytes_came() {
        let mut bench = bench(1000, 0, 0);
        bench.send("a");
        bench.wait_ms(30);
        let now = bench.now();
        bench.stage.reshape(now, &Effect::Latency(Latency { latency: 50, jitter: 0 }));
        assert_eq!(bench.due_ms(), Some(50));
    }

    proptest! {
        #[test]
        fn jitter_stays_within_its_bounds_and_keeps_the_order(
            seed: u64, latency in 0_u64..500, jitter in 0_u64..500, gaps in prop::collection::vec(0_u64..50, 1..30),
        ) {
            let mut bench = bench(latency, jitter, seed);
            let mut last = 0;
            for gap in gaps {
                bench.wait_ms(gap);
                let sent = bench.now().duration_since(bench.start_instant()).as_millis();
                bench.send([1]);
                let due = bench.last_due_ms();
                prop_assert!(due >= last, "overtaken");
                prop_assert!(due >= sent + u128::from(latency.saturating_sub(jitter)));
                prop_assert!(due <= last.max(sent + u128::from(latency + jitter)));
                last = due;
            }
        }
    }

    impl Bench {
        fn start_instant(&self) -> Instant {
            self.now().checked_sub(Duration::from_millis(self.elapsed_ms())).unwrap()
        }

        /// When the piece sent last is due: everything ahead of it is pulled on a copy of the clock.
        fn last_due_ms(&mut self) -> u128 {
            let far = self.now() + Duration::from_secs(3600);
            let mut due = 0;
            while let Pull::Piece(Piece::Data { at, .. }) = self.stage.pull(far) {
                due = at.duration_since(self.start_instant()).as_millis();
            }
            due
        }
    }
}
