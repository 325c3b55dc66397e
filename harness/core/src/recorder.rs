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
        let what = writable(what);
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

    /// Records a signal's value when it differs from the one it had before, as far as that is recorded.
    pub fn signal(&self, at: Span, signal: &str, value: &str) {
        let was = self.with_history(|history| {
            let changes = history.signal(signal);
            let earlier = changes.partition_point(|change| change.at <= at);
            changes[..earlier].last().map(|change| change.value.clone())
        });
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

/// A record is JSON, which has no word for what is not a number.
fn writable(what: What) -> What {
    match what {
        What::Sample { measure, value } if !value.is_finite() => {
            What::Note { text: format!("{measure} was measured as {value}, which is no value") }
        }
        what => what,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> At {
        At::from_start(Duration::from_millis(ms))
    }

    #[test]
    fn a_value_is_a_change_only_if_the_one_before_it_in_time_differs() {
        let recorder = Recorder::new(Vec::new());
        for (ms, value) in [(0, "CLOSED"), (20, "CLOSED"), (12, "OPEN"), (13, "CLOSED"), (14, "CLOSED")] {
            recorder.signal(Span::exactly(at(ms)), "circuit", value);
        }
        recorder.with_history(|history| {
            let changes: Vec<_> =
                history.signal("circuit").iter().map(|c| (c.at.lo, c.value.as_str())).collect();
            assert_eq!(changes, [(at(0), "CLOSED"), (at(12), "OPEN"), (at(13), "CLOSED")]);
        });
    }

    #[test]
    fn what_is_no_number_is_told_and_not_measured() {
        let recorder = Recorder::new(Vec::new());
        recorder.record_at(At::START, What::Sample { measure: "load".into(), value: f64::NAN });
        recorder.with_history(|history| {
            assert!(history.samples("load").is_empty());
            assert!(matches!(&history.events()[0].what, What::Note { text } if text.contains("load")));
        });
    }
}
