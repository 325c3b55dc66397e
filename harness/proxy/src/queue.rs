//! Pieces waiting in order, and how many bytes they are.

use crate::stage::Piece;
use std::collections::VecDeque;
use std::time::Instant;

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

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
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
