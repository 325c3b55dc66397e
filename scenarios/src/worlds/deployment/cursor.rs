//! How far a table was read whose rows are numbered before they are committed.

use std::collections::BTreeMap;

/// A number whose row was not seen for so long, in microseconds, is nobody's: its transaction was undone. The stores'
/// transactions are ended by the database when they are silent for half as long.
const ABANDONED: i64 = 20_000_000;

/// What was read: all up to a number, and some beyond.
#[derive(Default)]
pub(super) struct Cursor {
    floor: i64,
    /// By its number, when each was.
    beyond: BTreeMap<i64, i64>,
}

impl Cursor {
    /// All up to this number was read, or is nobody's.
    pub(super) fn floor(&self) -> i64 {
        self.floor
    }

    /// Takes note of a row; whether it was not read before.
    pub(super) fn is_new(&mut self, seq: i64, at: i64) -> bool {
        let is_new = seq > self.floor && self.beyond.insert(seq, at).is_none();
        while let Some((next, then)) = self.beyond.first_key_value()
            && (*next == self.floor + 1 || at - *then > ABANDONED)
        {
            self.floor = *next;
            self.beyond.pop_first();
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Rows are committed in any order, and read again and again from the floor on.
        #[test]
        fn each_row_is_new_once_in_whatever_order_they_come(order in Just((1i64..40).collect::<Vec<_>>()).prop_shuffle()) {
            let (mut cursor, mut there, mut read) = (Cursor::default(), Vec::new(), Vec::<i64>::new());
            for seq in order {
                there.push(seq);
                there.sort_unstable();
                let floor = cursor.floor();
                read.extend(there.iter().filter(|seq| **seq > floor && cursor.is_new(**seq, 0)));
            }
            read.sort_unstable();
            prop_assert!(read.into_iter().eq(1..40));
            prop_assert_eq!(cursor.floor(), 39);
        }
    }

    #[test]
    fn a_number_of_nobody_is_waited_for_until_it_is_abandoned() {
        let mut cursor = Cursor::default();
        assert!(cursor.is_new(1, 0) && cursor.is_new(3, 0));
        assert!(!cursor.is_new(3, 0));
        assert_eq!(cursor.floor(), 1);
        assert!(cursor.is_new(4, ABANDONED));
        assert_eq!(cursor.floor(), 1, "not yet");
        assert!(cursor.is_new(5, ABANDONED + 1));
        assert_eq!(cursor.floor(), 5);
        assert!(!cursor.is_new(2, 0), "too late");
    }
}
