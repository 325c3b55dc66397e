//! Upstreams that behave in one known way each, and clients that say what they saw.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A free port of loopback.
pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Where nobody listens, and nobody comes to listen.
pub(crate) const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

/// Longer than anything here takes; what runs into it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// So long nothing must come where nothing may come.
pub(crate) const QUIET: Duration = Duration::from_millis(150);

#[expect(clippy::disallowed_methods, reason = "these tests measure real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What is expected to happen, does so before patience ends.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("did not happen in time")
}

/// Asks again until it is so.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    soon(async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// A server on a free port; it and all its connections end with the value.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Upstream {
    pub(crate) async fn serving<F, Fut>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(ANY).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = socket.set_nodelay(true);
                let served = serve(socket);
                connections.spawn(async move {
                    let _ = served.await;
                });
            }
        });
        Self { addr, accepted, task }
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Sends back what it gets, and its FIN after the client's.
    pub(crate) async fn echo() -> Self {
        Self::serving(|mut socket| async move {
            let (mut from, mut to) = socket.split();
            tokio::io::copy(&mut from, &mut to).await?;
            to.shutdown().await
        })
        .await
    }

    /// Reads everything up to the FIN, then answers with the number of bytes and ends.
    pub(crate) async fn counting() -> Self {
        Self::serving(|mut socket| async move {
            let mut all = Vec::new();
            socket.read_to_end(&mut all).await?;
            socket.write_all(all.len().to_string().as_bytes()).await?;
            socket.shutdown().await
        })
        .await
    }

    /// Sends at once what it was given, then ends.
    pub(crate) async fn sending(bytes: Vec<u8>) -> Self {
        Self::serving(move |mut socket| {
            let bytes = bytes.clone();
            async move {
                socket.write_all(&bytes).await?;
                socket.shutdown().await?;
                let mut rest = Vec::new();
                socket.read_to_end(&mut rest).await.map(|_| ())
            }
        })
        .await
    }

    /// Reads and never says a word.
    pub(crate) async fn mute() -> Self {
        Self::serving(|mut socket| async move {
            let mut sunk = [0; 4096];
            while socket.read(&mut sunk).await? > 0 {}
            std::future::pending().await
        })
        .await
    }

    /// Answers every HTTP request with 200 and `real`.
    pub(crate) async fn http() -> Self {
        Self::serving(|mut socket| async move {
            let mut buffer = [0; 4096];
            while socket.read(&mut buffer).await? > 0 {
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal").await?;
            }
            Ok(())
        })
        .await
    }
}

/// A client's connection.
pub(crate) async fn connect(addr: SocketAddr) -> TcpStream {
    let socket = soon(TcpStream::connect(addr)).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Sends `bytes` and waits for as many back.
pub(crate) async fn echo(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    soon(async {
        socket.write_all(bytes).await?;
        let mut back = vec![0; bytes.len()];
        socket.read_exact(&mut back).await?;
        Ok(back)
    })
    .await
}

/// Nothing comes, no byte, no end.
pub(crate) async fn assert_silent(socket: &mut TcpStream) {
    let mut byte = [0];
    let got = tokio::time::timeout(QUIET, socket.read(&mut byte)).await;
    assert!(got.is_err(), "something came: {got:?}");
}

/// The end of the stream comes, in order, with nothing ahead of it.
pub(crate) async fn assert_fin(socket: &mut TcpStream) {
    let mut byte = [0];
    let got = soon(socket.read(&mut byte)).await;
    assert!(matches!(got, Ok(0)), "no FIN but {got:?}");
}

/// A reset comes.
pub(crate) async fn assert_rst(socket: &mut TcpStream) {
    let mut byte = [0; 64];
    let got = soon(async {
        loop {
            match socket.read(&mut byte).await {
                Ok(n) if n > 0 => {}
                end => break end,
            }
        }
    })
    .await;
    assert_eq!(got.map_err(|e| e.kind()), Err(io::ErrorKind::ConnectionReset));
}

/// A new connection is refused.
pub(crate) async fn assert_refused(addr: SocketAddr) {
    let got = soon(TcpStream::connect(addr)).await.map(|_| ()).map_err(|e| e.kind());
    assert_eq!(got, Err(io::ErrorKind::ConnectionRefused));
}
