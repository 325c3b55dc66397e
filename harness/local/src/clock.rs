//! System time: real time since the run began, times the run's speed.
//!
//! The one place of this crate that reads a clock.

use std::time::{Duration, Instant};

use harness_core::time::At;
use thiserror::Error;

/// The fastest a run may go. Beyond it, the scheduling of processes drowns what is measured.
pub const FASTEST: f64 = 1_000.0;

/// A speed that no run can have.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("a run can't go at speed {0}: it must be more than 0 and at most {FASTEST}")]
pub struct ImpossibleSpeed(pub f64);

/// Tells a run's time. Copies tell the same.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    speed: f64,
}

impl Clock {
    /// A clock that starts now and tells `speed` seconds of system time in each real second.
    pub fn start(speed: f64) -> Result<Self, ImpossibleSpeed> {
        if speed > 0.0 && speed <= FASTEST {
            Ok(Self { origin: instant(), speed })
        } else {
            Err(ImpossibleSpeed(speed))
        }
    }

    /// System seconds in a real second.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// The present instant.
    pub fn now(&self) -> At {
        self.at(instant())
    }

    /// The instant of the run that a real one is; the start, for one before it.
    pub fn at(&self, real: Instant) -> At {
        At::from_start(self.system(real.saturating_duration_since(self.origin)))
    }

    /// The system time that passes within a real duration.
    pub fn system(&self, real: Duration) -> Duration {
        scaled(real, self.speed)
    }

    /// The real duration within which a system time passes.
    pub fn real(&self, system: Duration) -> Duration {
        scaled(system, 1.0 / self.speed)
    }

    /// Completes at `at`, or at once when that is past.
    pub async fn sleep_until(&self, at: At) {
        // Beyond what an instant can hold lies further than any run goes.
        match self.origin.checked_add(self.real(at.since_start())) {
            Some(instant) => tokio::time::sleep_until(instant.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Completes after a duration of system time.
    pub async fn sleep(&self, system: Duration) {
        tokio::time::sleep(self.real(system)).await;
    }
}

/// The present instant of the machine.
#[expect(
    clippy::disallowed_methods,
    reason = "a world of real processes lives in real time; this is its one source"
)]
pub(crate) fn instant() -> Instant {
    Instant::now()
}

fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_duration_there_and_back_is_itself(ms in 0u64..100_000_000, speed in 0.01f64..FASTEST) {
            let clock = Clock::start(speed).unwrap();
            let there_and_back = clock.system(clock.real(Duration::from_millis(ms)));
            let error = there_and_back.abs_diff(Duration::from_millis(ms));
            // One nanosecond of rounding in real time is `speed` nanoseconds of system time.
            prop_assert!(error <= Duration::from_nanos(1 + speed as u64) + Duration::from_millis(ms) / 1_000_000);
        }
    }

    #[test]
    fn a_second_of_system_time_passes_in_its_share_of_real_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let began = instant();
        let clock = Clock::start(1_000.0).unwrap();
        runtime.block_on(clock.sleep_until(At::from_start(Duration::from_secs(50))));
        let (took, told) = (instant() - began, clock.now().since_start());
        assert!(took >= Duration::from_millis(45) && took < Duration::from_secs(20), "{took:?}");
        assert!(told >= Duration::from_secs(50), "{told:?}");
    }

    #[test]
    fn what_no_run_can_have_is_refused() {
        for speed in [0.0, -1.0, f64::NAN, f64::INFINITY, FASTEST * 2.0] {
            assert!(Clock::start(speed).is_err(), "{speed}");
        }
    }
}
