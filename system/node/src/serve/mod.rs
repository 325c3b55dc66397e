//! The process around a node: logs, listener, signals, a stop that waits for requests in flight.
//!
//! [`install_logging`], [`told_to_stop`] and [`Listening`] are those of any process that serves.

mod connected;
mod connections;
mod listener;
mod listening;
mod logging;
mod told_to_stop;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use dive_runtime::{Runtime, TokioRuntime};

pub use connected::ports;
pub use listener::CertificateError;
pub use listening::Listening;
pub use logging::install as install_logging;
pub use told_to_stop::told_to_stop;

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
    #[error("cannot listen on {address}: {source}; choose another with `{key}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        key: &'static str,
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
    let stop = told_to_stop()?;
    Server::bind(settings).await?.run(stop).await;
    Ok(())
}

/// A node with its listener bound, not yet answering.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    node: Node,
    listening: Listening,
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
        let node = Node::new(settings.clone(), ports, runtime.clone())?;
        let listening = Listening::bind("http.listen", settings.http.listen, &settings.tls, runtime).await?;
        Ok(Self { settings, node, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Answers until `stop` completes, then takes no more connections and waits at most `http.drain` for
    /// those that are busy.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        self.node.start();
        self.listening.answer(self.node.router(), &self.settings, stop).await;
    }
}

#[cfg(test)]
mod tests;
