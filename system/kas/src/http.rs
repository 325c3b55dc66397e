//! The service's routes.
//!
//! | route | answer |
//! |---|---|
//! | `POST /request-key` | 200 with the wrapped key; 400, 401, 403, 404, 408, 413, 415, 503 |
//! | `GET /public-key` | the key that data keys are wrapped with for this service |
//! | `GET /metrics` | OpenMetrics text |
//! | `GET /health`, `/health/live`, `/health/ready`, `/health/detailed`, also under `/api` | as a node's |
//!
//! | refusal | when |
//! |---|---|
//! | 400 | something in the body is wrong; the timestamp is too far off; the nonce was used before |
//! | 401 | the token is missing, wrong, expired or revoked |
//! | 403 | the policy forbids it, with its reason and checks; `ZTDF`: the object was tampered with |
//! | 404 | no such resource, not encrypted, or no such key access object |
//! | 503 | policy engine, metadata, revocations or audit trail are away, or no room for another nonce |
//!
//! Every well-formed request is audited once, whatever becomes of it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dive_authz::Checks;
use dive_authz::ztdf::key_wrap::PublicKey;
use dive_node::Ask;
use dive_node::http::{CONTENT_TYPE, Problem, bearer, json, read_json, request_id, source_ip};
use serde::Serialize;

use crate::kas::Parts;
use crate::protocol::{KeyRequest, OPERATION, REQUEST_KEY, ReleasedKey};
use crate::release::Verdict;

pub(crate) fn router(parts: Arc<Parts>) -> Router {
    let node = parts.release.node.clone();
    let service = Router::new()
        .route(REQUEST_KEY, post(request_key))
        .route("/public-key", get(public_key))
        .route("/metrics", get(metrics))
        .with_state(parts);
    node.router_around(service)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Forbidden<'a> {
    error: &'static str,
    reason: &'a str,
    checks: &'a Checks,
    request_id: &'a str,
}

async fn request_key(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let id = request_id(&request);
    let source = source_ip(&request);
    let (head, body) = request.into_parts();
    let read = read_json::<KeyRequest>(&parts.settings.http, &*parts.runtime, &head.headers, body).await;
    let request = match read {
        Ok(request) => request,
        Err(refusal) => {
            parts.metrics.malformed();
            return refusal.problem().answer(&id);
        }
    };
    let ask = Ask {
        request_id: &id,
        token: bearer(&head.headers),
        resource_id: &request.resource_id,
        operation: OPERATION,
        source_ip: source.as_deref(),
    };
    let verdict = parts.release.release(&ask, &request).await;
    answer(verdict, request.kao_id, &id)
}

fn answer(verdict: Verdict, kao_id: String, id: &str) -> Response {
    let reason = verdict.reason().into_owned();
    match verdict {
        Verdict::Released { dek, obligations } => {
            let released = ReleasedKey { dek, kao_id, obligations, request_id: id.to_owned() };
            let mut response = json(StatusCode::OK, &released);
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            response
        }
        Verdict::Denied(decision) => {
            let (error, checks) = ("forbidden", decision.checks());
            json(StatusCode::FORBIDDEN, &Forbidden { error, reason: &reason, checks, request_id: id })
        }
        Verdict::Malformed(_) | Verdict::Replayed(_) => Problem::BadRequest(&reason).answer(id),
        Verdict::Unauthenticated(_) => Problem::Unauthenticated(&reason).answer(id),
        Verdict::NotFound(_) => Problem::NotFound(&reason).answer(id),
        Verdict::Unavailable(unavailable) => {
            Problem::Unavailable { reason: &reason, retry_after: unavailable.retry_after }.answer(id)
        }
    }
}

async fn public_key(State(parts): State<Arc<Parts>>) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Key {
        public_key: PublicKey,
    }
    json(StatusCode::OK, &Key { public_key: parts.release.key.public_key() })
}

async fn metrics(State(parts): State<Arc<Parts>>) -> Response {
    let text = parts.metrics.exposition(&parts.release.node.exposition());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
