//! An HTTP client for what is not the policy engine: plain or TLS, bounded, going nowhere it was not told to.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::tls::{Distrust, Trust, distrust};

/// What becomes of a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// It is kept for the next request.
    Kept,
    /// It ends. A kept one can go on working after the way is gone for everybody else.
    Fresh,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The server's certificate is not good.
    #[error("tls: {0}")]
    Untrusted(#[from] Distrust),
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The answer is longer than anything that is asked for here.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// It answered, but not with what was asked for.
    #[error("status {}", .0.as_u16())]
    Status(StatusCode),
    /// Nobody can be asked there.
    #[error("`{0}` is no address")]
    Address(String),
}

/// A client that trusts whom it is told to. It follows no redirects and uses no proxies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    answer_limit: usize,
}

impl HttpClient {
    /// Reads answers of at most `answer_limit` bytes.
    pub fn new(
        trust: &Trust,
        connections: Connections,
        connect_timeout: Duration,
        answer_limit: usize,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust.client_config())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let idle = match connections {
            Connections::Kept => usize::MAX,
            Connections::Fresh => 0,
        };
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(idle).build(connector);
        Self { client, answer_limit }
    }

    /// Sends `request` to its absolute URI and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`HttpError`] when there is none.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.request(request.map(Full::new)).await.map_err(|error| why(&error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.answer_limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                HttpError::TooLong(self.answer_limit)
            } else {
                why(error.as_ref())
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }

    /// What is at `url`, if it answers that all is well.
    ///
    /// # Errors
    /// [`HttpError`] when it does not.
    pub async fn get(&self, url: &str) -> Result<Bytes, HttpError> {
        let address = || HttpError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| address())?;
        let request = Request::get(uri).body(Bytes::new()).map_err(|_| address())?;
        let answer = self.send(request).await?;
        if answer.status().is_success() {
            Ok(answer.into_body())
        } else {
            Err(HttpError::Status(answer.status()))
        }
    }
}

/// What went wrong, down to its cause.
fn why(error: &(dyn Error + 'static)) -> HttpError {
    if let Some(distrust) = distrust(error) {
        return distrust.clone().into();
    }
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    HttpError::Unreachable(cause.to_string())
}
