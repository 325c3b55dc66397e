//! Pieces waiting in order, and what they weigh.

use crate::stage::Piece;
use std::collections::VecDeque;
use std::time::Instant;

/// What keeping a piece costs besides its bytes: many small ones must not slip past a bound on bytes.
const OVERHEAD: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, piece: Piece) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    pub(crate) fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.len();
        Some(piece)
    }

    pub(crate) fn front(&self) -> Option<&Piece> {
        self.pieces.front()
    }

    /// Cuts the first `n` bytes off the front piece, or takes it whole when it is no longer than that.
    pub(crate) fn pop_up_to(&mut self, n: usize) -> Option<Piece> {
        if let Some(Piece::Data { bytes, at }) = self.pieces.front_mut()
            && bytes.len() > n
        {
            let head = Piece::Data { bytes: bytes.split_to(n), at: *at };
            self.bytes -= n;
            return Some(head);
        }
        self.pop()
    }

    /// Bytes, with what it costs to keep them.
    pub(crate) fn weight(&self) -> usize {
        self.bytes + self.pieces.len() * OVERHEAD
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Everything, as if it had got here just now.
    pub(crate) fn drain(&mut self, now: Instant) -> Vec<Piece> {
        self.bytes = 0;
        self.pieces
            .drain(..)
            .map(|piece| match piece {
                Piece::Data { bytes, .. } => Piece::Data { bytes, at: now },
                end => end,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn cutting_and_draining_keep_the_weight_true() {
        let now = crate::clock::now();
        let mut queue = Queue::default();
        queue.push(Piece::Data { bytes: Bytes::from_static(b"abcdef"), at: now });
        queue.push(Piece::Fin);
        assert_eq!(queue.weight(), 6 + 2 * OVERHEAD);
        assert_eq!(queue.pop_up_to(4).map(|p| p.len()), Some(4));
        assert_eq!(queue.weight(), 2 + 2 * OVERHEAD);
        assert_eq!(queue.pop_up_to(4).map(|p| p.len()), Some(2));
        assert_eq!(queue.drain(now), [Piece::Fin]);
        assert!(queue.is_empty() && queue.weight() == 0);
    }
}
