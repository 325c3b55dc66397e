//! The one place that reads the clock. Everything below the connection's shell takes `now`.

use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the shell that hands `now` to the pure stages")]
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
