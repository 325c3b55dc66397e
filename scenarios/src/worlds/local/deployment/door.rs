//! The door of one part of the machine: so each part is called over an edge of its own, which can be broken alone.

use std::io;
use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Passes on to `to` whatever comes to `listen`, for ever.
///
/// # Errors
/// When it can't listen.
pub async fn serve(listen: SocketAddr, to: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (mut near, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Ok(mut far) = TcpStream::connect(to).await {
                // Either side may go at any time.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
