//! What a toxic owes the line it sits in.
//!
//! A stage is one toxic on one direction of one connection, as a state machine without clock or socket: pieces are
//! pushed in, pieces are pulled out, and when there is nothing yet it says when to ask again. It never waits, so
//! every change of plan takes effect at once, whatever it is holding.
//!
//! The rules every stage keeps, and that `chain`'s property tests hold it to:
//! - order: pieces come out in the order they went in;
//! - no loss, unless losing is its purpose, and then it counts what it lost;
//! - bound: it stops having room once it holds about [`crate::limits::HELD`] bytes;
//! - parting: retired, it hands over all that it holds.

use crate::effect::Effect;
use bytes::Bytes;
use std::time::Instant;

/// What travels along one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes, and when they got this far (a toxic that delays counts from here, so that delays add up exactly).
    Data { bytes: Bytes, at: Instant },
    /// The sender closed its half in order. Only this direction ends.
    Fin,
    /// The whole connection is to end in order once this has arrived.
    Close,
    /// The whole connection is to be reset once this has arrived.
    Reset,
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Data { bytes, .. } => bytes.len(),
            Self::Fin | Self::Close | Self::Reset => 0,
        }
    }
}

/// What a stage has to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pull {
    /// This, now.
    Piece(Piece),
    /// Nothing before this instant, unless more is pushed.
    At(Instant),
    /// Nothing, unless more is pushed.
    Nothing,
}

/// One toxic on one direction of one connection.
pub(crate) trait Stage: Send + std::fmt::Debug {
    /// Bytes it takes now; zero holds the sender back.
    fn room(&self) -> usize;

    /// Takes one piece. Its sender looked at [`Stage::room`] first, but a piece may be larger than the room.
    fn push(&mut self, now: Instant, piece: Piece);

    /// Gives the next piece that is due.
    fn pull(&mut self, now: Instant) -> Pull;

    /// Takes over new attributes and keeps what it holds.
    fn reshape(&mut self, now: Instant, effect: &Effect);

    /// The toxic is gone: everything held, in order, and how the connection goes on.
    fn retire(self: Box<Self>, now: Instant) -> Vec<Piece>;

    /// Bytes lost on purpose since this was last asked.
    fn take_dropped(&mut self) -> u64 {
        0
    }
}
