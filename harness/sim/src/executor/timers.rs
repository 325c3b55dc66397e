//! The timer heap: deadline, seeded tie, sequence → waker.
//!
//! Timers fire one at a time, in the order of their deadlines; among equal deadlines the seed decides.
//! Pure: knows no clock.

use std::collections::BTreeMap;
use std::task::Waker;

use rand::Rng;
use rand::rngs::SmallRng;

/// A timer's place in the heap. Nanoseconds come first, so the smallest key fires next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    deadline: u64,
    tie: u64,
    sequence: u64,
}

/// The timers that have not fired.
pub(crate) struct Timers {
    heap: BTreeMap<TimerKey, Waker>,
    chance: SmallRng,
    sequence: u64,
}

impl Timers {
    pub(crate) fn new(chance: SmallRng) -> Self {
        Self { heap: BTreeMap::new(), chance, sequence: 0 }
    }

    /// Adds a timer.
    pub(crate) fn insert(&mut self, deadline: u64, waker: Waker) -> TimerKey {
        let key = TimerKey { deadline, tie: self.chance.random(), sequence: self.sequence };
        self.sequence += 1;
        self.heap.insert(key, waker);
        key
    }

    /// Has the timer wake another task.
    pub(crate) fn rewire(&mut self, key: TimerKey, waker: Waker) -> Option<Waker> {
        self.heap.get_mut(&key).map(|old| std::mem::replace(old, waker))
    }

    /// Takes a timer back. The waker is for the caller to drop, outside any lock.
    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<Waker> {
        self.heap.remove(&key)
    }

    /// The next deadline.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.heap.first_key_value().map(|(key, _)| key.deadline)
    }

    /// Takes the timer that is next.
    pub(crate) fn pop(&mut self) -> Option<(u64, Waker)> {
        self.heap.pop_first().map(|(key, waker)| (key.deadline, waker))
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Takes all of them.
    pub(crate) fn drain(&mut self) -> BTreeMap<TimerKey, Waker> {
        std::mem::take(&mut self.heap)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chance;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u64),
        Remove(usize),
        Pop,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0u64..20).prop_map(Op::Insert),
            1 => any::<usize>().prop_map(Op::Remove),
            2 => Just(Op::Pop),
        ]
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_sorted_list_of_the_deadlines_put_in_and_not_taken_back(
            seed in any::<u64>(), ops in proptest::collection::vec(op(), 0..200),
        ) {
            let mut timers = Timers::new(chance::stream(seed, "timers"));
            let mut model: Vec<TimerKey> = Vec::new();
            for op in ops {
                match op {
                    Op::Insert(deadline) => model.push(timers.insert(deadline, Waker::noop().clone())),
                    Op::Remove(which) if !model.is_empty() => {
                        let key = model.swap_remove(which % model.len());
                        prop_assert!(timers.remove(key).is_some());
                        prop_assert!(timers.remove(key).is_none());
                    }
                    Op::Remove(_) => {}
                    Op::Pop => {
                        let earliest = model.iter().map(|key| key.deadline).min();
                        prop_assert_eq!(timers.next_deadline(), earliest);
                        let popped = timers.pop().map(|(deadline, _)| deadline);
                        prop_assert_eq!(popped, earliest);
                        // Among equal deadlines any may fire; which one did is what the heap lost.
                        model.retain(|key| timers.heap.contains_key(key));
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
            }
        }
    }
}
