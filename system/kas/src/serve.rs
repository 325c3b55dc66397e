//! The process around a key access service.

use std::net::SocketAddr;
use std::sync::Arc;

use dive_node::adapters::FileError;
use dive_node::serve::{self as node, ServeError as NodeServeError};
use dive_node::{NodeError, Ports, Settings};
use dive_runtime::{Runtime, TokioRuntime};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::future::Future;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::kas::Kas;
use crate::key_file::{self, KeyFileError};

/// Why the process could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What it shares with a node cannot be had.
    #[error(transparent)]
    Ports(#[from] NodeServeError),
    /// Its key cannot be had.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A setting has no default and was not given.
    #[error("setting `kas.key_file` is needed: the service's private key")]
    NoKeyFile,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    NoEntropy(getrandom::Error),
    /// The service could not be put together.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; choose another with `kas.listen`")]
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

/// Runs a key access service until SIGTERM or SIGINT: logs on standard error, requests on `kas.listen`.
///
/// # Errors
/// [`ServeError`] when it cannot begin. Once it has begun it ends without error.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    node::install_logging(&settings);
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

/// A generator seeded by the system.
///
/// # Errors
/// [`ServeError::NoEntropy`] when the system gives no random bytes.
pub fn system_chance() -> Result<StdRng, ServeError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(ServeError::NoEntropy)?;
    Ok(StdRng::from_seed(*seed))
}

/// A service with its listener bound, not yet answering.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    kas: Kas,
    listener: TcpListener,
    tls: Option<node::Tls>,
    address: SocketAddr,
    runtime: Arc<TokioRuntime>,
}

impl Server {
    /// Opens what `settings` name, the key file among it, and binds `kas.listen`.
    ///
    /// # Errors
    /// [`ServeError`] when something cannot be used.
    pub async fn bind(settings: Settings) -> Result<Self, ServeError> {
        let runtime = Arc::new(TokioRuntime::new());
        let ports = node::ports(&settings, &(runtime.clone() as Arc<dyn Runtime>)).await?;
        Self::bound(settings, ports, runtime).await
    }

    /// The same with the given ports.
    ///
    /// # Errors
    /// [`ServeError`] when something cannot be used.
    pub async fn bind_with(settings: Settings, ports: Ports) -> Result<Self, ServeError> {
        Self::bound(settings, ports, Arc::new(TokioRuntime::new())).await
    }

    async fn bound(settings: Settings, ports: Ports, runtime: Arc<TokioRuntime>) -> Result<Self, ServeError> {
        if settings.kas.key_file.as_os_str().is_empty() {
            return Err(ServeError::NoKeyFile);
        }
        let mut chance = system_chance()?;
        let key = key_file::open_or_create(&settings.kas.key_file, &mut chance)?;
        let tls = node::Tls::new(&settings.tls)?;
        let kas = Kas::new(settings.clone(), ports, key, chance, runtime.clone())?;
        let failed = |source| ServeError::Listen { address: settings.kas.listen, source };
        let listener = TcpListener::bind(settings.kas.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { settings, kas, listener, tls, address, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The service.
    pub fn kas(&self) -> &Kas {
        &self.kas
    }

    /// Answers until `stop` completes, then takes no more connections and waits at most `http.drain` for those
    /// that are busy.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { settings, kas, listener, tls, address, runtime } = self;
        info!(event = "listening", address = %address, node = %settings.node.id);
        kas.start();
        let drained =
            node::serve_connections(listener, tls, kas.router(), &settings.http, &*runtime, stop).await;
        // The checks hold the runtime, so it would outlive the service.
        runtime.shutdown();
        if drained {
            info!(event = "stopped");
        } else {
            warn!(event = "stopped", reason = "some requests did not end in time");
        }
    }
}
