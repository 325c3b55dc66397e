//! The accept loop: it takes connections in and never waits for any of them.

use crate::clock;
use crate::door::Door;
use crate::wire::{self, Edge};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// After an accept that failed for want of files or memory.
const BREATHER: Duration = Duration::from_millis(10);

/// Runs until it is aborted; every connection ends with it.
pub(crate) async fn accept(edge: Arc<Edge>, door: Arc<Door>) {
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                if let Err(error) = done {
                    tracing::error!(%error, "a connection's task failed");
                }
            }
            accepted = poll_fn(|cx| door.poll_accept(cx)) => match accepted {
                Ok((client, peer)) => {
                    // Those that part in order are off the book and still have their sockets.
                    let room = tasks.len() < edge.limits.connections.saturating_mul(2);
                    let entered = room.then(|| edge.connections.enter(clock::now(), peer)).flatten();
                    if let Some(tap) = entered {
                        edge.tally.accepted.add(1);
                        let _ = client.set_nodelay(true);
                        tasks.spawn(wire::run(Arc::clone(&edge), tap, client));
                    } else {
                        edge.tally.turned_away.add(1);
                        let _ = client.set_zero_linger();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }
}
