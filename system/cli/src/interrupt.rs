//! Ctrl-C and SIGTERM: the first stops in good order, the second gives up at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::out::note;

/// Listens from here on. What is being written is finished and the lock released after the first signal; after
/// the second the process ends as if it had crashed, which the next run finds and mends.
pub(crate) fn listen() -> Result<CancellationToken, Complaint> {
    let refused = |error| Complaint::internal(format!("signals can't be listened to: {error}"), "try again");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let (stop, asked) = (CancellationToken::new(), CancellationToken::new());
    let token = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if asked.is_cancelled() {
                note(format_args!("giving up"));
                std::process::exit(Exit::Internal.number().into());
            }
            asked.cancel();
            note(format_args!(
                "stopping: what is under way is finished first (once more to give up at once)"
            ));
            token.cancel();
        }
    });
    Ok(stop)
}
