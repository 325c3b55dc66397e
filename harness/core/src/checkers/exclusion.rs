//! Was anyone inside while someone else was?

use super::Answer;

/// The time somebody was certainly inside: from the instant they knew they were in, to the last instant
/// they knew they still were (they began to leave, or the last thing they did inside was answered). Someone
/// who was never heard of inside was inside for no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Who.
    pub caller: u64,
    /// What was entered: stays in different rooms don't meet.
    pub room: String,
    /// The first certain instant.
    pub from: u64,
    /// The last certain instant.
    pub until: u64,
}

/// Two that were certainly inside at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The one who was in first.
    pub first: Stay,
    /// The one who came before the first had left.
    pub second: Stay,
}

/// Whether no two were certainly in one room at one instant; else the pair that shows it first. Unknown when
/// there are fewer than two stays in every room: nothing could have met.
pub fn exclusive(stays: &[Stay]) -> Answer<Overlap> {
    let mut sorted: Vec<&Stay> = stays.iter().filter(|stay| stay.from <= stay.until).collect();
    sorted.sort_by_key(|stay| (&stay.room, stay.from, stay.until, stay.caller));
    let mut met = 0;
    let mut first_seen: Option<Overlap> = None;
    let mut longest: Option<&Stay> = None;
    for stay in sorted {
        match longest.filter(|longest| longest.room == stay.room) {
            Some(before) => {
                met += 1;
                if stay.from < before.until && first_seen.as_ref().is_none_or(|o| stay.from < o.second.from) {
                    first_seen = Some(Overlap { first: before.clone(), second: stay.clone() });
                }
                longest = Some(if stay.until > before.until { stay } else { before });
            }
            None => longest = Some(stay),
        }
    }
    match first_seen {
        Some(overlap) => Answer::Violation(overlap),
        None if met == 0 => Answer::Unknown { why: "no room was entered twice".to_owned() },
        None => Answer::Holds { weighed: stays.len(), steps: met },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stays() -> impl Strategy<Value = Vec<Stay>> {
        let stay = (0u64..4, "[ab]", 0u64..60, 0u64..12);
        prop::collection::vec(
            stay.prop_map(|(caller, room, from, length)| Stay { caller, room, from, until: from + length }),
            0..8,
        )
    }

    fn meet(a: &Stay, b: &Stay) -> bool {
        a.room == b.room && a.from.max(b.from) < a.until.min(b.until)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn it_says_what_comparing_every_pair_says(stays in stays()) {
            let pairs = || (0..stays.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
            let any = pairs().any(|(a, b)| meet(&stays[a], &stays[b]));
            match exclusive(&stays) {
                Answer::Violation(Overlap { first, second }) => {
                    prop_assert!(first.room == second.room && first.from <= second.from && second.from < first.until);
                }
                Answer::Holds { .. } => prop_assert!(!any),
                Answer::Unknown { .. } => {
                    prop_assert!(pairs().all(|(a, b)| stays[a].room != stays[b].room), "nothing could have met");
                }
            }
        }
    }

    #[test]
    fn touching_is_not_meeting_and_one_alone_proves_nothing() {
        let stay = |caller, from, until| Stay { caller, room: "hub".into(), from, until };
        assert!(exclusive(&[stay(1, 0, 10), stay(2, 10, 20)]).holds());
        let overlap = Overlap { first: stay(1, 0, 10), second: stay(2, 9, 20) };
        assert_eq!(exclusive(&[stay(2, 9, 20), stay(1, 0, 10)]), Answer::Violation(overlap));
        assert!(matches!(exclusive(&[stay(1, 0, 10)]), Answer::Unknown { .. }));
    }
}
