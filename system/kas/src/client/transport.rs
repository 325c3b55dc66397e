//! How a service is reached.

use async_trait::async_trait;
use bytes::Bytes;
use dive_node::adapters::HttpClient;
use http::request::Builder;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;
use tower::ServiceExt as _;

/// The service was not reached, or broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service cannot be reached: {0}")]
pub struct TransportError(pub String);

/// A way to one service. The URI of a request is its path and query.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` and waits for the whole answer.
    ///
    /// # Errors
    /// [`TransportError`] when there is none.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError>;
}

/// Sends JSON as the bearer of `token`.
pub(super) async fn post<T: Serialize + Sync>(
    service: &dyn Transport,
    path: &str,
    token: &str,
    body: &T,
) -> Result<Response<Bytes>, TransportError> {
    let body = serde_json::to_vec(body).map_err(|error| TransportError(error.to_string()))?;
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    service.send(bearing(token, request, body.into())?).await
}

/// Reads as the bearer of `token`.
pub(super) async fn get(
    service: &dyn Transport,
    path: &str,
    token: &str,
) -> Result<Response<Bytes>, TransportError> {
    service.send(bearing(token, Request::get(path), Bytes::new())?).await
}

fn bearing(token: &str, request: Builder, body: Bytes) -> Result<Request<Bytes>, TransportError> {
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).body(body);
    request.map_err(|_| TransportError("the token is no header's value".to_owned()))
}

/// Over HTTP, or HTTPS.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    base: String,
    client: HttpClient,
}

impl HttpTransport {
    /// To the service at `base`, `http[s]://host:port`, by `client`, which decides whom to trust and how much to
    /// read.
    pub fn new(base: &str, client: HttpClient) -> Self {
        Self { base: base.trim_end_matches('/').to_owned(), client }
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let absolute: Result<Uri, _> = format!("{}{}", self.base, request.uri()).parse();
        *request.uri_mut() = absolute.map_err(|error| TransportError(error.to_string()))?;
        self.client.send(request).await.map_err(|error| TransportError(error.to_string()))
    }
}

/// Within the same process: the routes of a service, called directly.
#[derive(Clone, Debug)]
pub struct InProcess(pub axum::Router);

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = request.map(|body| axum::body::Body::new(Full::new(body)));
        let Ok(answer) = self.0.clone().oneshot(request).await;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| TransportError(error.to_string()))?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}
