//! How long a step lets time pass: a time, or one that is drawn from the run's seed.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use schemars::JsonSchema;

use crate::time::{DURATION_PATTERN, HumanDuration, NoDuration};

/// `20s`, or `0s..5s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// So long.
    Exactly(HumanDuration),
    /// Something between, both included.
    Between(HumanDuration, HumanDuration),
}

/// A text that says no time to let pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWait {
    /// One of its durations is none.
    #[error(transparent)]
    Duration(#[from] NoDuration),
    /// Nothing lies between the two.
    #[error("`{0}`: the second duration must be the longer one")]
    EndsBeforeItBegins(String),
}

/// The instant that `seed` gives to step `number` of a scenario, between `least` and `most`.
pub(crate) fn drawn(seed: u64, number: usize, least: Duration, most: Duration) -> Duration {
    let mut chance = SmallRng::seed_from_u64(seed.rotate_left(32) ^ number as u64);
    chance.random_range(least..=most.max(least))
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(duration) => duration.fmt(f),
            Self::Between(least, most) => write!(f, "{least}..{most}"),
        }
    }
}

impl FromStr for Wait {
    type Err = NoWait;

    fn from_str(text: &str) -> Result<Self, NoWait> {
        let Some((least, most)) = text.split_once("..") else { return Ok(Self::Exactly(text.parse()?)) };
        let (least, most): (HumanDuration, HumanDuration) = (least.parse()?, most.parse()?);
        if least >= most {
            return Err(NoWait::EndsBeforeItBegins(text.to_owned()));
        }
        Ok(Self::Between(least, most))
    }
}

impl JsonSchema for Wait {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Wait".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration, or one drawn from the run's seed: 20s, 0s..5s",
            "pattern": format!(r"^{DURATION_PATTERN}(\.\.{DURATION_PATTERN})?$"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Wait, String> {
        text.parse().map_err(|error: NoWait| error.to_string())
    }

    proptest! {
        #[test]
        fn a_wait_reads_back_as_it_was_written(least in 0u64..1_000_000, longer in proptest::option::of(1u64..1_000_000)) {
            let of = |ms| HumanDuration(Duration::from_millis(ms));
            let wait = longer.map_or(Wait::Exactly(of(least)), |longer| Wait::Between(of(least), of(least + longer)));
            prop_assert_eq!(read(&wait.to_string()), Ok(wait));
        }

        #[test]
        fn what_is_drawn_lies_between_and_is_the_same_for_the_same_seed(
            seed: u64, number in 0usize..100, least in 0u64..10_000, longer in 0u64..10_000
        ) {
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(least + longer));
            let wait = drawn(seed, number, least, most);
            prop_assert!((least..=most).contains(&wait));
            prop_assert_eq!(wait, drawn(seed, number, least, most));
        }
    }

    #[test]
    fn seeds_and_steps_differ_in_what_they_draw() {
        let most = Duration::from_secs(10);
        let of_seeds = (0..100).map(|seed| drawn(seed, 3, Duration::ZERO, most));
        let of_steps = (0..100).map(|number| drawn(3, number, Duration::ZERO, most));
        for draws in [of_seeds.collect::<Vec<_>>(), of_steps.collect()] {
            let in_the_first_half = draws.iter().filter(|wait| **wait < most / 2).count();
            assert!((30..=70).contains(&in_the_first_half), "{in_the_first_half} of 100");
        }
    }

    #[test]
    fn a_wait_that_ends_before_it_begins_or_is_none_is_refused_by_name() {
        assert!(read("5s..1s").unwrap_err().contains("`5s..1s`: the second duration must be the longer one"));
        assert!(read("1s..1s").unwrap_err().contains("longer"));
        assert!(read("1s..").unwrap_err().contains("is not a duration"));
        assert!(read("-1s..1s").unwrap_err().contains("can't be negative"));
        assert!(read("soon").unwrap_err().contains("`soon` is not a duration"));
    }
}
