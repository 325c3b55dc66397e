//! A timer as a future.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::clockwork::Clockwork;
use super::timers::TimerKey;

/// Completes at its deadline, or at the first poll after it. Dropping it takes the timer back.
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    clockwork: Arc<Clockwork>,
    deadline: u64,
    /// The waker is kept to see, without a look into the heap, that it is still the right one.
    timer: Option<(TimerKey, Waker)>,
}

impl Sleep {
    /// `deadline` in nanoseconds since the start; the greatest value means never.
    pub(crate) fn new(clockwork: Arc<Clockwork>, deadline: u64) -> Self {
        Self { clockwork, deadline, timer: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.clockwork.nanos() >= this.deadline {
            if let Some((key, _)) = this.timer.take() {
                this.clockwork.remove_timer(key);
            }
            return Poll::Ready(());
        }
        match &mut this.timer {
            _ if this.deadline == u64::MAX => {}
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((key, waker)) => {
                waker.clone_from(cx.waker());
                this.clockwork.rewire_timer(*key, waker.clone());
            }
            None => {
                let key = this.clockwork.add_timer(this.deadline, cx.waker().clone());
                this.timer = Some((key, cx.waker().clone()));
            }
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((key, _)) = self.timer.take() {
            self.clockwork.remove_timer(key);
        }
    }
}
