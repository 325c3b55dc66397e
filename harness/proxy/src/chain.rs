//! The stages of one direction of one connection, in the order in which they came to act on it.

use crate::limits::PASSING;
use crate::plan::{FaultId, Identity, Plan};
use crate::queue::Queue;
use crate::stage::{Piece, Pull, Stage};
use crate::toxic::Stream;
use std::time::Instant;

#[derive(Debug)]
struct Slot {
    id: FaultId,
    version: u64,
    stage: Box<dyn Stage>,
    /// It has ended the connection and has nothing more to say.
    ended: bool,
}

/// Invariant: pieces leave in the order they came, whatever comes and goes between.
#[derive(Debug)]
pub(crate) struct Chain {
    identity: Identity,
    direction: Stream,
    slots: Vec<Slot>,
    /// Past every stage, waiting for the socket.
    pub(crate) out: Queue,
}

impl Chain {
    pub(crate) fn new(identity: Identity, direction: Stream) -> Self {
        Self { identity, direction, slots: Vec::new(), out: Queue::default() }
    }

    /// Nothing acts here and nothing is left over: bytes may go straight through.
    pub(crate) fn is_clear(&self) -> bool {
        self.slots.is_empty() && self.out.is_empty()
    }

    /// Brings the stages in line with the plan. What a removed stage held goes to the one behind it.
    pub(crate) fn apply(&mut self, now: Instant, plan: &Plan) {
        for i in (0..self.slots.len()).rev() {
            let stays = plan.active.iter().any(|a| {
                a.id == self.slots[i].id && a.toxic.stream.covers(self.direction) && self.identity.drawn(a)
            });
            if !stays {
                let slot = self.slots.remove(i);
                for piece in slot.stage.retire(now) {
                    self.push_at(i, now, piece);
                }
            }
        }
        for active in &plan.active {
            if !active.toxic.stream.covers(self.direction) || !self.identity.drawn(active) {
                continue;
            }
            match self.slots.iter_mut().find(|slot| slot.id == active.id) {
                Some(slot) if slot.version != active.version => {
                    slot.version = active.version;
                    slot.stage.reshape(now, &active.toxic.effect);
                }
                Some(_) => {}
                None => {
                    let draw = self.identity.stream(active, self.direction);
                    if let Some(stage) = active.toxic.effect.stage(now, draw) {
                        self.slots.push(Slot { id: active.id, version: active.version, stage, ended: false });
                    }
                }
            }
        }
    }

    fn push_at(&mut self, i: usize, now: Instant, piece: Piece) {
        match self.slots.get_mut(i) {
            Some(slot) => slot.stage.push(now, piece),
            None => self.out.push(piece),
        }
    }

    fn room_at(&self, i: usize) -> usize {
        self.slots.get(i).map_or(PASSING.saturating_sub(self.out.weight()), |slot| slot.stage.room())
    }

    /// Whether the next piece may come in.
    pub(crate) fn has_room(&self) -> bool {
        self.room_at(0) > 0
    }

    pub(crate) fn push(&mut self, now: Instant, piece: Piece) {
        self.push_at(0, now, piece);
    }

    /// Moves on what is due; says when to come again.
    pub(crate) fn pump(&mut self, now: Instant) -> Option<Instant> {
        let mut wake: Option<Instant> = None;
        for i in 0..self.slots.len() {
            while !self.slots[i].ended && self.room_at(i + 1) > 0 {
                match self.slots[i].stage.pull(now) {
                    Pull::Piece(piece) => {
                        self.slots[i].ended = matches!(piece, Piece::Close | Piece::Reset);
                        self.push_at(i + 1, now, piece);
                    }
                    Pull::At(at) => {
                        wake = Some(wake.map_or(at, |w| w.min(at)));
                        break;
                    }
                    Pull::Nothing => break,
                }
            }
        }
        wake
    }

    pub(crate) fn take_dropped(&mut self) -> u64 {
        self.slots.iter_mut().map(|slot| slot.stage.take_dropped()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::HELD;
    use crate::plan::Active;
    use crate::toxic::Toxic;
    use bytes::Bytes;
    use proptest::prelude::*;
    use std::time::Duration;

    /// Toxics that promise to lose nothing.
    fn lossless() -> impl Strategy<Value = Toxic> {
        prop_oneof![
            (0_u64..50, 0_u64..50)
                .prop_map(|(l, j)| Toxic::latency(Duration::from_millis(l), Duration::from_millis(j))),
            (0_u64..500).prop_map(Toxic::bandwidth),
            (1_u64..40, 0_u64..3000).prop_map(|(size, delay)| Toxic::slicer(
                size,
                size / 2,
                Duration::from_micros(delay)
            )),
            (0_u64..50).prop_map(|d| Toxic::slow_close(Duration::from_millis(d))),
            Just(Toxic::stall()),
        ]
    }

    #[derive(Debug, Clone)]
    enum Act {
        Send(u8),
        Wait(u64),
        Add(Toxic),
        Remove(prop::sample::Index),
        Update(prop::sample::Index, Toxic),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (1_u8..=255).prop_map(Act::Send),
            3 => (0_u64..30).prop_map(Act::Wait),
            2 => lossless().prop_map(Act::Add),
            2 => any::<prop::sample::Index>().prop_map(Act::Remove),
            1 => (any::<prop::sample::Index>(), lossless()).prop_map(|(i, t)| Act::Update(i, t)),
        ]
    }

    fn collect(chain: &mut Chain, into: &mut Vec<u8>) -> Option<Piece> {
        while let Some(piece) = chain.out.pop() {
            match piece {
                Piece::Data { bytes, .. } => into.extend_from_slice(&bytes),
                end => return Some(end),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn bytes_keep_their_order_and_none_is_lost_whatever_comes_and_goes(
            seed: u64, acts in prop::collection::vec(act(), 1..60),
        ) {
            let mut chain = Chain::new(Identity { seed, number: 1 }, Stream::Upstream);
            let (mut now, mut plan, mut next_id) = (crate::clock::now(), Plan::default(), 0);
            let (mut sent, mut got) = (Vec::new(), Vec::new());
            for act in acts {
                match act {
                    Act::Send(n) => {
                        let bytes: Vec<u8> = (0..n).map(|i| i ^ n).collect();
                        sent.extend_from_slice(&bytes);
                        chain.push(now, Piece::Data { bytes: Bytes::from(bytes), at: now });
                    }
                    Act::Wait(ms) => now += Duration::from_millis(ms),
                    Act::Add(toxic) => {
                        next_id += 1;
                        plan.active.push(Active { id: FaultId(next_id), version: 0, toxic });
                    }
                    Act::Remove(i) if !plan.active.is_empty() => {
                        plan.active.remove(i.index(plan.active.len()));
                    }
                    Act::Update(i, toxic) if !plan.active.is_empty() => {
                        let i = i.index(plan.active.len());
                        if plan.active[i].toxic.effect.type_name() == toxic.effect.type_name() {
                            plan.active[i].toxic = toxic;
                            plan.active[i].version += 1;
                        }
                    }
                    Act::Remove(_) | Act::Update(..) => {}
                }
                chain.apply(now, &plan);
                chain.pump(now);
                prop_assert_eq!(collect(&mut chain, &mut got), None);
                prop_assert!(sent.starts_with(&got), "out of order or made up");
            }
            chain.push(now, Piece::Fin);
            chain.apply(now, &Plan::default());
            chain.pump(now);
            prop_assert_eq!(collect(&mut chain, &mut got), Some(Piece::Fin));
            prop_assert_eq!(got, sent);
            prop_assert!(chain.is_clear());
        }

        #[test]
        fn left_alone_everything_arrives_within_what_the_toxics_ask(
            seed: u64, latency in 0_u64..200, jitter in 0_u64..100, total in 1_usize..5000,
        ) {
            let mut chain = Chain::new(Identity { seed, number: 7 }, Stream::Downstream);
            let start = crate::clock::now();
            let toxics = [
                Toxic::latency(Duration::from_millis(latency), Duration::from_millis(jitter)),
                Toxic::bandwidth(100),
            ];
            let active = toxics.into_iter().enumerate()
                .map(|(i, toxic)| Active { id: FaultId(i as u64), version: 0, toxic }).collect();
            chain.apply(start, &Plan { active });
            chain.push(start, Piece::Data { bytes: Bytes::from(vec![3; total]), at: start });
            let (mut now, mut got, mut first) = (start, Vec::new(), None);
            while let Some(at) = chain.pump(now) {
                collect(&mut chain, &mut got);
                if !got.is_empty() { first.get_or_insert(now); }
                prop_assert!(at > now, "would spin");
                now = at;
            }
            collect(&mut chain, &mut got);
            prop_assert_eq!(got.len(), total);
            let took = now.duration_since(start).as_millis() as u64;
            prop_assert!(took >= latency.saturating_sub(jitter) + total as u64 / 100);
            prop_assert!(took <= latency + jitter + total as u64 / 100 + 1);
        }
    }

    #[test]
    fn a_full_stage_holds_the_sender_back() {
        let now = crate::clock::now();
        let mut chain = Chain::new(Identity { seed: 0, number: 0 }, Stream::Upstream);
        let stall = Active { id: FaultId(0), version: 0, toxic: Toxic::stall() };
        chain.apply(now, &Plan { active: vec![stall] });
        let mut held = 0;
        while chain.has_room() {
            chain.push(now, Piece::Data { bytes: Bytes::from(vec![0; 1 << 16]), at: now });
            held += 1 << 16;
        }
        assert_eq!(held, HELD);
    }

    #[test]
    fn toxicity_raised_brings_the_stage_lowered_takes_it_away() {
        let now = crate::clock::now();
        let mut chain = Chain::new(Identity { seed: 0, number: 0 }, Stream::Upstream);
        let at = |toxicity| Plan {
            active: vec![Active { id: FaultId(0), version: 0, toxic: Toxic::stall().toxicity(toxicity) }],
        };
        for (toxicity, clear) in [(0.0, true), (1.0, false), (0.0, true)] {
            chain.apply(now, &at(toxicity));
            assert_eq!(chain.is_clear(), clear, "{toxicity}");
        }
    }
}
