//! How a process is told to stop.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};

use super::ServeError;

/// Completes at SIGTERM or SIGINT, which from now on no longer end the process at once.
///
/// # Errors
/// [`ServeError::Signals`] when they cannot be waited for.
pub fn told_to_stop() -> Result<impl Future<Output = ()>, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
