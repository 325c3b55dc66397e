//! Accepting and serving connections.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use dive_runtime::Runtime;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;
use tower::util::Oneshot;
use tracing::warn;

use super::listener::Tls;
use crate::http::SourceIp;
use crate::settings::HttpSettings;

/// How long to wait after the system refused a connection for want of resources.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves until `stop`, over TLS when there is a `tls` to begin with; true when every request in flight ended within
/// `http.drain`.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    router: Router,
    http: &HttpSettings,
    runtime: &dyn Runtime,
    stop: impl Future<Output = ()>,
) -> bool {
    let graceful = GracefulShutdown::new();
    let free = Arc::new(Semaphore::new(http.connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &free) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let service = Service { source: SourceIp(peer.to_string().into()), router: router.clone() };
                let begun = Begun { tls: tls.clone(), place, header_timeout: http.header_timeout };
                tokio::spawn(begun.answer(stream, service, graceful.watcher()));
            }
            Err(error) => {
                warn!(event = "accept_failed", error = %error);
                runtime.sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    runtime.timeout(http.drain, graceful.shutdown()).await.is_ok()
}

/// Waits for a free place first: clients beyond the bound wait in the system's queue.
async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(free).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer.ip(), place))
}

/// What every request of one connection goes to.
#[derive(Clone)]
struct Service {
    source: SourceIp,
    router: Router,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Service {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = Oneshot<Router, hyper::Request<Body>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.source.clone());
        self.router.clone().oneshot(request)
    }
}

/// A connection that was accepted.
struct Begun {
    tls: Option<Tls>,
    place: OwnedSemaphorePermit,
    /// The handshake may take as long as a request's head.
    header_timeout: Duration,
}

impl Begun {
    /// Answers until the client goes away, which in the middle is no event of ours.
    async fn answer(self, stream: TcpStream, service: Service, watcher: Watcher) {
        match &self.tls {
            None => self.serve(stream, service, watcher).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = tokio::time::timeout(self.header_timeout, tls.accept(stream)).await {
                    self.serve(stream, service, watcher).await;
                }
            }
        }
        drop(self.place);
    }

    async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        service: Service,
        watcher: Watcher,
    ) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // One clock for two: it starts when a head is waited for, not when one begins to come. A time of its own
            // for idle connections is not offered.
            .header_read_timeout(self.header_timeout)
            .serve_connection(TokioIo::new(stream), service);
        let _ = watcher.watch(connection).await;
    }
}
