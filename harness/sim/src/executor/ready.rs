//! The queue of tasks that can go on, and the waker that puts a task there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::SmallRng;

/// A task: its place in the slab and its number, which tells it from earlier tenants of that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskId {
    pub(crate) place: usize,
    pub(crate) number: u64,
}

impl TaskId {
    /// The future given to `run`.
    pub(crate) const ROOT: Self = Self { place: usize::MAX, number: u64::MAX };
}

/// In which order tasks that are ready at the same instant go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadyOrder {
    /// First woken, first run.
    #[default]
    Fifo,
    /// Drawn from the seed: explores interleavings that no timer would bring about.
    Seeded,
}

/// The tasks that can go on.
pub(crate) struct Ready {
    queue: Mutex<VecDeque<TaskId>>,
}

impl Ready {
    pub(crate) fn new() -> Self {
        Self { queue: Mutex::new(VecDeque::with_capacity(64)) }
    }

    pub(crate) fn push(&self, task: TaskId) {
        self.queue.lock().push_back(task);
    }

    pub(crate) fn pop(&self, order: ReadyOrder, chance: &mut SmallRng) -> Option<TaskId> {
        let mut queue = self.queue.lock();
        match order {
            ReadyOrder::Seeded if queue.len() > 1 => {
                let drawn = chance.random_range(0..queue.len());
                queue.swap_remove_back(drawn)
            }
            _ => queue.pop_front(),
        }
    }

    pub(crate) fn all(&self) -> Vec<TaskId> {
        self.queue.lock().iter().copied().collect()
    }
}

/// Wakes one task. Made once for each task, so that a poll costs no allocation.
pub(crate) struct TaskWaker {
    task: TaskId,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl TaskWaker {
    /// A waker for a task that its maker puts into the queue.
    pub(crate) fn queued(task: TaskId, ready: Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { task, queued: AtomicBool::new(true), ready })
    }

    /// To be called before each poll: from here on a wake queues the task again.
    pub(crate) fn begin_poll(&self) {
        self.queued.store(false, Ordering::Release);
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.task);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance;

    const TASK: TaskId = TaskId { place: 0, number: 0 };

    #[test]
    fn a_task_woken_twice_is_queued_once_until_it_is_polled() {
        let ready = Arc::new(Ready::new());
        let waker = TaskWaker::queued(TASK, Arc::clone(&ready));
        waker.wake_by_ref();
        assert_eq!(ready.all(), [], "its maker queues it");
        waker.begin_poll();
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(ready.all(), [TASK]);
    }

    #[test]
    fn a_seeded_order_is_a_permutation_that_the_seed_decides() {
        let order = |seed| {
            let ready = Ready::new();
            (0..8).for_each(|place| ready.push(TaskId { place, number: 0 }));
            let mut chance = chance::stream(seed, "ready");
            std::iter::from_fn(|| ready.pop(ReadyOrder::Seeded, &mut chance))
                .map(|task| task.place)
                .collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert!((0..8).any(|seed| order(seed) != order(1)));
        let mut sorted = order(3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..8).collect::<Vec<_>>());
    }
}
