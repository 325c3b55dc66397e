//! The node's routes.
//!
//! | route | answer |
//! |---|---|
//! | `POST /api/authorize` | [`authorize`]: 200, 400, 401, 403, 404, 413, 503 |
//! | `GET /api/resources/{id}`, `/api/resources/{id}/payload`, `/api/resources/search` | [`resources`]: 200, 400, 401, 403, 404, 503 |
//! | `POST /api/auth/revoke`, `/api/auth/logout` | [`auth`]: 200, 202, 400, 401, 403, 413, 503 |
//! | `GET /api/idps/public` | [`idps`]: 200, 503 |
//! | `GET /health`, `/health/live`, `/health/ready`, `/health/detailed`, also under `/api` | [`health`] |
//! | `GET /metrics` | OpenMetrics text |
//!
//! Every answer bears `X-Request-Id`: the caller's, if it sent a usable one, else one of the node's own.
//! Every error is JSON: `{error, reason, requestId}`.

mod auth;
mod authorize;
mod body;
mod health;
mod idps;
mod problem;
mod request_id;
mod resources;

#[cfg(test)]
mod auth_tests;
#[cfg(test)]
mod resources_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use body::{Refusal, bearer, read as read_json};
pub use problem::{Problem, json};
pub(crate) use request_id::RequestIds;

use crate::event::NodeEvent;
pub use crate::metrics::CONTENT_TYPE;
use crate::node::Parts;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id, put into its extensions before anything else sees it.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Where a request came from, put into its extensions by whoever accepted the connection.
#[derive(Clone, Debug)]
pub(crate) struct SourceIp(pub(crate) Arc<str>);

/// All routes of a node.
pub(crate) fn router(parts: Arc<Parts>) -> Router {
    let service = Router::new()
        .route("/api/authorize", post(authorize::authorize))
        .route("/api/resources/search", get(resources::search))
        .route("/api/resources/{id}", get(resources::one))
        .route("/api/resources/{id}/payload", get(resources::payload))
        .route("/api/auth/revoke", post(auth::revoke))
        .route("/api/auth/logout", post(auth::logout))
        .route("/api/idps/public", get(idps::public))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(&parts));
    around(parts, service)
}

/// The routes of `service`, and what every service has: health, request ids, errors in JSON.
pub(crate) fn around(parts: Arc<Parts>, service: Router) -> Router {
    // Spelled out rather than nested: a nested router cuts every request's path anew.
    let with_health = |router: Router<_>, prefix: &str| {
        router
            .route(&format!("{prefix}/health"), get(health::summary))
            .route(&format!("{prefix}/health/live"), get(health::live))
            .route(&format!("{prefix}/health/ready"), get(health::ready))
            .route(&format!("{prefix}/health/detailed"), get(health::detailed))
    };
    ["", "/api"]
        .into_iter()
        .fold(Router::new(), with_health)
        .with_state(Arc::clone(&parts))
        .merge(service)
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(parts, observe))
}

/// Names the request, tells how it was answered and how long that took.
async fn observe(State(parts): State<Arc<Parts>>, mut request: Request, next: Next) -> Response {
    let started = parts.runtime.now();
    let id = parts.request_ids.of(request.headers().get(X_REQUEST_ID));
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(RequestId(Arc::clone(&id)));
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    parts.events.emit(&NodeEvent::Answered {
        request_id: &id,
        method: method.as_str(),
        route: route.as_ref().map_or("-", MatchedPath::as_str),
        status: response.status().as_u16(),
        took: parts.runtime.now().saturating_since(started),
    });
    response
}

async fn metrics(State(parts): State<Arc<Parts>>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], parts.events.metrics.exposition()).into_response()
}

async fn no_such_route(request: Request) -> Response {
    Problem::NotFound("no such route").answer(&request_id(&request))
}

async fn no_such_method(request: Request) -> Response {
    Problem::MethodNotAllowed.answer(&request_id(&request))
}

/// The id a request was given.
pub fn request_id(request: &Request) -> Arc<str> {
    request.extensions().get::<RequestId>().map_or_else(|| "-".into(), |id| Arc::clone(&id.0))
}

/// Where a request came from, if whoever accepted the connection has told.
pub fn source_ip(request: &Request) -> Option<Arc<str>> {
    request.extensions().get::<SourceIp>().map(|source| Arc::clone(&source.0))
}
