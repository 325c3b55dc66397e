//! What the executor, its handles and its sleeps share: clock, timers, ready queue, tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use harness_core::time::At;
use parking_lot::Mutex;

use super::ready::{Ready, TaskWaker};
use super::tasks::{AtEnd, Body, GroupId, Remains, Task, Tasks};
use super::timers::{TimerKey, Timers};

/// Shared by everything in one simulation. Each lock is held for bookkeeping only: never while a
/// future is polled, woken or dropped, since any of these may come back here.
pub(crate) struct Clockwork {
    nanos: AtomicU64,
    pub(crate) epoch: Duration,
    pub(crate) seed: u64,
    pub(crate) ready: Arc<Ready>,
    timers: Mutex<Timers>,
    pub(crate) tasks: Mutex<Tasks>,
}

impl Clockwork {
    pub(crate) fn new(seed: u64, epoch: Duration, timers: Timers) -> Self {
        Self {
            nanos: AtomicU64::new(0),
            epoch,
            seed,
            ready: Arc::new(Ready::new()),
            timers: Mutex::new(timers),
            tasks: Mutex::new(Tasks::default()),
        }
    }

    pub(crate) fn nanos(&self) -> u64 {
        self.nanos.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> At {
        At::from_start(Duration::from_nanos(self.nanos()))
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.timers.lock().next_deadline()
    }

    /// Fires the next timer and moves the clock to its deadline. Says whether the clock moved.
    pub(crate) fn fire_next(&self) -> bool {
        let Some((deadline, waker)) = self.timers.lock().pop() else { return false };
        let moved = deadline > self.nanos();
        if moved {
            self.nanos.store(deadline, Ordering::Relaxed);
        }
        waker.wake();
        moved
    }

    pub(crate) fn add_timer(&self, deadline: u64, waker: Waker) -> TimerKey {
        self.timers.lock().insert(deadline, waker)
    }

    pub(crate) fn rewire_timer(&self, key: TimerKey, waker: Waker) {
        let _dropped_unlocked = self.timers.lock().rewire(key, waker);
    }

    pub(crate) fn remove_timer(&self, key: TimerKey) {
        let _dropped_unlocked = self.timers.lock().remove(key);
    }

    pub(crate) fn timer_count(&self) -> usize {
        self.timers.lock().len()
    }

    pub(crate) fn spawn(&self, group: GroupId, name: &'static str, future: Task) {
        let task = {
            let mut tasks = self.tasks.lock();
            let Some(task) = tasks.next_id(group) else {
                drop(tasks);
                drop(future);
                return;
            };
            tasks.insert(group, name, Body::new(future, TaskWaker::queued(task, Arc::clone(&self.ready))));
            task
        };
        self.ready.push(task);
    }

    pub(crate) fn at_end(&self, group: GroupId, hook: AtEnd) {
        let too_late = self.tasks.lock().at_end(group, hook);
        if let Some(hook) = too_late {
            hook();
        }
    }

    pub(crate) fn end(&self, group: GroupId) {
        let remains = self.tasks.lock().end(group);
        bury(remains);
    }

    pub(crate) fn end_all(&self) {
        let remains = self.tasks.lock().end_all();
        bury(remains);
        let _dropped_unlocked = self.timers.lock().drain();
    }

    pub(crate) fn resume(&self, group: GroupId) {
        let woken = self.tasks.lock().resume(group);
        for task in woken {
            self.ready.push(task);
        }
    }
}

fn bury(remains: Remains) {
    remains.at_end.into_iter().for_each(|hook| hook());
    drop(remains.bodies);
}
