//! The way to the upstream: an address as it was given, and a connection on its way there.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;

/// `host:port`, looked up anew for every connection. An empty host is this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(String);

impl Target {
    /// Only what can be connected to: a port, and no blanks.
    pub(crate) fn parse(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let plausible = host.len() <= 255 && !host.contains(|c: char| c.is_whitespace() || c.is_control());
        (port > 0 && plausible).then(|| Self(address.to_owned()))
    }

    async fn connect(self) -> io::Result<TcpStream> {
        let stream = match self.0.parse::<SocketAddr>() {
            Ok(addr) => TcpStream::connect(addr).await?,
            Err(_) => match self.0.strip_prefix(':') {
                Some(port) => TcpStream::connect(format!("localhost:{port}")).await?,
                None => TcpStream::connect(&self.0).await?,
            },
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Dialing = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// Where a connection is with its upstream.
pub(crate) enum Upstream {
    /// Not asked for yet, or not any more.
    Absent,
    Dialing(Dialing),
    Up(TcpStream),
    /// It could not be reached.
    Failed,
    /// It was there and is gone, and the client does not know.
    Gone,
}

impl Upstream {
    pub(crate) fn dial(target: Target, within: Duration) -> Self {
        Self::Dialing(Box::pin(async move {
            tokio::time::timeout(within, target.connect()).await.map_err(io::Error::from)?
        }))
    }

    /// Drives a dial on; `true` when it has come to its end.
    pub(crate) fn poll_dial(&mut self, cx: &mut Context<'_>) -> bool {
        let Self::Dialing(dialing) = self else { return false };
        match dialing.as_mut().poll(cx) {
            Poll::Pending => false,
            Poll::Ready(outcome) => {
                *self = outcome.map_or(Self::Failed, Self::Up);
                true
            }
        }
    }

    pub(crate) fn socket(&mut self) -> Option<&mut TcpStream> {
        match self {
            Self::Up(socket) => Some(socket),
            Self::Absent | Self::Dialing(_) | Self::Failed | Self::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_port_is_a_target() {
        for good in ["127.0.0.1:80", "[::1]:80", ":80", "opa:8181", "a.b.c:65535"] {
            assert_eq!(Target::parse(good).map(|t| t.to_string()).as_deref(), Some(good));
        }
        for bad in ["", "opa", "opa:", "opa:0", "opa:65536", "opa:http", "o pa:1", "opa:1\n"] {
            assert_eq!(Target::parse(bad), None, "{bad:?}");
        }
    }
}
