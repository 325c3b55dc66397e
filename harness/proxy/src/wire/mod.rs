//! One connection: two sockets, two lanes, one task.
//!
//! `turn` moves whatever can move without waiting; between turns the task sleeps on both sockets, on the plan's bell
//! and on the next due time at once. Nothing else waits anywhere, so everything can be interrupted at any moment.
//!
//! Between a read and the stages the revision of the plan is compared: bytes that arrive after a toxic was added
//! never slip past it.

mod dial;
mod ending;
mod lane;
mod orders;

pub(crate) use dial::Target;

use crate::chain::Chain;
use crate::clock;
use crate::connections::{Connections, End, Tap};
use crate::counters::Tally;
use crate::exchanges::{Exchanges, InProgress};
use crate::limits::Limits;
use crate::plan::{Control, Identity};
use crate::stage::Piece;
use crate::toxic::Stream;
use crate::toxics::answer::{Answer, Responder, Said};
use dial::Upstream;
use ending::{Ending, Leaving, Manner};
use lane::{Delivered, Lane, Sink};
use parking_lot::RwLock;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::net::TcpStream;

/// What all connections of a proxy share.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) seed: u64,
    pub(crate) limits: Limits,
    pub(crate) target: RwLock<Target>,
    pub(crate) control: Control,
    pub(crate) tally: Tally,
    pub(crate) exchanges: Arc<Exchanges>,
    pub(crate) connections: Connections,
}

/// Carries one accepted connection to its end.
pub(crate) async fn run(edge: Arc<Edge>, tap: Arc<Tap>, client: TcpStream) {
    let mut leaving = Leaving::new(Arc::clone(&edge), Arc::clone(&tap));
    let linger = edge.limits.linger;
    let mut wire = Wire::new(edge, tap, client);
    let Ending { end, manner } = wire.drive().await;
    wire.exchange = None;
    wire.count_dropped();
    leaving.now(end);
    let upstream = match wire.upstream {
        Upstream::Up(socket) => Some(socket),
        Upstream::Absent | Upstream::Dialing(_) | Upstream::Failed | Upstream::Gone => None,
    };
    ending::part(wire.client, upstream, manner, linger).await;
}

enum Turn {
    /// Something moved: there may be more.
    Moved,
    /// Everything waits.
    Idle,
    Ended(Ending),
}

struct Wire {
    edge: Arc<Edge>,
    tap: Arc<Tap>,
    identity: Identity,
    /// The plan's revision that the lanes are in line with.
    seen: Option<u64>,
    /// `None` once it is gone and the server does not know.
    client: Option<TcpStream>,
    upstream: Upstream,
    up: Lane,
    down: Lane,
    dial_failed: bool,
    exchange: Option<InProgress>,
    /// The answer in force on this connection; the responder plays it from the next exchange on.
    answer: Option<Answer>,
    responder: Option<Responder>,
    /// A black hole swallows what goes upstream, a first SYN as well.
    hole: bool,
    half_open: Option<Stream>,
    /// After the healing the side that believed has sent something.
    found_out: bool,
}

impl Wire {
    fn new(edge: Arc<Edge>, tap: Arc<Tap>, client: TcpStream) -> Self {
        let identity = Identity { seed: edge.seed, number: tap.number };
        Self {
            edge,
            tap,
            identity,
            seen: None,
            client: Some(client),
            upstream: Upstream::Absent,
            up: Lane::new(Chain::new(identity, Stream::Upstream)),
            down: Lane::new(Chain::new(identity, Stream::Downstream)),
            dial_failed: false,
            exchange: None,
            answer: None,
            responder: None,
            hole: false,
            half_open: None,
            found_out: false,
        }
    }

    async fn drive(&mut self) -> Ending {
        let edge = Arc::clone(&self.edge);
        let mut changed = pin!(edge.control.changed());
        let mut timer = pin!(tokio::time::sleep(std::time::Duration::ZERO));
        poll_fn(|cx| {
            loop {
                // First listen, then look: a change in between is not missed.
                while changed.as_mut().poll(cx).is_ready() {
                    changed.set(edge.control.changed());
                }
                let now = clock::now();
                let revision = edge.control.revision();
                if self.seen != Some(revision) {
                    self.seen = Some(revision);
                    if let Some(ending) = self.take_orders(now) {
                        return Poll::Ready(ending);
                    }
                }
                let mut wake = None;
                match self.turn(cx, now, &mut wake) {
                    Turn::Ended(ending) => return Poll::Ready(ending),
                    Turn::Moved => continue,
                    Turn::Idle => {}
                }
                let Some(at) = wake else { return Poll::Pending };
                timer.as_mut().reset(at.into());
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn wants_upstream(&self) -> bool {
        self.responder.is_none() && !self.hole
    }

    fn dial(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if matches!(self.upstream, Upstream::Absent) && self.wants_upstream() {
            let target = self.edge.target.read().clone();
            self.upstream = Upstream::dial(target, self.edge.limits.dial);
        }
        if !self.upstream.poll_dial(cx) {
            return false;
        }
        if matches!(self.upstream, Upstream::Failed) {
            self.edge.tally.dials_failed.add(1);
            if self.wants_upstream() {
                self.dial_failed = true;
                self.down.end_with(now, Piece::Close);
            } else {
                self.upstream = Upstream::Absent;
            }
        }
        self.lose_a_side();
        true
    }

    fn turn(&mut self, cx: &mut Context<'_>, now: Instant, wake: &mut Option<Instant>) -> Turn {
        let mut moved = self.dial(cx, now);
        moved |= self.read_client(cx, now);
        if self.plan_is_newer() {
            return Turn::Moved;
        }
        match self.deliver_upstream(cx, now, wake) {
            Turn::Moved => moved = true,
            Turn::Idle => {}
            ended @ Turn::Ended(_) => return ended,
        }
        moved |= self.read_upstream(cx, now);
        if self.plan_is_newer() {
            return Turn::Moved;
        }
        match self.deliver_downstream(cx, now, wake) {
            Turn::Moved => moved = true,
            Turn::Idle => {}
            ended @ Turn::Ended(_) => return ended,
        }
        self.count_dropped();
        if self.up.done && self.down.done {
            return Turn::Ended(Ending { end: End::Closed, manner: Manner::Drop });
        }
        if self.is_found_out() {
            return Turn::Ended(Ending { end: End::Reset, manner: Manner::Reset });
        }
        if moved { Turn::Moved } else { Turn::Idle }
    }

    fn plan_is_newer(&self) -> bool {
        self.seen != Some(self.edge.control.revision())
    }

    fn read_client(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(client) = &mut self.client else { return false };
        match self.up.poll_read(cx, client) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => {
                // Whether it still reads or has left cannot be told: it is not counted as waiting.
                self.exchange = None;
                self.up.end_with(now, Piece::Fin);
            }
            Poll::Ready(Ok(n)) => {
                self.edge.tally.upstream.received.add(n as u64);
                self.tap.upstream.fetch_add(n as u64, Ordering::Relaxed);
                self.exchange.get_or_insert_with(|| self.edge.exchanges.begin());
            }
            Poll::Ready(Err(_)) => {
                self.exchange = None;
                self.down.dead = true;
                self.up.end_with(now, Piece::Reset);
            }
        }
        true
    }

    fn read_upstream(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(upstream) = self.upstream.socket() else { return false };
        match self.down.poll_read(cx, upstream) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.down.end_with(now, Piece::Fin),
            Poll::Ready(Ok(n)) => self.edge.tally.downstream.received.add(n as u64),
            Poll::Ready(Err(_)) => {
                self.up.dead = true;
                self.down.end_with(now, Piece::Reset);
            }
        }
        true
    }

    fn deliver_upstream(&mut self, cx: &mut Context<'_>, now: Instant, wake: &mut Option<Instant>) -> Turn {
        let mut said = Said::default();
        let mut answering = false;
        let lost = self.up.dead || matches!(self.upstream, Upstream::Gone);
        let outcome = {
            let mut feed;
            let mut sink = match (&mut self.responder, self.upstream.socket()) {
                // A client that asks and asks and does not read is not listened to.
                (Some(_), _) if !self.down.chain.has_room() => Sink::Absent,
                (Some(responder), _) => {
                    answering = true;
                    feed = |bytes: &[u8]| {
                        let more = responder.feed(bytes);
                        said.replies.extend(more.replies);
                        said.close |= more.close;
                    };
                    Sink::Reader(&mut feed)
                }
                (None, _) if lost => Sink::Nowhere,
                (None, Some(socket)) => Sink::Socket(socket),
                (None, None) => Sink::Absent,
            };
            self.up.deliver(cx, now, &mut sink, wake)
        };
        self.reply(now, said);
        let tally = &self.edge.tally.upstream;
        match outcome {
            Ok(Delivered::Some { bytes, moved }) => {
                if lost && !answering {
                    tally.dropped.add(bytes);
                    self.found_out |= bytes > 0 && self.half_open.is_none();
                } else {
                    tally.delivered.add(bytes);
                }
                if moved { Turn::Moved } else { Turn::Idle }
            }
            Ok(Delivered::Fin) => {
                if answering {
                    self.down.end_with(now, Piece::Fin);
                }
                Turn::Moved
            }
            Ok(Delivered::Close) => self.closed(),
            Ok(Delivered::Reset) => Turn::Ended(Ending { end: End::Reset, manner: Manner::Reset }),
            Err(_) => {
                self.up.dead = true;
                self.down.end_with(now, Piece::Reset);
                Turn::Moved
            }
        }
    }

    /// Sends the client what the responder says, through the toxics of its direction.
    fn reply(&mut self, now: Instant, said: Said) {
        for bytes in said.replies {
            self.edge.tally.answered.add(1);
            self.edge.tally.downstream.received.add(bytes.len() as u64);
            self.down.inject(now, Piece::Data { bytes, at: now });
        }
        if said.close {
            self.down.end_with(now, Piece::Close);
        }
    }

    fn deliver_downstream(&mut self, cx: &mut Context<'_>, now: Instant, wake: &mut Option<Instant>) -> Turn {
        let outcome = {
            let mut sink = match &mut self.client {
                Some(client) if !self.down.dead => Sink::Socket(client),
                Some(_) | None => Sink::Nowhere,
            };
            self.down.deliver(cx, now, &mut sink, wake)
        };
        let tally = &self.edge.tally.downstream;
        match outcome {
            Ok(Delivered::Some { bytes, moved }) => {
                if self.client.is_none() || self.down.dead {
                    tally.dropped.add(bytes);
                    self.found_out |= bytes > 0 && self.half_open.is_none();
                } else if bytes > 0 {
                    tally.delivered.add(bytes);
                    self.tap.downstream.fetch_add(bytes, Ordering::Relaxed);
                    self.exchange = None;
                    self.reroute();
                }
                if moved { Turn::Moved } else { Turn::Idle }
            }
            Ok(Delivered::Fin) => Turn::Moved,
            Ok(Delivered::Close) => self.closed(),
            Ok(Delivered::Reset) => Turn::Ended(Ending { end: End::Reset, manner: Manner::Reset }),
            Err(_) => {
                self.down.dead = true;
                self.exchange = None;
                self.up.end_with(now, Piece::Reset);
                Turn::Moved
            }
        }
    }

    fn closed(&self) -> Turn {
        let end = if self.dial_failed { End::DialFailed } else { End::ByToxic };
        Turn::Ended(Ending { end, manner: Manner::Orderly })
    }

    fn count_dropped(&mut self) {
        for (lane, tally) in
            [(&mut self.up, &self.edge.tally.upstream), (&mut self.down, &self.edge.tally.downstream)]
        {
            let dropped = lane.chain.take_dropped();
            if dropped > 0 {
                tally.dropped.add(dropped);
            }
        }
    }
}
