//! The tasks and their groups. A group is one life of a node: it ends at once and never comes back.
//!
//! Pure bookkeeping under one lock: futures are polled and dropped by the caller, outside of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;

use slab::Slab;

use super::ready::{TaskId, TaskWaker};

/// A boxed future that a node can run.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// A life of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupId(usize);

/// What is taken out of a task's place while it is polled.
pub(crate) struct Body {
    pub(crate) future: Task,
    pub(crate) wakes: Arc<TaskWaker>,
    pub(crate) waker: Waker,
}

impl Body {
    pub(crate) fn new(future: Task, wakes: Arc<TaskWaker>) -> Self {
        let waker = Waker::from(Arc::clone(&wakes));
        Self { future, wakes, waker }
    }
}

struct Place {
    number: u64,
    group: GroupId,
    name: &'static str,
    /// `None` while it is being polled.
    body: Option<Body>,
}

struct Group {
    name: Arc<str>,
    ended: bool,
    paused: bool,
    /// Tasks that were woken while the group was paused.
    held: Vec<TaskId>,
    at_end: Vec<AtEnd>,
}

/// Something to be done when a group ends, before its tasks are dropped.
pub(crate) type AtEnd = Box<dyn FnOnce() + Send>;

/// What to do with a task whose turn it is.
pub(crate) enum Turn {
    /// It is over, or its group is paused.
    Pass,
    /// Poll this and hand it back.
    Poll(Body),
}

/// What is left of a group: first run the hooks, then drop the bodies, in this order, without the lock.
#[derive(Default)]
pub(crate) struct Remains {
    pub(crate) at_end: Vec<AtEnd>,
    pub(crate) bodies: Vec<Body>,
}

#[derive(Default)]
pub(crate) struct Tasks {
    places: Slab<Place>,
    groups: Vec<Group>,
    spawned: u64,
}

impl Tasks {
    /// A new group without tasks.
    pub(crate) fn open_group(&mut self, name: Arc<str>) -> GroupId {
        self.groups.push(Group { name, ended: false, paused: false, held: Vec::new(), at_end: Vec::new() });
        GroupId(self.groups.len() - 1)
    }

    /// The id that the next task will have, or nothing when the group has ended.
    pub(crate) fn next_id(&self, group: GroupId) -> Option<TaskId> {
        (!self.groups[group.0].ended)
            .then(|| TaskId { place: self.places.vacant_key(), number: self.spawned })
    }

    /// Adds the task that [`Tasks::next_id`] announced.
    pub(crate) fn insert(&mut self, group: GroupId, name: &'static str, body: Body) {
        self.places.insert(Place { number: self.spawned, group, name, body: Some(body) });
        self.spawned += 1;
    }

    /// Takes a task out for a poll.
    pub(crate) fn turn(&mut self, task: TaskId) -> Turn {
        let Some(place) = self.places.get_mut(task.place).filter(|place| place.number == task.number) else {
            return Turn::Pass;
        };
        let group = &mut self.groups[place.group.0];
        if group.paused {
            group.held.push(task);
            return Turn::Pass;
        }
        place.body.take().map_or(Turn::Pass, Turn::Poll)
    }

    /// Puts a task back that is not over. Given back when its group ended during the poll.
    pub(crate) fn put_back(&mut self, task: TaskId, body: Body) -> Option<Body> {
        match self.places.get_mut(task.place).filter(|place| place.number == task.number) {
            Some(place) => {
                place.body = Some(body);
                None
            }
            None => Some(body),
        }
    }

    /// Frees the place of a task that is over.
    pub(crate) fn retire(&mut self, task: TaskId) {
        if self.places.get(task.place).is_some_and(|place| place.number == task.number) {
            self.places.remove(task.place);
        }
    }

    pub(crate) fn is_ended(&self, group: GroupId) -> bool {
        self.groups[group.0].ended
    }

    pub(crate) fn is_paused(&self, group: GroupId) -> bool {
        self.groups[group.0].paused
    }

    /// Has `hook` run when the group ends. Given back when it has ended.
    pub(crate) fn at_end(&mut self, group: GroupId, hook: AtEnd) -> Option<AtEnd> {
        let group = &mut self.groups[group.0];
        if group.ended {
            return Some(hook);
        }
        group.at_end.push(hook);
        None
    }

    /// Ends a group: nothing is spawned into it any more. Ending it again changes nothing.
    pub(crate) fn end(&mut self, group: GroupId) -> Remains {
        let state = &mut self.groups[group.0];
        state.ended = true;
        state.paused = false;
        state.held.clear();
        let at_end = std::mem::take(&mut state.at_end);
        let mut doomed: Vec<(u64, usize)> = self
            .places
            .iter()
            .filter(|(_, place)| place.group == group)
            .map(|(index, place)| (place.number, index))
            .collect();
        doomed.sort_unstable();
        let bodies = doomed.into_iter().filter_map(|(_, index)| self.places.remove(index).body).collect();
        Remains { at_end, bodies }
    }

    /// Ends all groups.
    pub(crate) fn end_all(&mut self) -> Remains {
        let mut all = Remains::default();
        for group in 0..self.groups.len() {
            let remains = self.end(GroupId(group));
            all.at_end.extend(remains.at_end);
            all.bodies.extend(remains.bodies);
        }
        all
    }

    /// Freezes a group.
    pub(crate) fn pause(&mut self, group: GroupId) {
        let group = &mut self.groups[group.0];
        group.paused = !group.ended;
    }

    /// Lets a group go on. Returns the tasks that were woken meanwhile, in the order of their waking.
    pub(crate) fn resume(&mut self, group: GroupId) -> Vec<TaskId> {
        let group = &mut self.groups[group.0];
        group.paused = false;
        std::mem::take(&mut group.held)
    }

    /// `node/task` of a task that is not over.
    pub(crate) fn label(&self, task: TaskId) -> Option<String> {
        if task == TaskId::ROOT {
            return Some("the run itself".to_owned());
        }
        let place = self.places.get(task.place).filter(|place| place.number == task.number)?;
        Some(self.label_of(place))
    }

    /// All tasks that are not over, oldest first.
    pub(crate) fn labels(&self) -> Vec<String> {
        let mut alive: Vec<&Place> = self.places.iter().map(|(_, place)| place).collect();
        alive.sort_unstable_by_key(|place| place.number);
        alive.into_iter().map(|place| self.label_of(place)).collect()
    }

    fn label_of(&self, place: &Place) -> String {
        let group = &self.groups[place.group.0];
        let paused = if group.paused { " (paused)" } else { "" };
        format!("{}/{}{paused}", group.name, place.name)
    }
}
