//! How connections part, and that each is struck off the book exactly once, whatever becomes of its task.

use super::Edge;
use crate::clock;
use crate::connections::{End, Tap};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) struct Ending {
    pub(super) end: End,
    pub(super) manner: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Both sides have ended by themselves: just close.
    Drop,
    /// A TCP reset to both.
    Reset,
    /// An end of stream to both. What they still send is discarded for a while, because the kernel answers bytes
    /// that nobody has read with a reset.
    Orderly,
}

pub(super) async fn part(
    client: Option<TcpStream>,
    upstream: Option<TcpStream>,
    manner: Manner,
    linger: Duration,
) {
    let sockets = [client, upstream];
    match manner {
        Manner::Drop => {}
        Manner::Reset => {
            for socket in sockets.iter().flatten() {
                let _ = socket.set_zero_linger();
            }
        }
        Manner::Orderly => {
            let [client, upstream] = sockets;
            let _ = tokio::time::timeout(linger, async {
                tokio::join!(orderly(client), orderly(upstream));
            })
            .await;
        }
    }
}

async fn orderly(socket: Option<TcpStream>) {
    let Some(mut socket) = socket else { return };
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut discarded = [0; 4096];
    while matches!(socket.read(&mut discarded).await, Ok(n) if n > 0) {}
}

/// Strikes the connection off the book; a task that is aborted was stopped.
pub(super) struct Leaving {
    edge: Arc<Edge>,
    tap: Arc<Tap>,
    left: bool,
}

impl Leaving {
    pub(super) fn new(edge: Arc<Edge>, tap: Arc<Tap>) -> Self {
        Self { edge, tap, left: false }
    }

    pub(super) fn now(&mut self, end: End) {
        if !std::mem::replace(&mut self.left, true) {
            self.edge.tally.closed.add(1);
            self.edge.connections.leave(clock::now(), &self.tap, end);
        }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.now(End::Stopped);
    }
}
