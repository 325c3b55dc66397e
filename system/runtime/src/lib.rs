//! The runtime port: how the system reaches time and spawns work.
//!
//! Everything asynchronous in the system takes an [`Arc<dyn Runtime>`](Runtime) and uses nothing else
//! to read a clock, to sleep or to start a task. So the same code runs on tokio's clock
//! ([`TokioRuntime`]), or inside a simulation that owns time and can end a whole node at any instant.
//!
//! Three rules make a simulated run repeatable: no `Instant::now` or `tokio::spawn` outside an
//! implementation of this port, every `select!` is `biased`, and nothing iterates a `HashMap` where
//! the order can be seen.

mod tokio_runtime;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::poll;

pub use tokio_runtime::TokioRuntime;

/// A boxed future that a [`Runtime`] can run.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Monotonic time: how long ago the runtime's clock started. A wall-clock step never moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The instant at which the clock started.
    pub const START: Self = Self(Duration::ZERO);

    /// The instant `since_start` after the clock started.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// How long after the clock's start this instant is.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::ops::Add<Duration> for Monotonic {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

/// Wall-clock time: since the Unix epoch. It may step; nothing but tokens, dates and logs may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(Duration);

impl Wall {
    /// The wall-clock time `since_epoch` after 1970-01-01T00:00:00Z.
    pub const fn from_epoch(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// The time since 1970-01-01T00:00:00Z.
    pub const fn since_epoch(self) -> Duration {
        self.0
    }
}

/// What the system may ask of the world it runs in: clocks, timers and tasks.
pub trait Runtime: Send + Sync + 'static {
    /// Monotonic time. Never goes backwards.
    fn now(&self) -> Monotonic;

    /// Wall-clock time. May step in either direction.
    fn wall(&self) -> Wall;

    /// Completes at `deadline` or at the first poll after it. Dropping it gives the timer back.
    fn sleep_until(&self, deadline: Monotonic) -> Task;

    /// Starts `task` in the node's own group: it ends with the node.
    /// `name` is for people (logs, a simulation's trace); it need not be unique.
    fn spawn(&self, name: &'static str, task: Task);
}

impl dyn Runtime {
    /// Completes `duration` from now.
    pub fn sleep(&self, duration: Duration) -> Task {
        self.sleep_until(self.now() + duration)
    }

    /// Runs `work` for at most `limit`. When both are ready at the same poll, the work wins. Work that is
    /// ready at once costs neither a timer nor a look at the clock.
    ///
    /// # Errors
    /// [`Elapsed`] when the limit passed first; `work` has then been dropped.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Result<F::Output, Elapsed> {
        let mut work = std::pin::pin!(work);
        if let Poll::Ready(output) = poll!(work.as_mut()) {
            return Ok(output);
        }
        match select(work, self.sleep(limit)).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(((), _)) => Err(Elapsed { limit }),
        }
    }
}

impl fmt::Debug for dyn Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// A [`timeout`](trait.Runtime.html) ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// The limit that passed.
    pub limit: Duration,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {:?}", self.limit)
    }
}

impl std::error::Error for Elapsed {}
