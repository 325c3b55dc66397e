//! Whether the machine itself kept going: a thread that does nothing but notice its own lateness.
//!
//! It has a thread of its own, so that it measures the machine and not the executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness_core::time::Span;
use tokio::sync::mpsc;

use crate::clock::{Clock, instant};

/// How often it beats, in real time.
const BEAT: Duration = Duration::from_millis(10);
/// How late a beat may be, in real time, before the machine is said to have stalled.
pub const TOLERANCE: Duration = Duration::from_millis(50);
/// Stalls that may wait to be read. More than that in one gap are one sick machine, not more news.
const UNREAD: usize = 1_024;

/// A beating heart. Dropping it ends the thread.
#[derive(Debug)]
pub struct Heartbeat {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts beating. The receiver gets every span in which the machine did not run this process.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(clock: Clock) -> std::io::Result<(Self, mpsc::Receiver<Span>)> {
        let (stalls, stalled) = mpsc::channel(UNREAD);
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let mut last = instant();
        let thread = std::thread::Builder::new().name("heartbeat".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(BEAT);
                let now = instant();
                if let Some((from, to)) = stall(last, now) {
                    let _ = stalls.try_send(Span::between(clock.at(from), clock.at(to)));
                }
                last = now;
            }
        })?;
        Ok((Self { stopping, thread: Some(thread) }, stalled))
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The stall between two beats, from the instant at which the second was due.
fn stall(last: Instant, now: Instant) -> Option<(Instant, Instant)> {
    let due = last + BEAT;
    (now.saturating_duration_since(due) > TOLERANCE).then_some((due, now))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_beat_is_a_stall_exactly_when_it_is_later_than_tolerated(late_us in 0u64..200_000) {
            let last = instant();
            let late = Duration::from_micros(late_us);
            let seen = stall(last, last + BEAT + late).map(|(from, to)| to - from);
            prop_assert_eq!(seen, (late > TOLERANCE).then_some(late));
        }
    }
}
