//! The key access service over a link of the simulation: asked by the node whether it is there, by callers
//! for keys.

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response};
use dive_kas::client::{Transport, TransportError};
use dive_node::ports::{Probe, ProbeError};
use harness_sim::{Link, LinkError, Reply};
use tower::ServiceExt as _;

/// The longest answer that is read, bytes.
const LONGEST: usize = 1 << 20;

/// The node's way to it.
pub(super) struct LinkedKas(pub(super) Link<Router>);

#[async_trait]
impl Probe for LinkedKas {
    async fn check(&self) -> Result<(), ProbeError> {
        let request = Request::get("/health/live").body(Body::empty()).unwrap_or_default();
        let called = self.0.call(move |router: Router| async move {
            match router.oneshot(request).await {
                Ok(answer) => answer.status().as_u16(),
                Err(never) => match never {},
            }
        });
        match called.await {
            Ok(
                Reply::Answer(200) | Reply::Truncated { answer: 200, .. } | Reply::Wrong { status: 200, .. },
            ) => Ok(()),
            Ok(
                Reply::Answer(status) | Reply::Truncated { answer: status, .. } | Reply::Wrong { status, .. },
            ) => Err(ProbeError(format!("status {status}"))),
            Err(error) => Err(ProbeError(error.to_string())),
        }
    }
}

/// A caller's way to a node or a key access service.
pub(super) struct Way(pub(super) Link<Router>);

#[async_trait]
impl Transport for Way {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = request.map(Body::from);
        let called = self.0.call(move |router: Router| async move {
            let answer = match router.oneshot(request).await {
                Ok(answer) => answer,
                Err(never) => match never {},
            };
            let (head, body) = answer.into_parts();
            Response::from_parts(head, to_bytes(body, LONGEST).await.unwrap_or_default())
        });
        match called.await {
            Ok(Reply::Answer(answer)) => Ok(answer),
            Ok(Reply::Wrong { status, body }) => {
                let answer = Response::builder().status(status).body(Bytes::from(body));
                answer.map_err(|error| TransportError(error.to_string()))
            }
            Ok(Reply::Truncated { .. }) => Err(TransportError(LinkError::Closed.to_string())),
            Err(error) => Err(TransportError(error.to_string())),
        }
    }
}
