//! The process around a node: logs, listener, signals, a stop that waits for requests in flight.

mod connected;
mod connections;
mod listener;
mod logging;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use dive_runtime::{Runtime, TokioRuntime};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

pub use connected::ports;
pub use connections::serve as serve_connections;
pub use listener::{CertificateError, Tls};
pub use logging::install as install_logging;

use crate::adapters::mongodb::DriverError;
use crate::adapters::redis::RedisClientError;
use crate::adapters::{FileError, OpaError, TrustError};
use crate::node::{Node, NodeError};
use crate::ports::{Ports, SealingKeyError};
use crate::settings::Settings;

/// Why a node's process could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A setting has no default and was not given.
    #[error("setting `{key}` is needed: {about}")]
    Missing {
        /// The setting.
        key: &'static str,
        /// What it is for.
        about: &'static str,
    },
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// No client for the policy engine.
    #[error(transparent)]
    Opa(#[from] OpaError),
    /// The authorities to trust cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The certificate to serve with cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No client for the store.
    #[error(transparent)]
    Mongodb(#[from] DriverError),
    /// No client for a Redis.
    #[error(transparent)]
    Redis(#[from] RedisClientError),
    /// There is no key to seal cached decisions with.
    #[error(transparent)]
    SealingKey(#[from] SealingKeyError),
    /// The node could not be put together.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with `http.listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs a node until SIGTERM or SIGINT: logs on standard error, requests on `http.listen`.
///
/// # Errors
/// [`ServeError`] when it cannot begin. Once it has begun it ends without error.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    install_logging(&settings);
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let server = Server::bind(settings).await?;
    server
        .run(async move {
            tokio::select! {
                biased;
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(())
}

/// A node with its listener bound, not yet answering.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    node: Node,
    listener: TcpListener,
    tls: Option<Tls>,
    address: SocketAddr,
    runtime: Arc<TokioRuntime>,
}

impl Server {
    /// Opens what `settings` name and binds its address. What is behind the network may be away.
    ///
    /// # Errors
    /// [`ServeError`] when a file or the address cannot be used.
    pub async fn bind(settings: Settings) -> Result<Self, ServeError> {
        let runtime = Arc::new(TokioRuntime::new());
        let ports = ports(&settings, &(runtime.clone() as Arc<dyn Runtime>)).await?;
        Self::bound(settings, ports, runtime).await
    }

    /// Binds the address of `settings` for a node with the given ports.
    ///
    /// # Errors
    /// [`ServeError`] when the ports do not fit together or the address cannot be used.
    pub async fn bind_with(settings: Settings, ports: Ports) -> Result<Self, ServeError> {
        Self::bound(settings, ports, Arc::new(TokioRuntime::new())).await
    }

    async fn bound(settings: Settings, ports: Ports, runtime: Arc<TokioRuntime>) -> Result<Self, ServeError> {
        let tls = Tls::new(&settings.tls)?;
        let node = Node::new(settings.clone(), ports, runtime.clone())?;
        let failed = |source| ServeError::Listen { address: settings.http.listen, source };
        let listener = TcpListener::bind(settings.http.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { settings, node, listener, tls, address, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Answers until `stop` completes, then takes no more connections and waits at most `http.drain` for
    /// those that are busy.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { settings, node, listener, tls, address, runtime } = self;
        info!(event = "listening", address = %address, node = %settings.node.id);
        node.start();
        let router = node.router();
        let drained = connections::serve(listener, tls, router, &settings.http, &*runtime, stop).await;
        // The checks hold the runtime, so it would outlive the node.
        runtime.shutdown();
        if drained {
            info!(event = "stopped");
        } else {
            warn!(event = "stopped", reason = "some requests did not end in time");
        }
    }
}

#[cfg(test)]
mod tests;
