//! An interceptor: ends TLS with an identity of its own and passes on what it hears.
//!
//! What a network does that inspects traffic, and what an attacker does who came between. It stands behind the
//! proxy of an edge in the called service's place.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::identity::{Identity, credulous, name_of};

/// A client that has not shaken hands by then is left alone.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Connections at once. More wait to be accepted.
const MOST: usize = 512;

/// Where an interceptor passes on what it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// To a server that speaks TLS, whoever it says it is.
    Tls(SocketAddr),
    /// In clear, to whoever answers there.
    Plain(SocketAddr),
}

/// An interceptor that runs until it is dropped.
#[derive(Debug)]
pub struct Interceptor {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Interceptor {
    /// Listens on a free port of 127.0.0.1; runs on `network`.
    ///
    /// # Errors
    /// When there is no port, or the identity can't be used.
    pub fn start(network: &Handle, identity: &Identity, beyond: Beyond) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let _network = network.enter();
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let acceptor = acceptor(identity)?;
        let accepting = network.spawn(accept(listener, acceptor, beyond)).abort_handle();
        Ok(Self { address, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Interceptor {
    fn drop(&mut self) {
        // Its connections are children of that task.
        self.accepting.abort();
    }
}

/// Intercepts what comes to `listen`, until the process ends.
///
/// # Errors
/// When the address can't be had, or the identity can't be used.
pub async fn serve(listen: SocketAddr, identity: &Identity, beyond: Beyond) -> io::Result<()> {
    serve_on(std::net::TcpListener::bind(listen)?, identity, beyond).await
}

/// Intercepts what comes to a listener, until the process ends.
///
/// # Errors
/// When the listener or the identity can't be used.
pub async fn serve_on(
    listener: std::net::TcpListener,
    identity: &Identity,
    beyond: Beyond,
) -> io::Result<()> {
    let acceptor = acceptor(identity)?;
    listener.set_nonblocking(true)?;
    accept(TcpListener::from_std(listener)?, acceptor, beyond).await;
    Ok(())
}

fn acceptor(identity: &Identity) -> io::Result<TlsAcceptor> {
    Ok(TlsAcceptor::from(Arc::new(identity.server_config().map_err(io::Error::other)?)))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, beyond: Beyond) {
    let connector = TlsConnector::from(credulous());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= MOST {
            connections.join_next().await;
            continue;
        }
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: some will come back.
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (acceptor, connector) = (acceptor.clone(), connector.clone());
        // Whoever distrusts it ends the handshake: that is what it is for.
        connections.spawn(async move { pass_on(stream, &acceptor, &connector, beyond).await.is_ok() });
    }
}

async fn pass_on(
    near: TcpStream,
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
    beyond: Beyond,
) -> io::Result<()> {
    near.set_nodelay(true)?;
    let near = timeout(HANDSHAKE, acceptor.accept(near)).await??;
    match beyond {
        Beyond::Plain(to) => relay(near, connect(to).await?).await,
        Beyond::Tls(to) => {
            let far = connector.connect(name_of(to.ip()), connect(to).await?);
            relay(near, timeout(HANDSHAKE, far).await??).await
        }
    }
}

async fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(HANDSHAKE, TcpStream::connect(to)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn relay(
    mut near: impl AsyncRead + AsyncWrite + Unpin,
    mut far: impl AsyncRead + AsyncWrite + Unpin,
) -> io::Result<()> {
    copy_bidirectional(&mut near, &mut far).await.map(drop)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::canary::{Canary, Outcome};

    const LIMIT: Duration = Duration::from_secs(20);

    fn identity() -> Identity {
        Identity::foreign(&["127.0.0.1".to_owned()]).unwrap()
    }

    /// Answers every connection once.
    async fn answering() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 1024];
                if stream.read(&mut request).await.unwrap() > 0 {
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
                }
            }
        });
        address
    }

    async fn meet(at: SocketAddr) -> Outcome {
        Canary::Https("/".into()).send(at, 0, LIMIT).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_said_passes_under_another_certificate() {
        let network = Handle::current();
        let service = Interceptor::start(&network, &identity(), Beyond::Plain(answering().await)).unwrap();
        let stranger = Interceptor::start(&network, &identity(), Beyond::Tls(service.address())).unwrap();
        let (direct, through) = (meet(service.address()).await, meet(stranger.address()).await);
        let (direct, through) = (direct.answer().unwrap(), through.answer().unwrap());
        assert_eq!((direct.body.as_slice(), through.body.as_slice()), (&b"hello"[..], &b"hello"[..]));
        assert!(direct.certificate.is_some() && through.certificate.is_some());
        assert_ne!(direct.certificate, through.certificate);

        let at = stranger.address();
        drop(stranger);
        while meet(at).await != Outcome::Refused {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_does_not_speak_tls_hears_no_answer() {
        let beyond = Beyond::Plain(answering().await);
        let interceptor = Interceptor::start(&Handle::current(), &identity(), beyond).unwrap();
        let outcome = Canary::Http("/".into()).send(interceptor.address(), 0, LIMIT).await;
        assert!(outcome.answer().is_none_or(|heard| heard.status.is_none()), "{outcome}");
    }
}
