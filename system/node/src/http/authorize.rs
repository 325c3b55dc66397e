//! `POST /api/authorize {resourceId, operation}` with a bearer token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use dive_authz::{Checks, Obligation};
use serde::{Deserialize, Serialize};

use super::body::{self, Refusal, bearer};
use super::problem::{Problem, json};
use super::{request_id, source_ip};
use crate::enforcement::{Ask, Verdict};
use crate::node::Parts;

/// The longest name of a resource or an operation, bytes.
const LONGEST_NAME: usize = 512;

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
    match parts.enforcement.authorize(&ask).await {
        Verdict::Decided { decision, cached } => {
            let status = if decision.allow() { StatusCode::OK } else { StatusCode::FORBIDDEN };
            let answer = Answer {
                allow: decision.allow(),
                reason: decision.reason().name(),
                obligations: decision.obligations(),
                checks: decision.checks(),
                cached,
                request_id: &id,
            };
            json(status, &answer)
        }
        Verdict::Unauthenticated(why) => Problem::Unauthenticated(&why.to_string()).answer(&id),
        Verdict::NoSuchResource => Problem::NotFound("no such resource").answer(&id),
        Verdict::Unavailable { reason, retry_after } => {
            Problem::Unavailable { reason, retry_after }.answer(&id)
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
