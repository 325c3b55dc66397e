//! The process around a key access service.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use dive_node::serve::{self as process, Listening, ServeError as ProcessError};
use dive_node::{NodeError, Ports, Settings};
use dive_runtime::{Runtime, TokioRuntime};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use crate::kas::Kas;
use crate::key_file::{self, KeyFileError};

/// Why the process could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What it shares with a node's process cannot be had.
    #[error(transparent)]
    Process(#[from] ProcessError),
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
}

/// Runs a key access service until SIGTERM or SIGINT: logs on standard error, requests on `kas.listen`.
///
/// # Errors
/// [`ServeError`] when it cannot begin. Once it has begun it ends without error.
pub async fn serve(settings: Settings) -> Result<(), ServeError> {
    process::install_logging(&settings);
    let stop = process::told_to_stop()?;
    Server::bind(settings).await?.run(stop).await;
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
    listening: Listening,
}

impl Server {
    /// Opens what `settings` name, the key file among it, and binds `kas.listen`.
    ///
    /// # Errors
    /// [`ServeError`] when something cannot be used.
    pub async fn bind(settings: Settings) -> Result<Self, ServeError> {
        let runtime = Arc::new(TokioRuntime::new());
        let ports = process::ports(&settings, &(runtime.clone() as Arc<dyn Runtime>)).await?;
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
        let kas = Kas::new(settings.clone(), ports, key, chance, runtime.clone())?;
        let listening = Listening::bind("kas.listen", settings.kas.listen, &settings.tls, runtime).await?;
        Ok(Self { settings, kas, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The service.
    pub fn kas(&self) -> &Kas {
        &self.kas
    }

    /// Answers until `stop` completes, then takes no more connections and waits at most `http.drain` for those
    /// that are busy.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        self.kas.start();
        self.listening.answer(self.kas.router(), &self.settings, stop).await;
    }
}
