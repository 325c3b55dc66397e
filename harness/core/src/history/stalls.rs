//! When the machine stalled, and what that leaves of a bound.

use std::time::Duration;

use crate::time::{At, Span};

/// The stalls of a run: in order, and apart from each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Stalls(Vec<Span>);

impl Stalls {
    /// Adds one, joined with those it touches.
    pub(super) fn add(&mut self, stall: Span) {
        let first = self.0.partition_point(|known| known.hi < stall.lo);
        let last = self.0.partition_point(|known| known.lo <= stall.hi);
        let joined = self.0[first..last]
            .iter()
            .fold(stall, |joined, known| Span { lo: joined.lo.min(known.lo), hi: joined.hi.max(known.hi) });
        self.0.splice(first..last, [joined]);
    }

    /// For how long altogether the machine stalled within `window`.
    pub(super) fn within(&self, window: Span) -> Duration {
        let first = self.0.partition_point(|known| known.hi < window.lo);
        self.0[first..]
            .iter()
            .take_while(|stall| stall.lo <= window.hi)
            .map(|stall| stall.hi.min(window.hi).saturating_since(stall.lo.max(window.lo)))
            .sum()
    }

    /// The longest stall that `at` may be a consequence of: it breaks deadlines that are shorter than
    /// itself, while it lasts or, of what began in it, within its own length after it.
    pub(super) fn behind(&self, at: Span) -> Option<Duration> {
        let reaches = |stall: &&Span| Span { lo: stall.lo, hi: stall.hi + stall.width() }.overlaps(at);
        self.0.iter().filter(reaches).map(|stall| stall.width()).max()
    }

    /// The last instant at which no more than `within` has passed since `from`, stalls not counted.
    pub(super) fn deadline(&self, from: At, within: Duration) -> At {
        let (mut counted_to, mut left) = (from, within);
        for stall in self.0.iter().filter(|stall| stall.hi > from) {
            let running = stall.lo.saturating_since(counted_to);
            if running > left {
                break;
            }
            left -= running;
            counted_to = stall.hi;
        }
        counted_to + left
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(n: u64) -> At {
        At::from_start(Duration::from_nanos(n))
    }

    fn stalls() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((0u64..60, 0u64..12), 0..6)
    }

    proptest! {
        #[test]
        fn what_stalled_is_counted_once_and_a_deadline_does_not_count_it(
            drawn in stalls(), from in 0u64..50, within in 0u64..40,
        ) {
            let mut known = Stalls::default();
            for (lo, length) in &drawn {
                known.add(Span { lo: at(*lo), hi: at(lo + length) });
            }
            let stalled = |instant: u64| drawn.iter().any(|(lo, length)| (*lo..lo + length).contains(&instant));
            let counted = |from: u64, to: u64| (from..to).filter(|instant| stalled(*instant)).count() as u64;

            let sum = known.within(Span { lo: at(from), hi: at(from + within) });
            prop_assert_eq!(sum, Duration::from_nanos(counted(from, from + within)));

            let running = |to: u64| to - from - counted(from, to);
            let expected = (from..400).take_while(|to| running(*to) <= within).last().unwrap();
            prop_assert_eq!(known.deadline(at(from), Duration::from_nanos(within)), at(expected));
        }
    }
}
