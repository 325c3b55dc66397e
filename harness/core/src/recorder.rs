//! The pen: stamps events, keeps the history and passes every event on.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::event::{Event, What};
use crate::history::History;
use crate::record::Sink;
use crate::time::{At, Span};

/// Writes the timeline. Clones write to the same one.
///
/// It belongs to one thread, like the run: worlds that see things on other threads pass them on.
#[derive(Clone)]
pub struct Recorder {
    shared: Rc<Shared>,
}

struct Shared {
    state: RefCell<State>,
    changed: Notify,
}

struct State {
    history: History,
    sinks: Vec<Box<dyn Sink>>,
}

impl Recorder {
    /// A recorder with nothing recorded, passing events on to `sinks`.
    pub fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        let state = RefCell::new(State { history: History::default(), sinks });
        Self { shared: Rc::new(Shared { state, changed: Notify::new() }) }
    }

    /// Records that something happened within `at`.
    pub fn record(&self, at: Span, what: What) {
        let mut state = self.shared.state.borrow_mut();
        let event = Event { seq: state.history.events().len() as u64, at, what };
        for sink in &mut state.sinks {
            sink.write(&event);
        }
        state.history.push(event);
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Records that something happened exactly at `at`.
    pub fn record_at(&self, at: At, what: What) {
        self.record(Span::exactly(at), what);
    }

    /// Records a signal's value when it differs from the last one recorded.
    pub fn signal(&self, at: Span, signal: &str, value: &str) {
        let was =
            self.with_history(|history| history.signal(signal).last().map(|change| change.value.clone()));
        if was.as_deref() != Some(value) {
            self.record(at, What::Signal { signal: signal.into(), value: value.into(), was });
        }
    }

    /// Reads the history so far.
    pub fn with_history<T>(&self, read: impl FnOnce(&History) -> T) -> T {
        read(&self.shared.state.borrow().history)
    }

    /// Completes at the first event recorded after this call.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.shared.changed.notified()
    }

    /// Takes the events out.
    pub fn into_events(self) -> Vec<Event> {
        std::mem::take(&mut self.shared.state.borrow_mut().history).into_events()
    }
}
