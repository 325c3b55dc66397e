//! Servers on loopback, on threads of their own, so that who asks and who answers do not share one.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread;

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// Any free port of loopback.
pub const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Runs what `start` makes on a multi-threaded runtime of its own, until the process ends. Returns what
/// `start` says is to be known outside: an address, a handle.
///
/// # Panics
/// When it cannot be started.
pub fn apart<T, F, Work>(start: F) -> T
where
    T: Send + 'static,
    F: AsyncFnOnce() -> (T, Work) + Send + 'static,
    Work: Future<Output = ()>,
{
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads are to be had");
        runtime.block_on(async {
            let (known, work) = start().await;
            tell.send(known).expect("the bench waits");
            work.await;
        });
    });
    told.recv().expect("it starts")
}

/// Serves these routes; where.
pub fn routes(router: Router) -> SocketAddr {
    apart(async move || {
        let listener = TcpListener::bind(ANY).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let listener = listener.tap_io(|socket| socket.set_nodelay(true).expect("it is connected"));
        (address, async move { axum::serve(listener, router).await.expect("it serves for ever") })
    })
}
