//! What happens inside the simulation, on its way to the timeline.
//!
//! The node and the engine are tasks that must not block and may die at any instant; the recorder belongs
//! to the run. Between them is a queue that keeps the order and the instants.

use std::collections::VecDeque;
use std::sync::Arc;

use dive_node::event::NodeEvent;
use dive_node::ports::EventSink;
use harness_core::event::What;
use harness_core::recorder::Recorder;
use harness_core::time::{At, Span};
use harness_sim::SimHandle;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::binding::reading::{EngineDecided, Told, record_audit};

/// Something that happened.
#[derive(Debug)]
pub(super) enum Item {
    /// A node told it.
    Told(&'static str, Told),
    /// The engine decided.
    Engine(EngineDecided),
    /// A node's audit took an entry, for this request.
    Audit(&'static str, String),
    /// Calls were under way over an edge.
    InFlight(String, u64),
    /// It goes to the timeline as it is; a signal, when it is a change.
    Seen(What),
}

/// The queue. Clones are the same one.
#[derive(Clone)]
pub(super) struct Feed {
    sim: SimHandle,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<VecDeque<(At, Item)>>,
    more: Notify,
}

impl Feed {
    pub(super) fn new(sim: &SimHandle) -> Self {
        Self { sim: sim.clone(), shared: Arc::default() }
    }

    /// Takes note that something happens now.
    pub(super) fn push(&self, item: Item) {
        self.shared.queue.lock().push_back((self.sim.now(), item));
        self.shared.more.notify_one();
    }

    /// Puts what happens on the timeline, for ever.
    pub(super) async fn drain(&self, recorder: &Recorder, classification: impl Fn(&str) -> String) {
        let next = || self.shared.queue.lock().pop_front();
        loop {
            while let Some((at, item)) = next() {
                let at = Span::exactly(at);
                match item {
                    Item::Told(node, told) => told.record(node, at, recorder, &classification),
                    Item::Engine(decided) => decided.record(at, recorder),
                    Item::Audit(node, request) => record_audit(node, &request, at, recorder),
                    Item::Seen(What::Signal { signal, value, .. }) => recorder.signal(at, &signal, &value),
                    Item::Seen(what) => recorder.record(at, what),
                    Item::InFlight(measure, count) => {
                        recorder.record(at, What::Sample { measure, value: count as f64 });
                    }
                }
            }
            self.shared.more.notified().await;
        }
    }
}

/// A node's events, into the feed.
pub(super) struct NodeFeed(pub(super) &'static str, pub(super) Feed);

impl EventSink for NodeFeed {
    fn emit(&self, event: &NodeEvent<'_>) {
        if let Some(told) = Told::from_event(event) {
            self.1.push(Item::Told(self.0, told));
        }
    }
}
