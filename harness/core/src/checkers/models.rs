//! A simple thing to check checkers with: two cells that can be read, written, and compared and swapped.

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Call, Model};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Read(u8),
    Write(u8, u8),
    Swap(u8, u8, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Done,
    Value(u8),
    Swapped(bool),
}

pub(super) struct Cells;

pub(super) fn act(cell: u8, ask: Ask) -> (u8, Said) {
    match ask {
        Ask::Read(_) => (cell, Said::Value(cell)),
        Ask::Write(_, value) => (value, Said::Done),
        Ask::Swap(_, from, to) if cell == from => (to, Said::Swapped(true)),
        Ask::Swap(..) => (cell, Said::Swapped(false)),
    }
}

impl Model for Cells {
    type Input = Ask;
    type Output = Said;
    type Key = u8;
    type State = u8;

    fn key(&self, input: &Ask) -> u8 {
        match input {
            Ask::Read(key) | Ask::Write(key, _) | Ask::Swap(key, ..) => *key,
        }
    }

    fn start(&self, _: &u8) -> u8 {
        0
    }

    fn step(&self, state: &u8, input: &Ask, output: Option<&Said>) -> Option<u8> {
        let (after, said) = act(*state, *input);
        output.is_none_or(|output| *output == said).then_some(after)
    }
}

/// Any small history, most of them not linearizable: answers are made up.
pub(super) fn history(most: usize) -> impl Strategy<Value = Vec<Call<Ask, Said>>> {
    let ask = prop_oneof![
        (0u8..2).prop_map(Ask::Read),
        (0u8..2, 0u8..3).prop_map(|(key, value)| Ask::Write(key, value)),
        (0u8..2, 0u8..3, 0u8..3).prop_map(|(key, from, to)| Ask::Swap(key, from, to)),
    ];
    let call = (ask, 0u64..30, 0u64..12, 0u8..3, any::<bool>(), 0u8..8);
    prop::collection::vec(call, 1..=most).prop_map(|calls| {
        let made = calls.into_iter().enumerate();
        made.map(|(caller, (input, began, took, value, flag, lost))| {
            let said = match input {
                Ask::Read(_) => Said::Value(value),
                Ask::Write(..) => Said::Done,
                Ask::Swap(..) => Said::Swapped(flag),
            };
            let ended = (lost > 0).then_some((began + took, said));
            Call { caller: caller as u64, input, began, ended }
        })
        .collect()
    })
}

/// What `callers` would have seen of a thing that works: each call takes effect at some instant between its
/// begin and its end. `lost` in a hundred are never answered, half of which never took effect.
pub(super) fn concurrent(seed: u64, callers: usize, calls: usize, lost: u8) -> Vec<Call<Ask, Said>> {
    let mut chance = SmallRng::seed_from_u64(seed);
    let mut free_at = vec![0u64; callers];
    let mut planned = Vec::new();
    for _ in 0..calls {
        let caller = chance.random_range(0..callers);
        let began = free_at[caller] + chance.random_range(0..30);
        let effect = began + chance.random_range(0..50);
        let ended = effect + chance.random_range(0..50);
        free_at[caller] = ended + 1;
        let key = chance.random_range(0..2);
        let (from, to) = (chance.random_range(0..4), chance.random_range(0..4));
        let input = match chance.random_range(0..3) {
            0 => Ask::Read(key),
            1 => Ask::Write(key, to),
            _ => Ask::Swap(key, from, to),
        };
        let is_lost = chance.random_range(0..100) < lost;
        let happens = !is_lost || chance.random();
        planned.push((effect, caller, began, ended, input, is_lost, happens));
    }
    planned.sort_by_key(|(effect, caller, ..)| (*effect, *caller));
    let mut cells = [0u8; 2];
    let mut history: Vec<_> = planned
        .into_iter()
        .map(|(_, caller, began, ended, input, is_lost, happens)| {
            let cell = &mut cells[usize::from(Cells.key(&input))];
            let (after, said) = act(*cell, input);
            if happens {
                *cell = after;
            }
            Call { caller: caller as u64, input, began, ended: (!is_lost).then_some((ended, said)) }
        })
        .collect();
    history.sort_by_key(|call| call.began);
    history
}
