//! Whether the machine itself kept going: a thread that does nothing but notice its own lateness, and how
//! much of the time something else had to wait.
//!
//! It has a thread of its own, so that it measures the machine and not the executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness_core::time::Span;
use tokio::sync::mpsc;

use crate::clock::{Clock, instant};
use crate::pressure::Waited;

/// How often it beats, in real time.
const BEAT: Duration = Duration::from_millis(10);
/// How late a beat may be, in real time, before the machine is said to have stalled.
pub const TOLERANCE: Duration = Duration::from_millis(50);
/// How often it looks at what had to wait, in real time.
const LOOK: Duration = Duration::from_millis(100);
/// The tenths of the time between two looks for which something had to wait before the machine is said to have
/// stalled: it was too busy to tell its slowness from the system's.
const STARVED_TENTHS: u32 = 8;
/// Of a longer time of being too busy, so much is told at once.
const TOLD: Duration = Duration::from_secs(1);
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
        let mut hunger = Hunger::new(last, Waited::so_far());
        let thread = std::thread::Builder::new().name("heartbeat".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(BEAT);
                let now = instant();
                if let Some((from, to)) = stall(last, now) {
                    let _ = stalls.try_send(Span::between(clock.at(from), clock.at(to)));
                }
                last = now;
                if now - hunger.looked >= LOOK
                    && let Some((from, to)) = hunger.look(now, Waited::so_far())
                {
                    let _ = stalls.try_send(Span::between(clock.at(from), clock.at(to)));
                }
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

/// Since when the machine has been too busy.
struct Hunger {
    looked: Instant,
    waited: Option<Waited>,
    since: Option<Instant>,
}

impl Hunger {
    fn new(now: Instant, waited: Option<Waited>) -> Self {
        Self { looked: now, waited, since: None }
    }

    /// Looks again. The time for which the machine was too busy, once that is over or [`TOLD`] long.
    fn look(&mut self, now: Instant, waited: Option<Waited>) -> Option<(Instant, Instant)> {
        let last = std::mem::replace(&mut self.looked, now);
        let most = waited.zip(self.waited).map(|(now, then)| now.since(then));
        self.waited = waited;
        let starved = most.is_some_and(|most| most * 10 >= (now - last) * STARVED_TENTHS);
        let since = if starved { Some(self.since.unwrap_or(last)) } else { None };
        match (self.since, since) {
            (_, Some(since)) if now - since >= TOLD => {
                self.since = None;
                Some((since, now))
            }
            (Some(since), None) => {
                self.since = None;
                Some((since, last))
            }
            (_, since) => {
                self.since = since;
                None
            }
        }
    }
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

        /// Something waited for so many tenths of the time between one look and the next.
        #[test]
        fn a_machine_is_too_busy_while_something_waits_for_most_of_the_time(
            tenths in proptest::collection::vec(0u32..=10, 1..60),
        ) {
            let start = instant();
            let at = |n: usize| start + LOOK * u32::try_from(n).unwrap();
            let mut hunger = Hunger::new(start, Some(Waited::of(Duration::ZERO)));
            let mut told = vec![false; tenths.len()];
            let mut waited = Duration::ZERO;
            for (n, tenth) in tenths.iter().chain([&0]).enumerate() {
                waited += LOOK / 10 * *tenth;
                if let Some((from, to)) = hunger.look(at(n + 1), Some(Waited::of(waited))) {
                    prop_assert!(to - from <= TOLD && from < to);
                    for (n, told) in told.iter_mut().enumerate() {
                        *told |= from <= at(n) && at(n + 1) <= to;
                    }
                }
            }
            let expected: Vec<_> = tenths.iter().map(|tenth| *tenth >= 8).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
