//! What a run tells of itself: a live tree on a terminal, lines where there is none, JSON lines where asked for.
//!
//! The run never waits for who reads: events go through a bounded queue to a thread of their own, and what doesn't
//! fit is not shown.

mod document;
mod tree;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use dive_orchestrator::deploy::{Event, Observer};

use crate::args::Shown;
use crate::out;

/// How many events may wait to be shown.
const QUEUE: usize = 1024;

/// A run being shown.
pub(crate) struct Progress {
    events: SyncSender<Option<Event>>,
    showing: JoinHandle<()>,
}

impl Progress {
    /// Begins to show.
    pub(crate) fn begin(shown: Shown) -> Self {
        let (events, told) = sync_channel(QUEUE);
        let terminal = io::stderr().is_terminal();
        let show = move || match (shown.json, terminal) {
            (true, _) => each(&told, |event| drop(out::json(&document::of(event)))),
            (false, true) => {
                let mut tree = tree::Tree::new();
                each(&told, |event| tree.show(event));
            }
            (false, false) => each(&told, |event| out::note(format_args!("{event}"))),
        };
        Self { events, showing: std::thread::spawn(show) }
    }

    /// Who is told of the run.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        let events = self.events.clone();
        Arc::new(move |event: &Event| drop(events.try_send(Some(event.clone()))))
    }

    /// Ends showing, once all that was told is shown.
    pub(crate) fn end(self) {
        // Observers may outlive this, so the thread is told.
        let _ = self.events.send(None);
        let _ = self.showing.join();
    }
}

fn each(told: &Receiver<Option<Event>>, mut show: impl FnMut(&Event)) {
    while let Ok(Some(event)) = told.recv() {
        show(&event);
    }
}
