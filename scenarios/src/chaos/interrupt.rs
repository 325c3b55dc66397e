//! Ctrl-C and SIGTERM: the first heals, cleans up and reports; the second gives up at once.
//!
//! They are listened to on a thread of their own, from before anything is made to the end of the process:
//! whatever a run is busy with, the second one is heard.

use std::io;
use std::sync::mpsc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::out;
use crate::runtime;

/// The exit code of a process that gave up.
const GAVE_UP: i32 = 70;

/// Whether the person has asked to end.
#[derive(Clone)]
pub(super) struct Interrupt(watch::Receiver<Option<&'static str>>);

impl Interrupt {
    /// Listens from here on. At the second signal the process ends with exit code 70; the reaper then removes
    /// what its run started.
    ///
    /// # Errors
    /// When signals can't be listened to.
    pub(super) fn listen() -> io::Result<Self> {
        let (asked, heard) = watch::channel(None);
        let (ready, listening) = mpsc::channel();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            let runtime = match runtime::on_this_thread() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async {
                let mut signals = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
                    (Ok(int), Ok(term)) => Signals { int, term },
                    (Err(error), _) | (_, Err(error)) => return drop(ready.send(Err(error))),
                };
                let _ = ready.send(Ok(()));
                let first = signals.next().await;
                out::note(format_args!(
                    "\n{first}: healing, cleaning up, writing the report (once more to give up at once)"
                ));
                let _ = asked.send(Some(first));
                let second = signals.next().await;
                out::note(format_args!("\n{second}: giving up; what the run started is being removed"));
                std::process::exit(GAVE_UP);
            });
        })?;
        listening.recv().map_err(io::Error::other)??;
        Ok(Self(heard))
    }

    /// Whether it was asked for.
    pub(super) fn asked(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Completes with the reason once it is asked for.
    pub(super) async fn reason(mut self) -> String {
        match self.0.wait_for(Option::is_some).await {
            Ok(why) => why.unwrap_or_default().to_owned(),
            // The thread that listens only ends with the process.
            Err(_) => std::future::pending().await,
        }
    }
}

struct Signals {
    int: Signal,
    term: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            biased;
            _ = self.int.recv() => "Ctrl-C",
            _ = self.term.recv() => "SIGTERM",
        }
    }
}
