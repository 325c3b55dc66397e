//! The API's own listener: bounded in connections, and in how long a client may take to say what it wants.

use super::routes;
use crate::set::ProxySet;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

/// Clients of the API at a time; the next ones are turned away.
const MOST_CLIENTS: usize = 1024;
const HEAD: Duration = Duration::from_secs(15);
const BREATHER: Duration = Duration::from_millis(10);

/// Serves the API over a set of proxies. Dropping it ends the serving; the proxies stay with the set.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    proxies: Arc<ProxySet>,
    serving: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    /// Listens on `addr` (port 0: a free one). Whoever can reach it can open ports and connect from here: keep it on
    /// loopback.
    pub async fn bind(addr: SocketAddr, proxies: Arc<ProxySet>) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let serving = tokio::spawn(serve(listener, Arc::clone(&proxies))).abort_handle();
        Ok(Self { addr, proxies, serving })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it serves.
    pub fn proxies(&self) -> &Arc<ProxySet> {
        &self.proxies
    }
}

async fn serve(listener: TcpListener, proxies: Arc<ProxySet>) {
    let service = TowerToHyperService::new(routes(proxies));
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(done) = clients.join_next(), if !clients.is_empty() => {
                if let Err(error) = done {
                    tracing::error!(%error, "a client of the API ended its task");
                }
            }
            accepted = listener.accept() => match accepted {
                Ok(_) if clients.len() >= MOST_CLIENTS => tracing::warn!("too many clients of the API"),
                Ok((socket, _)) => {
                    let _ = socket.set_nodelay(true);
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD)
                        .serve_connection(TokioIo::new(socket), service.clone());
                    clients.spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(%error, "a client of the API left early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }
}
