//! Time that passes only when nobody has anything to do, and runs that can be cut at any of their steps.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use dive_orchestrator::Stamp;
use dive_runtime::{Monotonic, Runtime, Task, Wall};
use parking_lot::Mutex;

const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// A simulated clock. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Time(Arc<Inner>);

#[derive(Default)]
struct Inner {
    timers: Mutex<Timers>,
    /// Calls that something outside of simulated time is at work on.
    outside: AtomicUsize,
    steps: AtomicU64,
}

#[derive(Default)]
struct Timers {
    now: Duration,
    issued: u64,
    waiting: BTreeMap<(Duration, u64), Waker>,
}

struct Sleeping {
    time: Time,
    key: (Duration, u64),
}

impl Future for Sleeping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut timers = self.time.0.timers.lock();
        if timers.now >= self.key.0 {
            return Poll::Ready(());
        }
        timers.waiting.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.time.0.timers.lock().waiting.remove(&self.key);
    }
}

impl Runtime for Time {
    fn now(&self) -> Monotonic {
        Monotonic::from_start(self.0.timers.lock().now)
    }

    fn wall(&self) -> Wall {
        Wall::from_epoch(EPOCH + self.0.timers.lock().now)
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        let mut timers = self.0.timers.lock();
        timers.issued += 1;
        Box::pin(Sleeping { time: self.clone(), key: (deadline.since_start(), timers.issued) })
    }

    fn spawn(&self, name: &'static str, _: Task) {
        panic!("{name}: a run is one future");
    }
}

/// Remembers that it was woken, and passes it on.
struct Bell {
    rung: AtomicBool,
    outer: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        self.outer.wake_by_ref();
    }
}

/// A call under way outside of simulated time.
pub(crate) struct Outside(Time);

impl Drop for Outside {
    fn drop(&mut self) {
        self.0.0.outside.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Time {
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.clone())
    }

    pub(crate) fn stamp(&self) -> Stamp {
        Stamp::from_millis((EPOCH + self.0.timers.lock().now).as_millis() as u64)
    }

    pub(crate) fn since_start(&self) -> Duration {
        self.0.timers.lock().now
    }

    pub(crate) fn outside(&self) -> Outside {
        self.0.outside.fetch_add(1, Ordering::SeqCst);
        Outside(self.clone())
    }

    /// Time passes at once, as it does for a process that was stopped: nothing runs in between.
    pub(crate) fn jump(&self, by: Duration) {
        let due: Vec<_> = {
            let mut timers = self.0.timers.lock();
            timers.now += by;
            timers.waiting.values().cloned().collect()
        };
        due.iter().for_each(Waker::wake_by_ref);
    }

    fn advance(&self) -> bool {
        let due = {
            let mut timers = self.0.timers.lock();
            let Some(((at, _), waker)) = timers.waiting.pop_first() else { return false };
            timers.now = timers.now.max(at);
            waker
        };
        due.wake();
        true
    }

    /// How many steps the last run took.
    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }

    /// Runs `work`, which is dropped before its step of the number `cut`; `None` then. `before` is called before
    /// each step.
    pub(crate) async fn drive<T>(
        &self,
        cut: Option<u64>,
        mut before: impl FnMut(u64),
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = Box::pin(work);
        self.0.steps.store(0, Ordering::SeqCst);
        poll_fn(|cx| {
            let step = self.0.steps.load(Ordering::SeqCst);
            if cut == Some(step) {
                return Poll::Ready(None);
            }
            before(step);
            self.0.steps.store(step + 1, Ordering::SeqCst);
            let bell = Arc::new(Bell { rung: AtomicBool::new(false), outer: cx.waker().clone() });
            match work.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&bell)))) {
                Poll::Ready(done) => return Poll::Ready(Some(done)),
                Poll::Pending if bell.rung.load(Ordering::SeqCst) => {}
                Poll::Pending if self.0.outside.load(Ordering::SeqCst) > 0 => {}
                Poll::Pending => assert!(self.advance(), "everybody waits for nothing"),
            }
            Poll::Pending
        })
        .await
    }
}

/// Lets whoever cuts runs cut here.
pub(crate) async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
