//! The connections of a proxy: the open ones, to give orders to, and a bounded log of those that are over.

use crate::limits::Limits;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// A TCP reset to both sides: reads and writes fail.
    Rst,
    /// An orderly end to both sides: reads see the end of the stream.
    Fin,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// Both sides closed in order.
    Closed,
    /// A side, or a toxic, reset it.
    Reset,
    /// A toxic ended it in order.
    ByToxic,
    /// The upstream could not be reached.
    DialFailed,
    /// It was cut.
    Cut(Cut),
    /// The proxy was dropped or stopped.
    Stopped,
}

/// One connection, open or over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// Counted from 1 in the order of acceptance; with the seed it decides the draws.
    pub number: u64,
    /// Who connected.
    pub peer: SocketAddr,
    /// Milliseconds from the proxy's start to the acceptance.
    pub opened_ms: u64,
    /// Milliseconds from the proxy's start to the end.
    pub closed_ms: Option<u64>,
    /// How it ended.
    pub end: Option<End>,
    /// Bytes read from the client.
    pub upstream_bytes: u64,
    /// Bytes written to the client.
    pub downstream_bytes: u64,
}

const NONE: u8 = 0;
const RST: u8 = 1;
const FIN: u8 = 2;

/// What the proxy and one of its connections share.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) number: u64,
    peer: SocketAddr,
    opened: Duration,
    order: AtomicU8,
    pub(crate) upstream: AtomicU64,
    pub(crate) downstream: AtomicU64,
}

impl Tap {
    pub(crate) fn order(&self) -> Option<Cut> {
        match self.order.load(Ordering::Acquire) {
            RST => Some(Cut::Rst),
            FIN => Some(Cut::Fin),
            _ => None,
        }
    }

    fn record(&self) -> Connection {
        Connection {
            number: self.number,
            peer: self.peer,
            opened_ms: self.opened.as_millis() as u64,
            closed_ms: None,
            end: None,
            upstream_bytes: self.upstream.load(Ordering::Relaxed),
            downstream_bytes: self.downstream.load(Ordering::Relaxed),
        }
    }
}

#[derive(Debug)]
struct Book {
    open: BTreeMap<u64, Arc<Tap>>,
    over: VecDeque<Connection>,
    accepted: u64,
}

#[derive(Debug)]
pub(crate) struct Connections {
    started: Instant,
    most: usize,
    remembered: usize,
    book: Mutex<Book>,
}

impl Connections {
    pub(crate) fn new(started: Instant, limits: &Limits) -> Self {
        let book = Book { open: BTreeMap::new(), over: VecDeque::new(), accepted: 0 };
        Self { started, most: limits.connections, remembered: limits.log, book: Mutex::new(book) }
    }

    /// Enters a new connection, unless there are too many.
    pub(crate) fn enter(&self, now: Instant, peer: SocketAddr) -> Option<Arc<Tap>> {
        let mut book = self.book.lock();
        if book.open.len() >= self.most {
            return None;
        }
        book.accepted += 1;
        let tap = Arc::new(Tap {
            number: book.accepted,
            peer,
            opened: now.saturating_duration_since(self.started),
            order: AtomicU8::new(NONE),
            upstream: AtomicU64::new(0),
            downstream: AtomicU64::new(0),
        });
        book.open.insert(tap.number, Arc::clone(&tap));
        Some(tap)
    }

    pub(crate) fn leave(&self, now: Instant, tap: &Tap, end: End) {
        let mut book = self.book.lock();
        if book.open.remove(&tap.number).is_none() {
            return;
        }
        if self.remembered == 0 {
            return;
        }
        while book.over.len() >= self.remembered {
            book.over.pop_front();
        }
        let closed_ms = Some(now.saturating_duration_since(self.started).as_millis() as u64);
        book.over.push_back(Connection { closed_ms, end: Some(end), ..tap.record() });
    }

    /// Orders every open connection to end; how many there were that had no such order yet.
    pub(crate) fn order(&self, cut: Cut) -> usize {
        let order = match cut {
            Cut::Rst => RST,
            Cut::Fin => FIN,
        };
        let book = self.book.lock();
        let fresh = |tap: &&Arc<Tap>| {
            tap.order.compare_exchange(NONE, order, Ordering::AcqRel, Ordering::Acquire).is_ok()
        };
        book.open.values().filter(fresh).count()
    }

    pub(crate) fn open(&self) -> usize {
        self.book.lock().open.len()
    }

    /// The log: those that are over, oldest first, then the open ones.
    pub(crate) fn log(&self) -> Vec<Connection> {
        let book = self.book.lock();
        book.over.iter().cloned().chain(book.open.values().map(|tap| tap.record())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(connections: usize, log: usize) -> (Connections, Instant, SocketAddr) {
        let now = crate::clock::now();
        let limits = Limits { connections, log, ..Limits::default() };
        (Connections::new(now, &limits), now, ([127, 0, 0, 1], 1).into())
    }

    #[test]
    fn the_log_is_a_ring_and_the_open_ones_are_bounded() {
        let (book, now, peer) = book(2, 3);
        for _ in 0..5 {
            let tap = book.enter(now, peer).unwrap();
            book.leave(now, &tap, End::Closed);
        }
        let _a = book.enter(now, peer).unwrap();
        let _b = book.enter(now, peer).unwrap();
        assert!(book.enter(now, peer).is_none());
        let numbers: Vec<_> = book.log().iter().map(|c| (c.number, c.end.is_some())).collect();
        assert_eq!(numbers, [(3, true), (4, true), (5, true), (6, false), (7, false)]);
    }

    #[test]
    fn a_cut_counts_each_connection_once() {
        let (book, now, peer) = book(10, 10);
        let tap = book.enter(now, peer).unwrap();
        assert_eq!(book.order(Cut::Rst), 1);
        assert_eq!(book.order(Cut::Fin), 0);
        assert_eq!(tap.order(), Some(Cut::Rst));
    }
}
