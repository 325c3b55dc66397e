//! The executor: one thread, virtual time, chance from a seed.
//!
//! ```text
//!   ready ──► poll one task ──► ready …        until nothing is ready; then
//!   timers ──► fire one ──► the clock jumps to its deadline ──► ready
//! ```
//!
//! Only one timer fires at a time, and all that follows from it runs before the next one does, even
//! when both are due at the same instant: so the seed decides who comes first.

mod clockwork;
mod ready;
mod sleep;
mod tasks;
mod timers;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use harness_core::time::At;
use rand::rngs::SmallRng;
use thiserror::Error;

pub(crate) use clockwork::Clockwork;
pub use ready::ReadyOrder;
use ready::{TaskId, TaskWaker};
pub use sleep::Sleep;
pub(crate) use tasks::GroupId;
pub use tasks::Task;
use tasks::Turn;
use timers::Timers;

use crate::chance;
use crate::node::SimHandle;

/// How a simulation runs. The same settings and the same program give the same run.
#[derive(Clone, Debug)]
pub struct SimSettings {
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// What wall clocks show when the simulation starts, since 1970-01-01T00:00:00Z.
    pub epoch: Duration,
    /// In which order tasks that are ready at the same instant go on.
    pub ready_order: ReadyOrder,
    /// So many polls without time moving on are taken for a loop without end.
    pub polls_per_instant: u64,
    /// The run fails when the clock would pass this: something waits for what never comes.
    pub horizon: Duration,
}

impl SimSettings {
    /// The defaults with this seed: 2026-01-01T00:00:00Z, first woken first run, a million polls per
    /// instant, a horizon of thirty days.
    pub fn seeded(seed: u64) -> Self {
        Self {
            seed,
            epoch: Duration::from_secs(1_767_225_600),
            ready_order: ReadyOrder::Fifo,
            polls_per_instant: 1_000_000,
            horizon: Duration::from_secs(30 * 24 * 3_600),
        }
    }
}

/// Why a simulation could not be run to its end. Tasks are named `node/task`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SimError {
    /// Nothing is ready, no timer is set, and the run has not ended.
    #[error("deadlock at {at}: nothing can happen any more; waiting: {}", list(.waiting))]
    Deadlock {
        /// When.
        at: At,
        /// The tasks that are still there, oldest first.
        waiting: Vec<String>,
    },
    /// Tasks wake each other without end while time stands still.
    #[error("livelock at {at}: {polls} polls without time moving on; busy: {}", list(.busy))]
    Livelock {
        /// When.
        at: At,
        /// How many polls.
        polls: u64,
        /// The task polled last and those waiting for their turn.
        busy: Vec<String>,
    },
    /// The clock would have passed the horizon.
    #[error("the run reached its horizon of {horizon:?} of simulated time; waiting: {}", list(.waiting))]
    Horizon {
        /// The horizon.
        horizon: Duration,
        /// The tasks that are still there, oldest first.
        waiting: Vec<String>,
    },
    /// A task panicked.
    #[error("{task} panicked at {at}: {message}")]
    Panicked {
        /// Which.
        task: String,
        /// When.
        at: At,
        /// What it said.
        message: String,
    },
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 24;
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "the run itself, and no task".to_owned(),
        n if n > SHOWN => format!("{shown} and {} more", n - SHOWN),
        _ => shown,
    }
}

/// A simulation. Dropping it ends every task in it.
pub struct Sim {
    clockwork: Arc<Clockwork>,
    settings: SimSettings,
    ready_chance: SmallRng,
    polls: u64,
    fingerprint: u64,
}

impl Sim {
    /// A simulation whose clock stands at its start.
    pub fn new(settings: SimSettings) -> Self {
        let timers = Timers::new(chance::stream(settings.seed, "timers"));
        Self {
            clockwork: Arc::new(Clockwork::new(settings.seed, settings.epoch, timers)),
            ready_chance: chance::stream(settings.seed, "ready"),
            settings,
            polls: 0,
            fingerprint: 0,
        }
    }

    /// What everything inside the simulation holds on to.
    pub fn handle(&self) -> SimHandle {
        SimHandle::new(Arc::clone(&self.clockwork))
    }

    /// Runs `root` to its end, and all tasks beside it for as long as that takes.
    ///
    /// Whatever wakes a task must run inside: nothing else ever gets a turn.
    ///
    /// # Errors
    /// [`SimError`]. Tasks are left as they are; the simulation should be dropped.
    ///
    /// # Panics
    /// When `root` itself does.
    pub fn run<F: Future>(&mut self, root: F) -> Result<F::Output, SimError> {
        let mut root = pin!(root);
        let root_wakes = TaskWaker::queued(TaskId::ROOT, Arc::clone(&self.clockwork.ready));
        let root_waker = Waker::from(Arc::clone(&root_wakes));
        self.clockwork.ready.push(TaskId::ROOT);
        let mut polls_in_this_instant = 0;
        loop {
            let Some(task) = self.clockwork.ready.pop(self.settings.ready_order, &mut self.ready_chance)
            else {
                if self.advance()? {
                    polls_in_this_instant = 0;
                }
                continue;
            };
            polls_in_this_instant += 1;
            if polls_in_this_instant > self.settings.polls_per_instant {
                return Err(self.livelock(task, polls_in_this_instant - 1));
            }
            if task == TaskId::ROOT {
                self.note(task);
                root_wakes.begin_poll();
                if let Poll::Ready(output) = root.as_mut().poll(&mut Context::from_waker(&root_waker)) {
                    return Ok(output);
                }
            } else {
                self.poll_task(task)?;
            }
        }
    }

    /// How many polls there have been.
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// A digest of which task was polled when. Two runs that differ in any step differ here.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// How many timers are set.
    pub fn timers(&self) -> usize {
        self.clockwork.timer_count()
    }

    fn poll_task(&mut self, task: TaskId) -> Result<(), SimError> {
        let Turn::Poll(mut body) = self.clockwork.tasks.lock().turn(task) else { return Ok(()) };
        self.note(task);
        body.wakes.begin_poll();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            body.future.as_mut().poll(&mut Context::from_waker(&body.waker))
        }));
        match polled {
            Ok(Poll::Pending) => {
                let _ended_meanwhile = self.clockwork.tasks.lock().put_back(task, body);
                Ok(())
            }
            Ok(Poll::Ready(())) => {
                self.clockwork.tasks.lock().retire(task);
                Ok(())
            }
            Err(panic) => {
                let mut tasks = self.clockwork.tasks.lock();
                let label = tasks.label(task).unwrap_or_else(|| "a task that had ended".to_owned());
                tasks.retire(task);
                drop(tasks);
                Err(SimError::Panicked {
                    task: label,
                    at: self.clockwork.now(),
                    message: message_of(&*panic),
                })
            }
        }
    }

    /// Fires the next timer. Says whether the clock moved.
    fn advance(&self) -> Result<bool, SimError> {
        let horizon = u64::try_from(self.settings.horizon.as_nanos()).unwrap_or(u64::MAX);
        match self.clockwork.next_deadline() {
            None => Err(SimError::Deadlock { at: self.clockwork.now(), waiting: self.waiting() }),
            Some(deadline) if deadline > horizon => {
                Err(SimError::Horizon { horizon: self.settings.horizon, waiting: self.waiting() })
            }
            Some(_) => Ok(self.clockwork.fire_next()),
        }
    }

    fn livelock(&self, current: TaskId, polls: u64) -> SimError {
        let queue = self.clockwork.ready.all();
        let tasks = self.clockwork.tasks.lock();
        let busy = std::iter::once(current).chain(queue).filter_map(|task| tasks.label(task)).collect();
        SimError::Livelock { at: self.clockwork.now(), polls, busy }
    }

    fn waiting(&self) -> Vec<String> {
        self.clockwork.tasks.lock().labels()
    }

    fn note(&mut self, task: TaskId) {
        self.polls += 1;
        let step = self.clockwork.nanos() ^ task.number.rotate_left(40);
        self.fingerprint = (self.fingerprint.rotate_left(23) ^ step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Tasks hold handles to what holds the tasks: without this, neither would ever be freed.
        self.clockwork.end_all();
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&'static str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned())
}

#[cfg(test)]
mod tests;
