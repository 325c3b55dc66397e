//! What tells one run from another: when it was made, by which process, the how-manieth.

use jiff::{Timestamp, tz::TimeZone};

/// A stamp for a run's folder, and the start time in RFC 3339.
pub fn now(number: u32) -> (String, String) {
    let now = Timestamp::now();
    let stamp = now.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M%S").to_string();
    let pid = std::process::id();
    let number = if number == 0 { String::new() } else { format!("-{number}") };
    (format!("{stamp}-{pid}{number}"), now.to_string())
}
