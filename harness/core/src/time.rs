//! Run time: instants, spans of uncertainty, and durations as people write them.
//!
//! Everything in a run record is told in *system time*: real time multiplied by the run's speed, so
//! that a bound of thirty seconds means the same in a compressed run as in a full one.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant of a run: system time since the run started, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct At(u64);

impl At {
    /// The instant at which the run started.
    pub const START: Self = Self(0);
    /// The last instant that can be told: some 584 years into the run.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// The instant `since_start` into the run.
    pub fn from_start(since_start: Duration) -> Self {
        Self(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How far into the run this instant lies.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `self` moved `back` towards the start, no further than the start itself.
    #[must_use]
    pub fn saturating_sub(self, back: Duration) -> Self {
        Self::from_start(self.since_start().saturating_sub(back))
    }
}

impl Add<Duration> for At {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self::from_start(self.since_start().saturating_add(rhs))
    }
}

impl Sub for At {
    type Output = Duration;
    fn sub(self, rhs: Self) -> Duration {
        self.saturating_since(rhs)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t+{:.3}s", self.since_start().as_secs_f64())
    }
}

/// When something happened: not before `lo`, not after `hi`.
///
/// What was recorded as it happened has `lo == hi`. What was seen by polling lies between the
/// sending of the last poll that did not show it and the answer of the first that did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The earliest instant at which it can have happened.
    pub lo: At,
    /// The latest instant at which it can have happened.
    pub hi: At,
}

impl Span {
    /// Happened exactly then.
    pub const fn exactly(at: At) -> Self {
        Self { lo: at, hi: at }
    }

    /// Happened between the two, in whichever order they are given.
    pub fn between(a: At, b: At) -> Self {
        Self { lo: a.min(b), hi: a.max(b) }
    }

    /// How long this took at least and at most, counted from `anchor`. Never negative: an effect
    /// that may have preceded its anchor took at least zero.
    pub fn elapsed_since(self, anchor: Self) -> Elapsed {
        Elapsed { least: self.lo.saturating_since(anchor.hi), most: self.hi.saturating_since(anchor.lo) }
    }

    /// Whether the two have an instant in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.lo <= other.hi && other.lo <= self.hi
    }

    /// The uncertainty of this instant.
    pub fn width(self) -> Duration {
        self.hi.saturating_since(self.lo)
    }
}

/// A measured duration: at least `least`, at most `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elapsed {
    /// The shortest it can have been.
    pub least: Duration,
    /// The longest it can have been.
    pub most: Duration,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (seconds(self.least), seconds(self.most));
        if least == most { f.write_str(&least) } else { write!(f, "{least} … {most}") }
    }
}

/// A duration the way reports print it: in seconds or milliseconds, no finer than it matters, and
/// without zeros that say nothing.
pub fn seconds(duration: Duration) -> String {
    let s = duration.as_secs_f64();
    let (number, unit) = if s == 0.0 {
        ("0".to_owned(), "s")
    } else if s < 1.0 {
        (format!("{:.1}", s * 1e3), "ms")
    } else if s < 100.0 {
        (format!("{s:.2}"), "s")
    } else {
        (format!("{s:.0}"), "s")
    };
    let number =
        if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { &number };
    format!("{number} {unit}")
}

/// A duration as people write it in a scenario: `250ms`, `30s`, `1m 30s`, `24h`. Never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a duration reads like.
pub(crate) const DURATION_PATTERN: &str = r"\s*(\d+\s*(ns|us|ms|s|sec|m|min|h|hr|d|days?)\s*)+";

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDuration {
    /// Time goes one way.
    #[error("`{0}`: a duration can't be negative")]
    Negative(String),
    /// It doesn't read as one.
    #[error("`{0}` is not a duration: write 250ms, 30s, 1m 30s or 24h")]
    Unreadable(String),
}

impl FromStr for HumanDuration {
    type Err = NoDuration;

    fn from_str(text: &str) -> Result<Self, NoDuration> {
        if text.trim_start().starts_with('-') {
            return Err(NoDuration::Negative(text.to_owned()));
        }
        let duration = humantime::parse_duration(text.trim());
        duration.map(Self).map_err(|_| NoDuration::Unreadable(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration: 250ms, 30s, 1m 30s, 24h",
            "pattern": format!("^{DURATION_PATTERN}$"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span() -> impl Strategy<Value = Span> {
        (0u64..1_000, 0u64..1_000).prop_map(|(a, b)| Span::between(At(a), At(b)))
    }

    proptest! {
        #[test]
        fn the_true_elapsed_time_lies_between_least_and_most(
            anchor in span(), effect in span(), a in 0.0f64..=1.0, e in 0.0f64..=1.0,
        ) {
            let pick = |s: Span, share: f64| s.lo.0 + ((s.hi.0 - s.lo.0) as f64 * share) as u64;
            let truth = Duration::from_nanos(pick(effect, e).saturating_sub(pick(anchor, a)));
            let elapsed = effect.elapsed_since(anchor);
            prop_assert!(elapsed.least <= truth && truth <= elapsed.most);
        }

        #[test]
        fn a_duration_reads_back_as_it_was_written(ms in 0u64..10_000_000) {
            let written = HumanDuration(Duration::from_millis(ms));
            let read: HumanDuration = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
            prop_assert_eq!(written, read);
        }
    }

    #[test]
    fn a_negative_duration_is_refused_by_name() {
        let error = serde_json::from_str::<HumanDuration>("\"-3s\"").unwrap_err().to_string();
        assert!(error.contains("can't be negative"), "{error}");
    }
}
