//! From the times that log lines carry to the run's instants.

use std::time::Duration;

use harness_core::time::{At, Span};
use jiff::Timestamp;

/// The wall clock and the run's clock, read at the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogClock {
    wall: Timestamp,
    at: At,
    speed: f64,
}

impl LogClock {
    /// The pair of now and `at`, at a speed of so many system seconds in a real one.
    pub(crate) fn pair(at: At, speed: f64) -> Self {
        Self { wall: Timestamp::now(), at, speed }
    }

    /// When a line was printed that says so and was read at `received`. Between the two it lay in a pipe.
    pub(crate) fn printed(&self, says: Option<Timestamp>, received: At) -> Span {
        let Some(says) = says else { return Span::exactly(received) };
        let since = says.duration_since(self.wall).as_secs_f64() * self.speed;
        let shift = Duration::from_secs_f64(since.abs());
        let at = if since < 0.0 { self.at.saturating_sub(shift) } else { self.at + shift };
        // A clock that was stepped in between must not date a line after it was read.
        Span::exactly(at.min(received))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_dated_by_its_own_time_scaled_and_never_after_it_was_read() {
        let clock =
            LogClock { wall: Timestamp::UNIX_EPOCH, at: At::from_start(Duration::from_secs(5)), speed: 10.0 };
        let second = |s: f64| At::from_start(Duration::from_secs_f64(s));
        let says = Timestamp::from_millisecond(1_500).ok();
        assert_eq!(clock.printed(says, second(21.0)), Span::exactly(second(20.0)));
        assert_eq!(clock.printed(says, second(19.0)), Span::exactly(second(19.0)));
        assert_eq!(clock.printed(None, second(21.0)), Span::exactly(second(21.0)));
        assert_eq!(
            clock.printed(Timestamp::from_millisecond(-100).ok(), second(21.0)),
            Span::exactly(second(4.0))
        );
    }
}
