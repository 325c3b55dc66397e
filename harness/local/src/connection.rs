//! A fresh connection, in clear or over TLS, and what came over it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::io::InspectReader;

use crate::clock::instant;
use crate::identity::{credulous, name_of};

/// A connection that goes on.
pub trait Kept: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Kept for T {}

pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Kept>,
    /// What the server showed, DER.
    pub(crate) certificate: Option<Vec<u8>>,
}

pub(crate) enum NoConnection {
    Refused,
    Unreachable(String),
    /// It stood, and broke before anything could be said over it.
    Broken {
        reset: bool,
    },
}

/// What came over the wire.
#[derive(Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) began: Instant,
    pub(crate) first_byte: Duration,
    pub(crate) bytes: usize,
    pub(crate) pieces: usize,
}

impl Traffic {
    pub(crate) fn since(began: Instant) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { began, first_byte: Duration::ZERO, bytes: 0, pieces: 0 }))
    }

    fn received(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        if self.bytes == 0 {
            self.first_byte = instant() - self.began;
        }
        self.bytes += bytes;
        self.pieces += 1;
    }
}

/// Connects, over TLS to whoever the server says it is.
pub(crate) async fn connect(
    address: SocketAddr,
    over_tls: bool,
    traffic: &Arc<Mutex<Traffic>>,
) -> Result<Connection, NoConnection> {
    let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => NoConnection::Refused,
        _ => NoConnection::Unreachable(error.to_string()),
    })?;
    let traffic = Arc::clone(traffic);
    let stream = InspectReader::new(stream, move |bytes: &[u8]| traffic.lock().received(bytes.len()));
    if !over_tls {
        return Ok(Connection { stream: Box::new(stream), certificate: None });
    }
    let connecting = TlsConnector::from(credulous()).connect(name_of(address.ip()), stream);
    let stream = connecting.await.map_err(|error| {
        let reset = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&error.kind());
        NoConnection::Broken { reset }
    })?;
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(|chain| chain.first()).map(|first| first.to_vec());
    Ok(Connection { stream: Box::new(stream), certificate })
}
