//! A listener, and the answering on it until a stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use dive_runtime::TokioRuntime;
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::listener::Tls;
use super::{ServeError, connections};
use crate::settings::{Settings, TlsSettings};

/// A process' listener, bound and not yet answering.
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    tls: Option<Tls>,
    address: SocketAddr,
    runtime: Arc<TokioRuntime>,
}

impl Listening {
    /// Binds `address`, which the setting `key` names; over TLS when `tls` has a certificate. What answers runs its
    /// tasks on `runtime`.
    ///
    /// # Errors
    /// [`ServeError`] when the certificate or the address cannot be used.
    pub async fn bind(
        key: &'static str,
        address: SocketAddr,
        tls: &TlsSettings,
        runtime: Arc<TokioRuntime>,
    ) -> Result<Self, ServeError> {
        let tls = Tls::new(tls)?;
        let failed = |source| ServeError::Listen { address, key, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, tls, address, runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` completes, then takes no more connections, waits at most `http.drain` for those that
    /// are busy, and ends the runtime.
    pub async fn answer(self, router: Router, settings: &Settings, stop: impl Future<Output = ()>) {
        let Self { listener, tls, address, runtime } = self;
        info!(event = "listening", address = %address, node = %settings.node.id);
        let drained = connections::serve(listener, tls, router, &settings.http, &*runtime, stop).await;
        // Its tasks hold the runtime, so it would outlive what answers.
        runtime.shutdown();
        if drained {
            info!(event = "stopped");
        } else {
            warn!(event = "stopped", reason = "some requests did not end in time");
        }
    }
}
