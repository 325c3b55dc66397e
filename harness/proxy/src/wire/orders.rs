//! What the plan makes of a connection as a whole: whether it is cut, who answers, which side is gone.

use super::Wire;
use super::dial::Upstream;
use super::ending::{Ending, Manner};
use crate::connections::{Cut, End};
use crate::effect::Effect;
use crate::toxic::Stream;
use crate::toxics::answer::Responder;
use std::time::Instant;

impl Wire {
    /// Brings this connection in line with the plan.
    pub(super) fn take_orders(&mut self, now: Instant) -> Option<Ending> {
        if let Some(cut) = self.tap.order() {
            self.edge.tally.cut.add(1);
            let manner = match cut {
                Cut::Rst => Manner::Reset,
                Cut::Fin => Manner::Orderly,
            };
            return Some(Ending { end: End::Cut(cut), manner });
        }
        let plan = self.edge.control.plan();
        self.count_dropped();
        self.up.chain.apply(now, &plan);
        self.down.chain.apply(now, &plan);
        (self.answer, self.hole, self.half_open) = (None, false, None);
        for active in plan.active.iter().filter(|a| self.identity.drawn(a)) {
            match &active.toxic.effect {
                Effect::Answer(answer) => self.answer = Some(answer.clone()),
                Effect::BlackHole(_) => self.hole |= active.toxic.stream.covers(Stream::Upstream),
                Effect::HalfOpen(_) => self.half_open = Some(active.toxic.stream),
                _ => {}
            }
        }
        self.reroute();
        self.lose_a_side();
        None
    }

    /// An exchange keeps the party it began with; between exchanges the plan decides who answers.
    pub(super) fn reroute(&mut self) {
        if self.exchange.is_some() || self.responder.as_ref().is_some_and(|r| !r.is_idle()) {
            return;
        }
        if self.responder.as_ref().map(Responder::answer) != self.answer.as_ref() {
            self.responder = self.answer.clone().map(Responder::new);
        }
    }

    pub(super) fn lose_a_side(&mut self) {
        match self.half_open {
            Some(Stream::Upstream) => {
                if let Upstream::Up(socket) = &self.upstream {
                    let _ = socket.set_zero_linger();
                }
                self.upstream = Upstream::Gone;
            }
            Some(Stream::Downstream | Stream::Both) if matches!(self.upstream, Upstream::Up(_)) => {
                if let Some(socket) = self.client.take() {
                    let _ = socket.set_zero_linger();
                }
                self.exchange = None;
            }
            Some(_) | None => {}
        }
    }

    /// The side that believed in a half-open connection has spoken after the healing, and nobody is there.
    pub(super) fn is_found_out(&self) -> bool {
        let (server_gone, client_gone) = (matches!(self.upstream, Upstream::Gone), self.client.is_none());
        if server_gone && client_gone {
            return true;
        }
        self.half_open.is_none()
            && (server_gone && (self.found_out || self.up.done)
                || client_gone && (self.found_out || self.down.done))
    }
}
