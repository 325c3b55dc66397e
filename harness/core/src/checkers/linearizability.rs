//! Is there an order of the calls that explains all answers?
//!
//! The search of Wing and Gong, with Lowe's memory: walk the history from its begin; any call that began
//! before the first answer still to be explained may be next; where none fits, take the last one back. A set
//! of placed calls together with the state they led to is tried once only. Calls on different keys don't
//! meet, so each key is a search of its own.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;

use super::linearized::{Key, Linearized};
use super::ring::{Event, Ring};
use super::{Answer, Call};

/// A simple sequential thing that a concurrent one is held to.
pub trait Model {
    /// What a call asks.
    type Input;
    /// What a call answers.
    type Output;
    /// What calls share when they can affect each other.
    type Key: Ord + Clone + Debug;
    /// What it remembers.
    type State: Clone + Eq + Hash;

    /// The key of a call.
    fn key(&self, input: &Self::Input) -> Self::Key;

    /// What it remembers before the first call.
    fn start(&self, key: &Self::Key) -> Self::State;

    /// What it remembers after a call that was answered like this; `None` when it would never answer so.
    /// Without an answer: what it remembers after the call took effect, whatever it would have answered.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;
}

/// The shortest beginning of a history that no order explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness<K> {
    /// The key on which it happened.
    pub key: K,
    /// The call whose answer can't be explained, by its index in the history. Without this answer, the
    /// history up to it could be.
    pub unexplained: usize,
    /// The calls on this key that began before that answer, by their indices, in the order they began.
    pub calls: Vec<usize>,
    /// An order that explains all answers before that one.
    pub explained: Vec<usize>,
}

/// Whether the answers in `history` are those of some order of its calls on `model`, in which every call has
/// its place between its begin and its end. Gives up after `budget` steps of the model.
pub fn linearizable<M: Model>(
    model: &M,
    history: &[Call<M::Input, M::Output>],
    budget: u64,
) -> Answer<Witness<M::Key>> {
    if history.iter().all(|call| call.ended.is_none()) {
        return Answer::Unknown { why: "nothing was answered, so there is nothing to explain".to_owned() };
    }
    let mut by_key: BTreeMap<M::Key, Vec<usize>> = BTreeMap::new();
    for (index, call) in history.iter().enumerate() {
        by_key.entry(model.key(&call.input)).or_default().push(index);
    }
    let mut left = budget;
    let mut gave_up = None;
    for (key, mut calls) in by_key {
        calls.sort_by_key(|index| history[*index].began);
        let searched = Searched { model, history, key: &key, calls: &calls };
        match searched.search(searched.answers(), &mut left) {
            Found::Order(_) => {}
            Found::Nothing => return Answer::Violation(searched.witness(&mut left)),
            Found::NotYet => gave_up = Some(key),
        }
    }
    match gave_up {
        None => Answer::Holds { weighed: history.len(), steps: budget - left },
        Some(key) => Answer::Unknown { why: format!("no order found for {key:?} within {budget} steps") },
    }
}

enum Found {
    /// This order explains the answers.
    Order(Vec<usize>),
    /// None does.
    Nothing,
    /// None was found yet, and the budget is spent.
    NotYet,
}

/// The history of one key.
struct Searched<'a, M: Model> {
    model: &'a M,
    history: &'a [Call<M::Input, M::Output>],
    key: &'a M::Key,
    /// Its calls in the order they began, as indices of the history.
    calls: &'a [usize],
}

impl<M: Model> Searched<'_, M> {
    fn answers(&self) -> usize {
        self.calls.iter().filter(|index| self.history[**index].ended.is_some()).count()
    }

    /// Begins and answers in their order: when, whether it is an answer, which call. Answers of one instant
    /// come after the begins of that instant, so that calls which touch count as concurrent.
    fn order(&self) -> Vec<(u64, bool, usize)> {
        let mut order = Vec::with_capacity(self.calls.len() * 2);
        for (call, index) in self.calls.iter().enumerate() {
            order.push((self.history[*index].began, false, call));
            order.extend(self.history[*index].ended.as_ref().map(|(at, _)| (*at, true, call)));
        }
        order.sort_unstable();
        order
    }

    /// Looks for an order that explains the first so many answers, as if nothing had been heard since.
    fn search(&self, answers: usize, left: &mut u64) -> Found {
        let mut ring = Ring::new(self.calls.len(), self.order(), answers);
        let mut unexplained = answers;
        let mut state = self.model.start(self.key);
        let mut placed: Vec<(usize, M::State)> = Vec::new();
        let mut set = Linearized::with_room_for(self.calls.len());
        let mut tried: HashSet<(Key, M::State)> = HashSet::new();
        let mut at = ring.first();
        while unexplained > 0 {
            let Event { call, is_answer, next, .. } = ring.events[at];
            if !is_answer {
                if *left == 0 {
                    return Found::NotYet;
                }
                *left -= 1;
                let Call { input, ended, .. } = &self.history[self.calls[call]];
                let output = ended.as_ref().map(|(_, output)| output).filter(|_| ring.is_answered(call));
                at = next;
                if let Some(after) = self.model.step(&state, input, output) {
                    set.insert(call);
                    if tried.insert((set.key(), after.clone())) {
                        unexplained -= usize::from(output.is_some());
                        placed.push((call, std::mem::replace(&mut state, after)));
                        ring.place(call);
                        at = ring.first();
                    } else {
                        set.remove(call);
                    }
                }
            } else if let Some((last, before)) = placed.pop() {
                // No call that began before this answer leads to it: the last one placed goes elsewhere.
                state = before;
                set.remove(last);
                unexplained += usize::from(ring.is_answered(last));
                ring.take_back(last);
                at = ring.events[ring.places[last].0].next;
            } else {
                return Found::Nothing;
            }
        }
        Found::Order(placed.into_iter().map(|(call, _)| self.calls[call]).collect())
    }

    /// Cuts a history that nothing explains to its shortest beginning that nothing explains. What can't be
    /// explained stays so whatever follows, so the cut is found by halving; when the budget is spent first,
    /// the beginning is not the shortest but a violation all the same.
    fn witness(&self, left: &mut u64) -> Witness<M::Key> {
        let (mut good, mut bad) = (0, self.answers());
        let mut explained = Vec::new();
        while bad - good > 1 {
            let middle = good.midpoint(bad);
            match self.search(middle, left) {
                Found::Order(order) => (good, explained) = (middle, order),
                Found::Nothing => bad = middle,
                Found::NotYet => break,
            }
        }
        let order = self.order();
        let (cut, (.., last)) = order
            .iter()
            .enumerate()
            .filter(|(_, (_, is_answer, _))| *is_answer)
            .nth(bad - 1)
            .expect("a history without answers is explained");
        let begun = order[..cut].iter().filter(|(_, is_answer, _)| !is_answer);
        Witness {
            key: self.key.clone(),
            unexplained: self.calls[*last],
            calls: begun.map(|(.., call)| self.calls[*call]).collect(),
            explained,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::brute_force;
    use super::super::models::{Ask, Cells, Said, concurrent, history};
    use super::*;

    const BUDGET: u64 = 10_000_000;

    fn call(caller: u64, input: Ask, began: u64, ended: Option<(u64, Said)>) -> Call<Ask, Said> {
        Call { caller, input, began, ended }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn it_says_what_trying_every_order_says(history in history(7)) {
            let answer = linearizable(&Cells, &history, BUDGET);
            if history.iter().all(|call| call.ended.is_none()) {
                prop_assert_eq!(answer.verdict(), crate::verdict::Verdict::Inconclusive);
                return Ok(());
            }
            prop_assert_eq!(answer.holds(), brute_force::linearizable(&Cells, &history));
            if let Answer::Violation(witness) = answer {
                // Answers of one instant are weighed in the order of their begins.
                let at = |index: usize| {
                    let place = witness.calls.iter().position(|call| *call == index);
                    (history[index].ended.map(|(at, _)| at), place)
                };
                let cut = |inclusive: bool| -> Vec<Call<Ask, Said>> {
                    let last = at(witness.unexplained);
                    witness.calls.iter().map(|index| {
                        let mut call = history[*index].clone();
                        call.ended = call.ended.filter(|_| at(*index) < last || inclusive && at(*index) == last);
                        call
                    }).collect()
                };
                prop_assert!(!brute_force::linearizable(&Cells, &cut(true)), "it is a violation");
                prop_assert!(brute_force::linearizable(&Cells, &cut(false)), "and the shortest");
            }
        }

        #[test]
        fn what_really_took_effect_in_some_order_is_linearizable(
            seed: u64, callers in 1usize..8, lost in 0u8..20
        ) {
            let history = concurrent(seed, callers, 200, lost);
            let answer = linearizable(&Cells, &history, BUDGET);
            prop_assert!(answer.holds(), "{answer:?}");
        }

        #[test]
        fn one_wrong_answer_in_a_long_history_is_found(seed: u64, callers in 1usize..6, which: prop::sample::Index) {
            let mut history = concurrent(seed, callers, 200, 0);
            let reads: Vec<usize> = (0..history.len())
                .filter(|index| matches!(history[*index].input, Ask::Read(_))).collect();
            prop_assume!(!reads.is_empty());
            let index = reads[which.index(reads.len())];
            history[index].ended.as_mut().unwrap().1 = Said::Value(77);
            let Answer::Violation(witness) = linearizable(&Cells, &history, BUDGET) else {
                return Err(TestCaseError::fail("not found"));
            };
            prop_assert_eq!(witness.unexplained, index);
        }
    }

    #[test]
    fn a_stale_read_is_a_violation_and_a_concurrent_one_is_not() {
        let written = call(1, Ask::Write(0, 1), 0, Some((10, Said::Done)));
        let stale = |began| call(2, Ask::Read(0), began, Some((20, Said::Value(0))));
        assert!(linearizable(&Cells, &[written.clone(), stale(10)], BUDGET).holds());
        let witness = Witness { key: 0, unexplained: 1, calls: vec![0, 1], explained: vec![0] };
        assert_eq!(linearizable(&Cells, &[written, stale(11)], BUDGET), Answer::Violation(witness));
    }

    #[test]
    fn a_lost_update_is_a_violation() {
        let swap = |caller, began| {
            call(caller, Ask::Swap(0, 0, caller as u8), began, Some((began + 9, Said::Swapped(true))))
        };
        assert!(matches!(linearizable(&Cells, &[swap(1, 0), swap(2, 5)], BUDGET), Answer::Violation(_)));
    }

    #[test]
    fn what_was_never_answered_may_have_happened_or_not() {
        let lost = call(1, Ask::Write(0, 1), 0, None);
        let read = |began, value| call(2, Ask::Read(0), began, Some((began + 1, Said::Value(value))));
        assert!(linearizable(&Cells, &[lost.clone(), read(10, 0), read(20, 1)], BUDGET).holds());
        let back = linearizable(&Cells, &[lost, read(10, 1), read(20, 0)], BUDGET);
        assert!(matches!(back, Answer::Violation(_)), "but it does not un-happen");
    }

    #[test]
    fn keys_do_not_explain_each_other() {
        let history = [
            call(1, Ask::Write(0, 1), 0, Some((1, Said::Done))),
            call(1, Ask::Read(1), 2, Some((3, Said::Value(1)))),
        ];
        let Answer::Violation(witness) = linearizable(&Cells, &history, BUDGET) else { panic!("not seen") };
        assert_eq!((witness.key, witness.calls), (1, vec![1]));
    }

    #[test]
    fn out_of_budget_is_unknown_and_so_is_an_empty_history() {
        let history = concurrent(7, 5, 200, 0);
        for (history, budget) in [(history.as_slice(), 50), (&[], BUDGET)] {
            let answer = linearizable(&Cells, history, budget);
            assert_eq!(answer.verdict(), crate::verdict::Verdict::Inconclusive);
            assert!(!answer.holds());
        }
    }

    /// 5,000 calls of five callers on few keys: the steps are bounded, and few.
    #[test]
    fn five_thousand_calls_take_few_steps() {
        for seed in 0..5 {
            let history = concurrent(seed, 5, 5_000, 1);
            let Answer::Holds { weighed, steps } = linearizable(&Cells, &history, 200_000) else {
                panic!("not within the budget")
            };
            assert_eq!(weighed, 5_000);
            assert!(steps >= 5_000);
        }
    }
}
