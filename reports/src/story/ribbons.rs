//! Signals over time, as stretches of one value.

use harness_core::history::Change;
use harness_core::time::{At, Span};

use crate::tone::Tone;

/// A stretch of a signal. Its edges are spans: a change seen by polling has no sharper place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stretch {
    /// When it began.
    pub(crate) from: Span,
    /// When it ended.
    pub(crate) until: Span,
    /// The value, or how many changes are too close to be told apart in a picture.
    pub(crate) value: Value,
}

/// What a stretch shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// One value.
    One(String),
    /// So many changes.
    Many(usize),
}

impl Value {
    /// How it is to be read.
    pub(crate) fn tone(&self) -> Tone {
        match self {
            Self::One(value) => Tone::of_value(value),
            Self::Many(_) => Tone::Warn,
        }
    }
}

/// The stretches of a signal up to `end`. Runs of changes shorter than `finest` become one stretch,
/// so that the number of stretches stays below twice `end / finest`.
pub(crate) fn stretches(changes: &[Change], end: At, finest: std::time::Duration) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let until = changes.get(index + 1).map_or(Span::exactly(end), |next| next.at);
        let short = until.hi.saturating_since(change.at.lo) < finest;
        match out.last_mut() {
            Some(last) if matches!(&last.value, Value::One(value) if *value == change.value) => {
                last.until = until;
            }
            Some(Stretch { value: Value::Many(count), until: last, .. }) if short => {
                *count += 1;
                *last = until;
            }
            _ => {
                let value = if short { Value::Many(1) } else { Value::One(change.value.clone()) };
                out.push(Stretch { from: change.at, until, value });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn change(ms: u64, value: &str) -> Change {
        Change { at: Span::exactly(At::from_start(Duration::from_millis(ms))), value: value.into() }
    }

    #[test]
    fn a_value_lasts_until_the_next_one() {
        let end = At::from_start(Duration::from_secs(10));
        let found = stretches(
            &[change(0, "CLOSED"), change(4_000, "OPEN"), change(6_000, "OPEN")],
            end,
            Duration::from_millis(10),
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].until, change(4_000, "").at);
        assert_eq!(found[1].until.hi, end);
    }

    #[test]
    fn thousands_of_changes_make_few_stretches() {
        let changes: Vec<_> =
            (0..50_000).map(|i| change(i, if i % 2 == 0 { "up" } else { "down" })).collect();
        let end = At::from_start(Duration::from_secs(100));
        let found = stretches(&changes, end, Duration::from_millis(100));
        assert_eq!(found.len(), 2, "the flapping, and the long last value");
        assert_eq!(found[0].value, Value::Many(49_999));
    }
}
