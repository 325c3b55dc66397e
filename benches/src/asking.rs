//! What the callers of the test coalition send, as a client puts it on the wire and as a router takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use dive_node::ports::{Audit, EventSink, PolicyEngine};
use dive_node::{Node, Settings};
use dive_runtime::TokioRuntime;
use scenarios::binding::asked::Asked;
use scenarios::binding::kit::Kit;
use scenarios::binding::requests::Kind;
use scenarios::binding::session::Session;
use scenarios::binding::topology::Shape;
use tower::ServiceExt as _;

use crate::exchange::request;
use crate::hub::{Silent, ports};

/// The coalition at this moment.
///
/// # Panics
/// When policies and coalition do not fit together, which their tests rule out.
pub fn kit() -> Arc<Kit> {
    Kit::now(Shape::HubAndOpa).expect("policies and coalition fit together")
}

/// Requests of the coalition's callers. Clones number theirs together, so no two are the same.
#[derive(Clone)]
pub struct Asking {
    session: Arc<Session>,
    sent: Arc<AtomicU64>,
}

impl Asking {
    /// Nobody has asked anything yet.
    pub fn new(kit: &Arc<Kit>) -> Self {
        Self { session: Arc::new(Session::new(kit.clone())), sent: Arc::default() }
    }

    fn next(&self, kind: Kind) -> Asked {
        self.session.ask(kind, self.sent.fetch_add(1, Ordering::Relaxed))
    }

    /// The next request of that kind, as an HTTP client puts it on the wire.
    pub fn next_bytes(&self, kind: Kind) -> Vec<u8> {
        let asked = self.next(kind);
        let headers: Vec<_> = asked.headers().collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        request("POST", &asked.path, &headers, &asked.body)
    }

    /// The next request of that kind, as a router takes it.
    ///
    /// # Panics
    /// Never: its parts are valid.
    pub fn next_request(&self, kind: Kind) -> Request<Body> {
        let asked = self.next(kind);
        let request = asked
            .headers()
            .fold(Request::post(&asked.path), |request, (name, value)| request.header(name, value));
        request.body(Body::from(asked.body)).expect("its parts are valid")
    }
}

/// A hub in this process. To be called inside a runtime.
///
/// # Panics
/// When its ports do not fit together.
pub fn hub(
    kit: &Arc<Kit>,
    settings: Settings,
    engine: Arc<dyn PolicyEngine>,
    audit: Option<Arc<dyn Audit>>,
) -> Node {
    let events: Arc<dyn EventSink> = Arc::new(Silent);
    let mut ports = ports(kit, engine, events);
    if let Some(audit) = audit {
        ports.audit = audit;
    }
    Node::new(settings, ports, Arc::new(TokioRuntime::new())).expect("the ports fit")
}

/// Calls a router as a function and takes its whole answer; the status and the body.
///
/// # Panics
/// When the body cannot be read.
pub async fn call(router: &Router, request: Request<Body>) -> (u16, axum::body::Bytes) {
    let Ok(answer) = router.clone().oneshot(request).await;
    let status = answer.status().as_u16();
    (status, to_bytes(answer.into_body(), 1 << 20).await.expect("a body of the node's own"))
}
