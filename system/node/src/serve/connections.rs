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
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;
use tracing::warn;

use crate::http::SourceIp;
use crate::settings::HttpSettings;

/// How long to wait after the system refused a connection for want of resources.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves until `stop`; true when every request in flight ended within `http.drain`.
pub async fn serve(
    listener: TcpListener,
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
                answer(stream, peer, place, router.clone(), http.header_timeout, &graceful);
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

fn answer(
    stream: TcpStream,
    peer: IpAddr,
    place: OwnedSemaphorePermit,
    router: Router,
    header_timeout: Duration,
    graceful: &GracefulShutdown,
) {
    let source = SourceIp(peer.to_string().into());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(source.clone());
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(match router.oneshot(request.map(Body::new)).await {
                Ok(answer) => answer,
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // A client that goes away in the middle is no event of ours.
        let _ = connection.await;
        drop(place);
    });
}
