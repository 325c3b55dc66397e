//! How much of the time something had to wait for a processor or a disk of this machine: the kernel's pressure
//! stall information, see <https://docs.kernel.org/accounting/psi.html>.
//!
//! A thread that sleeps and wakes is served at once on a machine that is too busy for all the others, so its
//! own lateness does not show it. This does.

use std::fs;
use std::time::Duration;

/// What is waited for.
const RESOURCES: [&str; 2] = ["/proc/pressure/cpu", "/proc/pressure/io"];

/// For how long, since the machine started, something had to wait for each resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waited([Duration; 2]);

impl Waited {
    /// Up to now. Nothing where the kernel does not count it.
    pub(crate) fn so_far() -> Option<Self> {
        let mut waited = [Duration::ZERO; 2];
        for (waited, path) in waited.iter_mut().zip(RESOURCES) {
            *waited = total(&fs::read_to_string(path).ok()?)?;
        }
        Some(Self(waited))
    }

    #[cfg(test)]
    pub(crate) fn of(processor: Duration) -> Self {
        Self([processor, Duration::ZERO])
    }

    /// The longest wait of one resource since an earlier reading.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let each = self.0.into_iter().zip(earlier.0);
        each.map(|(now, then)| now.saturating_sub(then)).max().unwrap_or_default()
    }
}

/// The total of the line `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, microseconds.
fn total(text: &str) -> Option<Duration> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split(' ').find_map(|field| field.strip_prefix("total="))?;
    total.trim().parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_total_is_read_of_what_some_waited_for_and_not_all(some in 0u64..1 << 50, full in 0u64..1 << 50) {
            let text = format!(
                "some avg10=1.35 avg60=2.89 avg300=2.48 total={some}\n\
                 full avg10=0.00 avg60=0.00 avg300=0.00 total={full}\n"
            );
            prop_assert_eq!(total(&text), Some(Duration::from_micros(some)));
        }

        #[test]
        fn the_worst_of_the_resources_counts(
            then in [0u64..1 << 40, 0u64..1 << 40], more in [0u64..1 << 40, 0u64..1 << 40],
        ) {
            let earlier = Waited(then.map(Duration::from_micros));
            let now = Waited([then[0] + more[0], then[1] + more[1]].map(Duration::from_micros));
            prop_assert_eq!(now.since(earlier), Duration::from_micros(more[0].max(more[1])));
        }

        #[test]
        fn what_is_no_such_text_has_no_total(text in "[a-z0-9= .\n]{0,60}") {
            prop_assume!(!text.contains("some "));
            prop_assert_eq!(total(&text), None);
        }
    }
}
