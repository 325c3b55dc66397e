//! How long a service may take to start, learnt from how long it took.

use std::time::Duration;

use crate::Service;

/// How far back start times count.
pub const WINDOW: Duration = Duration::from_secs(30 * 24 * 3600);

/// How many start times are needed before they count.
pub const ENOUGH: usize = 3;

/// A start timeout, and where it comes from: shown with it, so that nobody takes a table's for a learnt one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartTimeout {
    /// The timeout.
    pub limit: Duration,
    /// Where it comes from.
    pub from: Source,
}

/// Where a start timeout comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The table: there are only this many start times.
    Table {
        /// How many.
        samples: usize,
    },
    /// The service's own start times.
    Learnt {
        /// How many.
        samples: usize,
        /// What 95 % of them stayed within.
        p95: Duration,
    },
}

/// The start timeout of a service, from its start times within [`WINDOW`] in any order: one and a half times
/// what 95 % of them stayed within, but at least half and at most double of the table's. With fewer than
/// three of them, the table's.
pub fn start_timeout(service: Service, samples: &[Duration]) -> StartTimeout {
    let table = service.start_timeout();
    if samples.len() < ENOUGH {
        return StartTimeout { limit: table, from: Source::Table { samples: samples.len() } };
    }
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let p95 = sorted[(sorted.len() * 95).div_ceil(100) - 1];
    let limit = p95.saturating_mul(3).checked_div(2).unwrap_or(p95).clamp(table / 2, table * 2);
    StartTimeout { limit, from: Source::Learnt { samples: samples.len(), p95 } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_one_and_a_half_times_p95_between_half_and_double_of_the_tables(
            service in prop::sample::select(Service::ALL.to_vec()),
            millis in prop::collection::vec(1u64..600_000, 0..200),
        ) {
            let samples: Vec<_> = millis.iter().copied().map(Duration::from_millis).collect();
            let table = service.start_timeout();
            let StartTimeout { limit, from } = start_timeout(service, &samples);
            match from {
                Source::Table { samples: counted } => {
                    prop_assert!(counted == samples.len() && counted < 3);
                    prop_assert_eq!(limit, table);
                }
                Source::Learnt { samples: counted, p95 } => {
                    prop_assert!(counted == samples.len() && counted >= 3);
                    let within = samples.iter().filter(|took| **took <= p95).count();
                    let below = samples.iter().filter(|took| **took < p95).count();
                    prop_assert!(within * 100 >= counted * 95, "95 % stayed within");
                    prop_assert!(below * 100 < counted * 95, "and within no less");
                    prop_assert_eq!(limit, (p95 * 3 / 2).clamp(table / 2, table * 2));
                }
            }
        }
    }

    #[test]
    fn a_slow_keycloak_gets_more_time_and_a_fast_one_less_within_bounds() {
        let learnt =
            |seconds: u64| start_timeout(Service::Keycloak, &[Duration::from_secs(seconds); 3]).limit;
        assert_eq!(learnt(9), Duration::from_secs(120));
        assert_eq!(learnt(150), Duration::from_secs(225));
        assert_eq!(learnt(400), Duration::from_secs(480));
        let two = start_timeout(Service::Keycloak, &[Duration::from_secs(9); 2]);
        let table = StartTimeout { limit: Duration::from_secs(240), from: Source::Table { samples: 2 } };
        assert_eq!(two, table);
    }
}
