//! The runtime's clocks in the words of those who need them.

use dive_resilience::Moment;
use dive_runtime::{Runtime, Wall};
use jiff::Timestamp;

/// Now, as the state machines take it.
pub(crate) fn moment(runtime: &dyn Runtime) -> Moment {
    Moment::from_start(runtime.now().since_start())
}

/// The wall clock as RFC 3339 with milliseconds.
pub fn rfc3339(wall: Wall) -> String {
    let millis = i64::try_from(wall.since_epoch().as_millis()).unwrap_or(i64::MAX);
    let instant = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    format!("{instant:.3}")
}

/// The wall clock in whole seconds since the Unix epoch.
pub(crate) fn epoch_seconds(wall: Wall) -> i64 {
    i64::try_from(wall.since_epoch().as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_rfc_3339_with_milliseconds() {
        assert_eq!(
            rfc3339(Wall::from_epoch(Duration::from_millis(1_700_000_000_050))),
            "2023-11-14T22:13:20.050Z"
        );
        assert_eq!(rfc3339(Wall::from_epoch(Duration::ZERO)), "1970-01-01T00:00:00.000Z");
    }
}
