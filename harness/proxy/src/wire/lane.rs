//! One direction of one connection: read, pass the stages, write.
//!
//! Without stages the bytes read are written from the buffer they were read into. A lane never waits by itself; it
//! registers with the sockets and the connection polls it again.

use crate::chain::Chain;
use crate::limits::READ;
use crate::stage::Piece;
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Where a lane's bytes go.
pub(crate) enum Sink<'a> {
    Socket(&'a mut TcpStream),
    /// Calls with each portion.
    Reader(&'a mut dyn FnMut(&[u8])),
    /// Not there yet: bytes wait.
    Absent,
    /// Bytes vanish.
    Nowhere,
}

/// What came of an attempt to deliver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// As much as could be; whether anything moved.
    Some {
        bytes: u64,
        moved: bool,
    },
    /// The sender's FIN has arrived at the end of the lane.
    Fin,
    Close,
    Reset,
}

pub(crate) struct Lane {
    pub(crate) chain: Chain,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// The sender has ended; nothing more is read.
    pub(crate) read_ended: bool,
    /// The FIN has been passed on.
    pub(crate) done: bool,
    /// The receiver can't be written to any more.
    pub(crate) dead: bool,
}

impl Lane {
    pub(crate) fn new(chain: Chain) -> Self {
        let buffer = vec![0; READ].into_boxed_slice();
        Self { chain, buffer, start: 0, end: 0, read_ended: false, done: false, dead: false }
    }

    /// Reads once, if there is room. `Ready(0)` is the sender's FIN.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut TcpStream,
    ) -> Poll<io::Result<usize>> {
        if self.read_ended || self.start < self.end || !self.chain.has_room() {
            return Poll::Pending;
        }
        let mut buffer = ReadBuf::new(&mut self.buffer);
        std::task::ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        (self.start, self.end) = (0, buffer.filled().len());
        Poll::Ready(Ok(self.end))
    }

    /// Puts something in as if it had been read.
    pub(crate) fn inject(&mut self, now: Instant, piece: Piece) {
        self.stage_unread(now);
        self.chain.push(now, piece);
    }

    /// The sender has ended: nothing follows `end`.
    pub(crate) fn end_with(&mut self, now: Instant, end: Piece) {
        self.read_ended = true;
        self.inject(now, end);
    }

    fn stage_unread(&mut self, now: Instant) {
        if self.start < self.end {
            let bytes = Bytes::copy_from_slice(&self.buffer[self.start..self.end]);
            self.start = self.end;
            self.chain.push(now, Piece::Data { bytes, at: now });
        }
    }

    /// Writes what is due, and says in `wake` when more will be.
    pub(crate) fn deliver(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        sink: &mut Sink<'_>,
        wake: &mut Option<Instant>,
    ) -> io::Result<Delivered> {
        if self.done {
            // Past the FIN only the news that the connection is over can matter.
            self.start = self.end;
        }
        let (mut bytes, mut moved) = (0, false);
        if self.chain.is_clear() {
            while self.start < self.end {
                match write(cx, sink, &self.buffer[self.start..self.end]) {
                    Poll::Ready(n) => {
                        let n = n?;
                        self.start += n;
                        bytes += n as u64;
                        moved = true;
                    }
                    Poll::Pending => break,
                }
            }
            return Ok(Delivered::Some { bytes, moved });
        }
        if self.start < self.end && self.chain.has_room() {
            self.stage_unread(now);
            moved = true;
        }
        if let Some(at) = self.chain.pump(now) {
            *wake = Some(wake.map_or(at, |w| w.min(at)));
        }
        loop {
            match self.chain.out.front() {
                None => break,
                Some(Piece::Data { bytes: portion, .. }) => match write(cx, sink, portion) {
                    Poll::Ready(n) => {
                        let n = n?;
                        self.chain.out.pop_up_to(n);
                        bytes += n as u64;
                        moved = true;
                    }
                    Poll::Pending => break,
                },
                // First account for the bytes ahead of the end; it is met again on the next call.
                Some(_) if bytes > 0 => break,
                Some(Piece::Fin) if matches!(sink, Sink::Absent) => break,
                Some(Piece::Fin) => {
                    self.chain.out.pop();
                    if let Sink::Socket(socket) = sink {
                        // TCP's shutdown does not wait.
                        let _ = Pin::new(&mut **socket).poll_shutdown(cx)?;
                    }
                    self.done = true;
                    return Ok(Delivered::Fin);
                }
                Some(Piece::Close) => return Ok(Delivered::Close),
                Some(Piece::Reset) => return Ok(Delivered::Reset),
            }
        }
        Ok(Delivered::Some { bytes, moved })
    }
}

fn write(cx: &mut Context<'_>, sink: &mut Sink<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    match sink {
        Sink::Socket(socket) => match Pin::new(&mut **socket).poll_write(cx, bytes) {
            Poll::Ready(Ok(0)) if !bytes.is_empty() => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => other,
        },
        Sink::Reader(read) => {
            read(bytes);
            Poll::Ready(Ok(bytes.len()))
        }
        Sink::Nowhere => Poll::Ready(Ok(bytes.len())),
        Sink::Absent => Poll::Pending,
    }
}
