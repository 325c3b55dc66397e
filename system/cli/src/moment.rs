//! Instants and spans, as people read them.

use std::time::Duration;

use dive_orchestrator::Stamp;
use jiff::Timestamp;

/// An instant in UTC, such as `2026-11-21T14:40:34Z`.
pub(crate) fn moment(at: Stamp) -> String {
    let millis = i64::try_from(at.millis()).unwrap_or(i64::MAX);
    // Later than any calendar: the number itself is all there is to say.
    Timestamp::from_millisecond(millis)
        .map_or_else(|_| format!("{millis} ms"), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A span, such as `4.1 s`.
pub(crate) fn span(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_utc_and_any_is_told() {
        assert_eq!(moment(Stamp::from_millis(1_700_000_000_123)), "2023-11-14T22:13:20Z");
        assert!(moment(Stamp::from_millis(u64::MAX)).ends_with(" ms"));
        assert_eq!(span(Duration::from_millis(4_123)), "4.1 s");
    }
}
