//! Which calls have been given their place, as a set that is cheap to remember.

/// A set of indices, grown from the low end.
#[derive(Clone, Debug, Default)]
pub(super) struct Linearized {
    words: Vec<u64>,
}

/// A [`Linearized`] as a key: full words at the front are counted, empty words at the end left out. So it is
/// as long as the calls are concurrent, not as the history.
pub(super) type Key = (u32, Box<[u64]>);

impl Linearized {
    pub(super) fn with_room_for(calls: usize) -> Self {
        Self { words: vec![0; calls.div_ceil(64)] }
    }

    pub(super) fn insert(&mut self, index: usize) {
        self.words[index / 64] |= 1 << (index % 64);
    }

    pub(super) fn remove(&mut self, index: usize) {
        self.words[index / 64] &= !(1 << (index % 64));
    }

    pub(super) fn key(&self) -> Key {
        let full = self.words.iter().take_while(|word| **word == u64::MAX).count();
        let rest = &self.words[full..];
        let used = rest.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        (full as u32, rest[..used].into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn of(indices: &BTreeSet<usize>) -> Linearized {
        let mut set = Linearized::with_room_for(300);
        for index in indices {
            set.insert(*index);
        }
        set
    }

    proptest! {
        #[test]
        fn two_sets_have_one_key_exactly_when_they_are_equal(
            low in 0usize..250,
            a in prop::collection::btree_set(0usize..300, 0..12),
            b in prop::collection::btree_set(0usize..300, 0..12),
        ) {
            let filled: BTreeSet<usize> = (0..low).collect();
            let (a, b): (BTreeSet<_>, BTreeSet<_>) = (&a | &filled, &b | &filled);
            prop_assert_eq!(of(&a).key() == of(&b).key(), a == b);
            let mut back = of(&(&a | &b));
            for index in b.difference(&a) {
                back.remove(*index);
            }
            prop_assert_eq!(back.key(), of(&a).key());
        }
    }
}
