//! Whether the key access service is there. The node itself asks it for nothing: clients do.

use std::time::Duration;

use async_trait::async_trait;

use super::http_client::{Connections, HttpClient};
use super::tls::Trust;
use crate::ports::{Probe, ProbeError};

/// The longest health document that is read, bytes.
const ANSWER_LIMIT: usize = 64 << 10;

/// Asks for `/health/live`, over a fresh connection each time. One that lost a dependency of its own is there all
/// the same: it says itself what it lacks, and what it lacks must not open this node's circuit to it.
#[derive(Debug)]
pub struct KasProbe {
    client: HttpClient,
    url: String,
}

impl KasProbe {
    /// A check of the service at `url`, `http[s]://host:port`.
    pub fn new(url: &str, trust: &Trust, deadline: Duration) -> Self {
        let client = HttpClient::new(trust, Connections::Fresh, deadline, ANSWER_LIMIT);
        Self { client, url: format!("{}/health/live", url.trim_end_matches('/')) }
    }
}

#[async_trait]
impl Probe for KasProbe {
    async fn check(&self) -> Result<(), ProbeError> {
        self.client.get(&self.url).await.map(drop).map_err(|error| ProbeError(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn it_is_there_when_it_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/well/health/live", get(|| async { "{}" }))
            .route("/ill/health/live", get(|| async { StatusCode::SERVICE_UNAVAILABLE }));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        let trust = Trust::from_pem(&rcgen_authority()).unwrap();
        let check = async |path: &str| {
            let probe = KasProbe::new(&format!("http://{address}{path}"), &trust, Duration::from_secs(2));
            probe.check().await.map_err(|error| error.0)
        };
        assert_eq!(check("/well").await, Ok(()));
        assert_eq!(check("/ill/").await, Err("status 503".to_owned()));
        serving.abort();
        let _ = serving.await;
        assert!(check("/well").await.unwrap_err().contains("refused"));
    }

    /// Some authority: no certificate is shown here.
    fn rcgen_authority() -> Vec<u8> {
        rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap().cert.pem().into_bytes()
    }
}
