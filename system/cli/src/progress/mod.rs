//! What a run tells of itself: a live tree on a terminal, lines where there is none, JSON lines where asked for.
//!
//! The run never waits for who reads: events go through a bounded queue to a thread of their own, and what doesn't
//! fit is not shown.

mod document;
mod screen;
mod tree;

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use dive_orchestrator::Instance;
use dive_orchestrator::deploy::{Event, Observer};
use dive_runtime::{Runtime as _, TokioRuntime};
use indicatif::ProgressDrawTarget;

use self::screen::Screen;
use self::tree::Tree;

use crate::args::Shown;
use crate::out;

/// How many events may wait to be shown.
const QUEUE: usize = 1024;

/// How often a terminal's picture is drawn anew while nothing happens.
const TICK: Duration = Duration::from_millis(120);

/// A run being shown.
pub(crate) struct Progress {
    events: SyncSender<Option<Event>>,
    showing: JoinHandle<()>,
}

impl Progress {
    /// Begins to show a run on `instance`.
    pub(crate) fn begin(instance: &Instance, shown: Shown) -> Self {
        let (events, told) = sync_channel(QUEUE);
        let terminal =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb");
        let of = instance.to_string();
        let show = move || match (shown.json, terminal) {
            (true, _) => each(&told, |event| drop(out::json(&document::of(event)))),
            (false, true) => live(&told, of),
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

/// Draws a tree until the run is over.
fn live(told: &Receiver<Option<Event>>, of: String) {
    let clock = TokioRuntime::new();
    let now = || clock.now().since_start();
    let mut tree = Tree::new(of, now());
    let mut screen = Screen::new(ProgressDrawTarget::stderr());
    loop {
        match told.recv_timeout(TICK) {
            Ok(Some(event)) => {
                if let Some(line) = tree.see(now(), &event) {
                    screen.keep(&line);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(None) | Err(RecvTimeoutError::Disconnected) => break,
        }
        screen.draw(now(), &tree.lines(now()));
    }
    tree.end(now());
    screen.draw(now(), &tree.lines(now()));
    if screen.leave() {
        // The terminal is left in the last line drawn.
        out::note(format_args!(""));
    }
}

fn each(told: &Receiver<Option<Event>>, mut show: impl FnMut(&Event)) {
    while let Ok(Some(event)) = told.recv() {
        show(&event);
    }
}
