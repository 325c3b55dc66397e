//! Letting a fixed share of the requests through, without chance.

use crate::Percent;

/// Spreads admissions evenly: of any `n` requests in a row, the share is met to within one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sampling {
    /// Hundredths of a request earned so far; a whole one is an admission.
    earned: u8,
}

impl Sampling {
    /// Begins so that the very first request is let through.
    pub(super) fn new(share: Option<Percent>) -> Self {
        Self { earned: share.map_or(0, |share| 100 - share.get()) }
    }

    /// Whether the next request is let through.
    pub(super) fn draw(&mut self, share: Percent) -> bool {
        self.earned += share.get();
        let through = self.earned >= 100;
        if through {
            self.earned -= 100;
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn of_any_run_of_requests_the_share_gets_through_to_within_one(
            share in 1u8..=100,
            skipped in 0usize..300,
            run in 1usize..500,
        ) {
            let share = Percent::new(share).unwrap();
            let mut sampling = Sampling::new(Some(share));
            for _ in 0..skipped {
                sampling.draw(share);
            }
            let through = (0..run).filter(|_| sampling.draw(share)).count();
            let exact = run * usize::from(share.get());
            prop_assert!(through * 100 < exact + 100 && through * 100 + 100 > exact, "{through} of {run}");
        }
    }

    #[test]
    fn at_20_percent_the_first_request_and_every_fifth_after_it_get_through() {
        let share = Percent::new(20).unwrap();
        let mut sampling = Sampling::new(Some(share));
        let through: Vec<_> = (0..12).filter(|_| sampling.draw(share)).collect();
        assert_eq!(through, [0, 5, 10]);
    }
}
