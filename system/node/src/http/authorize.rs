//! `POST /api/authorize {resourceId, operation}` with a bearer token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use dive_authz::{Checks, Decision, Obligation};
use serde::{Deserialize, Serialize};

use super::body::{self, Refusal, bearer};
use super::problem::{Problem, json};
use super::{request_id, source_ip};
use crate::audit::AUTHORIZATION_DECISION;
use crate::enforcement::{Ask, Verdict};
use crate::node::Parts;

/// The longest name of a resource or an operation, bytes.
pub(super) const LONGEST_NAME: usize = 512;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Question {
    resource_id: String,
    operation: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    allow: bool,
    reason: &'a str,
    obligations: &'a [Obligation],
    checks: &'a Checks,
    cached: bool,
    request_id: &'a str,
}

pub(super) async fn authorize(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let id = request_id(&request);
    let source = source_ip(&request);
    let (head, body) = request.into_parts();
    let question = match read(&parts, &head.headers, body).await {
        Ok(question) => question,
        Err(refusal) => return refusal.problem().answer(&id),
    };
    let ask = Ask {
        request_id: &id,
        token: bearer(&head.headers),
        resource_id: &question.resource_id,
        operation: &question.operation,
        source_ip: source.as_deref(),
    };
    answered(&parts.enforcement.authorize(AUTHORIZATION_DECISION, &ask).await, &id)
}

/// The answer of a request that the engine decided.
fn decided(decision: &Decision, cached: bool, request_id: &str) -> Response {
    let status = if decision.allow() { StatusCode::OK } else { StatusCode::FORBIDDEN };
    let answer = Answer {
        allow: decision.allow(),
        reason: decision.reason().name(),
        obligations: decision.obligations(),
        checks: decision.checks(),
        cached,
        request_id,
    };
    json(status, &answer)
}

/// The answer that says nothing but whether the request was let through, and why.
pub(super) fn answered(verdict: &Verdict, request_id: &str) -> Response {
    match verdict {
        Verdict::Decided { decision, cached, .. } => decided(decision, *cached, request_id),
        Verdict::Unauthenticated(why) => Problem::Unauthenticated(&why.to_string()).answer(request_id),
        Verdict::NoSuchResource => Problem::NotFound("no such resource").answer(request_id),
        Verdict::Unavailable { reason, retry_after } => {
            Problem::Unavailable { reason, retry_after: *retry_after }.answer(request_id)
        }
    }
}

async fn read(parts: &Parts, headers: &HeaderMap, body: Body) -> Result<Question, Refusal> {
    let question: Question = body::read(&parts.settings.http, &*parts.runtime, headers, body).await?;
    for (name, value) in [("resourceId", &question.resource_id), ("operation", &question.operation)] {
        if value.is_empty() || value.len() > LONGEST_NAME {
            return Err(Refusal::Wrong(format!("{name} must have 1 to {LONGEST_NAME} bytes")));
        }
    }
    Ok(question)
}
