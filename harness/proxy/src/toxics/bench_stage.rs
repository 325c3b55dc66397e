//! A bench to put a single stage on: a made-up clock, bytes in, bytes out.

use crate::stage::{Piece, Pull, Stage};
use bytes::Bytes;
use std::time::{Duration, Instant};

pub(crate) struct Bench {
    start: Instant,
    elapsed: Duration,
    pub(crate) stage: Box<dyn Stage>,
}

impl Bench {
    /// `make` gets the instant at which the bench starts.
    pub(crate) fn new(make: impl FnOnce(Instant) -> Box<dyn Stage>) -> Self {
        let start = crate::clock::now();
        Self { start, elapsed: Duration::ZERO, stage: make(start) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.elapsed.as_millis() as u64
    }

    pub(crate) fn wait_ms(&mut self, ms: u64) {
        self.elapsed += Duration::from_millis(ms);
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let (now, bytes) = (self.now(), Bytes::copy_from_slice(bytes.as_ref()));
        self.stage.push(now, Piece::Data { bytes, at: now });
    }

    pub(crate) fn send_piece(&mut self, piece: Piece) {
        let now = self.now();
        self.stage.push(now, piece);
    }

    /// The next piece if one is due now.
    pub(crate) fn pull(&mut self) -> Option<Piece> {
        match self.stage.pull(self.now()) {
            Pull::Piece(piece) => Some(piece),
            Pull::At(_) | Pull::Nothing => None,
        }
    }

    /// Milliseconds from the start until the stage wants to be asked again; `None` when it waits for input only.
    pub(crate) fn due_ms(&mut self) -> Option<u128> {
        match self.stage.pull(self.now()) {
            Pull::At(at) => Some(at.duration_since(self.start).as_millis()),
            Pull::Nothing => None,
            Pull::Piece(piece) => panic!("due now: {piece:?}"),
        }
    }

    /// Bytes due now, and the end that came with them.
    pub(crate) fn take(&mut self) -> (Vec<u8>, Option<Piece>) {
        let mut taken = Vec::new();
        while let Some(piece) = self.pull() {
            match piece {
                Piece::Data { bytes, .. } => taken.extend_from_slice(&bytes),
                end => return (taken, Some(end)),
            }
        }
        (taken, None)
    }

    pub(crate) fn retire(self) -> (Vec<u8>, Option<Piece>) {
        let now = self.now();
        let mut taken = Vec::new();
        for piece in self.stage.retire(now) {
            match piece {
                Piece::Data { bytes, .. } => taken.extend_from_slice(&bytes),
                end => return (taken, Some(end)),
            }
        }
        (taken, None)
    }
}
