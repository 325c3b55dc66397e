//! What asynchronous work of this program runs on.

use std::io;

use tokio::runtime::{Builder, Runtime};

/// This thread alone: for a command, for a run, and for a process of which there are many.
///
/// # Errors
/// When the system has no more files or events to give.
pub(crate) fn on_this_thread() -> io::Result<Runtime> {
    built(&mut Builder::new_current_thread())
}

/// A thread for each core: for a service that is asked by many at once.
///
/// # Errors
/// When the system has no more files, events or threads to give.
pub(crate) fn on_threads() -> io::Result<Runtime> {
    built(&mut Builder::new_multi_thread())
}

fn built(builder: &mut Builder) -> io::Result<Runtime> {
    builder
        .enable_all()
        .build()
        .map_err(|error| io::Error::new(error.kind(), format!("no tokio runtime: {error}")))
}
