//! Listen addresses as Toxiproxy reads them.

use crate::api::error::ApiError;
use http::StatusCode;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, lookup_host};

/// A name server that does not answer must not hold up the API.
const LOOKUP: Duration = Duration::from_secs(5);

/// `host:port`, `:port` (every address of the machine) or nothing (every address, a free port). A name with several
/// addresses means its first IPv4 one.
pub(super) async fn listen(given: &str) -> Result<SocketAddr, ApiError> {
    let error = |detail: &str| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("listen tcp: address {given}: {detail}"))
    };
    if let Ok(addr) = given.parse() {
        return Ok(addr);
    }
    let (host, port) = if given.is_empty() {
        ("", "0")
    } else {
        given.rsplit_once(':').ok_or_else(|| error("missing port in address"))?
    };
    let port: u16 = port.parse().map_err(|_| error("invalid port"))?;
    if host.is_empty() {
        // A machine may have no IPv6.
        let any = if TcpSocket::new_v6().is_ok() {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        return Ok(SocketAddr::new(any, port));
    }
    let found = tokio::time::timeout(LOOKUP, lookup_host((host, port)))
        .await
        .map_err(|_| error("lookup took too long"))?
        .map_err(|e| error(&e.to_string()))?;
    found.min_by_key(SocketAddr::is_ipv6).ok_or_else(|| error("no such host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_usual_forms_are_understood_and_others_refused() {
        for (given, port) in
            [("", 0), (":26379", 26379), ("127.0.0.1:5", 5), ("[::1]:6", 6), ("localhost:0", 0)]
        {
            assert_eq!(listen(given).await.unwrap().port(), port, "{given:?}");
        }
        assert!(listen(":1").await.unwrap().ip().is_unspecified());
        assert_eq!(listen("localhost:7").await.unwrap(), ([127, 0, 0, 1], 7).into());
        for bad in ["localhost", "localhost:x", "127.0.0.1:65536", "127.0.0.1:-1"] {
            assert!(listen(bad).await.is_err(), "{bad:?}");
        }
    }
}
