//! Ctrl-C and SIGTERM: the first heals, cleans up and reports; the second gives up at once.

use harness_core::event::{Event, What};
use harness_core::record::Record;
use tokio::signal::unix::{SignalKind, signal};

const REASON: &str = "interrupted";

/// Completes with the reason at the first Ctrl-C or SIGTERM. Must run within a tokio runtime.
///
/// A second one ends the process with exit code 70; the reaper then removes what the run started.
pub(crate) async fn interrupted() -> String {
    next().await;
    eprintln!("\ninterrupted: healing, cleaning up, writing the report (once more to give up at once)");
    tokio::spawn(async {
        next().await;
        eprintln!("\ngiving up: what the run started is being removed");
        std::process::exit(70);
    });
    REASON.to_owned()
}

async fn next() {
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}

/// Whether a run was ended by its person.
pub(crate) fn ended(record: &Record) -> bool {
    matches!(record.events.last(), Some(Event { what: What::End { interrupted: Some(why) }, .. }) if why == REASON)
}
