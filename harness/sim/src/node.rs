//! What code inside a simulation holds: the simulation's handle, and a node's.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use harness_core::time::At;

use crate::executor::{Clockwork, GroupId, Sleep, Task};

/// The simulation, seen from inside. Cheap to clone; `Send`, so that any future can hold it.
#[derive(Clone)]
pub struct SimHandle {
    clockwork: Arc<Clockwork>,
}

impl SimHandle {
    pub(crate) fn new(clockwork: Arc<Clockwork>) -> Self {
        Self { clockwork }
    }

    /// The present instant of virtual time. Never goes back.
    pub fn now(&self) -> At {
        self.clockwork.now()
    }

    /// The seed of the run.
    pub fn seed(&self) -> u64 {
        self.clockwork.seed
    }

    /// Completes at `deadline`; at the latest instant there is (584 years), never.
    pub fn sleep_until(&self, deadline: At) -> Sleep {
        let nanos = u64::try_from(deadline.since_start().as_nanos()).unwrap_or(u64::MAX);
        Sleep::new(Arc::clone(&self.clockwork), nanos)
    }

    /// Completes `duration` from now.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Runs `work` for at most `limit`; `None` when that was not enough. When both are ready at the same
    /// poll, the work wins.
    pub async fn timeout<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        match select(pin!(work), self.sleep(limit)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(((), _)) => None,
        }
    }

    /// A node in its first life. Names are for people and need not be unique.
    pub fn node(&self, name: &str) -> Node {
        let name: Arc<str> = name.into();
        let wall_offset = Arc::new(AtomicI64::new(0));
        self.live(name, wall_offset)
    }

    /// The tasks that have not ended, `node/task`, oldest first.
    pub fn live_tasks(&self) -> Vec<String> {
        self.clockwork.tasks.lock().labels()
    }

    fn live(&self, name: Arc<str>, wall_offset: Arc<AtomicI64>) -> Node {
        let group = self.clockwork.tasks.lock().open_group(Arc::clone(&name));
        Node { shared: Arc::new(Shared { sim: self.clone(), group, name, wall_offset }) }
    }
}

impl fmt::Debug for SimHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimHandle")
            .field("now", &self.now())
            .field("seed", &self.seed())
            .finish_non_exhaustive()
    }
}

/// One life of a node: a group of tasks that end together, and a wall clock.
///
/// A [crash](Node::crash) ends the life for good; [`Node::next_life`] boots the same machine anew.
/// Clones are the same node. All that a service may ask of its world is here: it does not need to know
/// that the world is simulated.
#[derive(Clone)]
pub struct Node {
    shared: Arc<Shared>,
}

struct Shared {
    sim: SimHandle,
    group: GroupId,
    name: Arc<str>,
    wall_offset: Arc<AtomicI64>,
}

impl Node {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The simulation it lives in.
    pub fn sim(&self) -> &SimHandle {
        &self.shared.sim
    }

    /// Monotonic time: that of the simulation.
    pub fn now(&self) -> At {
        self.shared.sim.now()
    }

    /// Wall-clock time of this node since 1970-01-01T00:00:00Z: the simulation's epoch plus its clock,
    /// plus what the node's clock was [stepped](Node::step_clock) by. Never before 1970.
    pub fn wall(&self) -> Duration {
        let true_time = self.shared.sim.clockwork.epoch + self.now().since_start();
        let offset = self.shared.wall_offset.load(Ordering::Relaxed);
        let step = Duration::from_nanos(offset.unsigned_abs());
        if offset < 0 { true_time.saturating_sub(step) } else { true_time.saturating_add(step) }
    }

    /// Steps the wall clock by so many nanoseconds, ahead or back. It survives a crash.
    pub fn step_clock(&self, nanos: i64) {
        let offset = self.shared.wall_offset.load(Ordering::Relaxed);
        self.shared.wall_offset.store(offset.saturating_add(nanos), Ordering::Relaxed);
    }

    /// Completes at `deadline`, see [`SimHandle::sleep_until`].
    pub fn sleep_until(&self, deadline: At) -> Sleep {
        self.shared.sim.sleep_until(deadline)
    }

    /// Starts a task that ends with this life at the latest. After its end, the task is dropped at once.
    /// `name` is for people.
    pub fn spawn(&self, name: &'static str, task: Task) {
        self.shared.sim.clockwork.spawn(self.shared.group, name, task);
    }

    /// Ends this life at once. First, what was asked for with [`Node::at_end`] is done; then every task is
    /// dropped, oldest first. Whoever waits for one of them sees that. A task that crashes its own node
    /// is dropped as soon as it next waits.
    pub fn crash(&self) {
        self.shared.sim.clockwork.end(self.shared.group);
    }

    /// Whether this life has not ended.
    pub fn is_alive(&self) -> bool {
        !self.shared.sim.clockwork.tasks.lock().is_ended(self.shared.group)
    }

    /// Whether the other is this very life of this very node.
    pub fn is_same_life(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Has `hook` run when this life ends, before any task is dropped: a disk that from then on takes no
    /// more writes, a port that is closed. At once when it has ended.
    pub fn at_end(&self, hook: impl FnOnce() + Send + 'static) {
        self.shared.sim.clockwork.at_end(self.shared.group, Box::new(hook));
    }

    /// Freezes the node: its tasks are not polled. Timers expire all the same.
    pub fn pause(&self) {
        self.shared.sim.clockwork.tasks.lock().pause(self.shared.group);
    }

    /// Lets a paused node go on.
    pub fn resume(&self) {
        self.shared.sim.clockwork.resume(self.shared.group);
    }

    /// Whether the node is frozen.
    pub fn is_paused(&self) -> bool {
        self.shared.sim.clockwork.tasks.lock().is_paused(self.shared.group)
    }

    /// The same machine booted anew: same name, same wall clock, no tasks. Ends this life when it has not.
    #[must_use]
    pub fn next_life(&self) -> Self {
        self.crash();
        self.shared.sim.live(Arc::clone(&self.shared.name), Arc::clone(&self.shared.wall_offset))
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name())
            .field("alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
