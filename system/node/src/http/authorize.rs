//! `POST /api/authorize {resourceId, operation}` with a bearer token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use dive_authz::{Checks, Obligation};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};

use super::problem::{Problem, json};
use super::{SourceIp, request_id};
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
    let source = request.extensions().get::<SourceIp>().cloned();
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
        source_ip: source.as_ref().map(|source| &*source.0),
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

/// The token of exactly one `Authorization: Bearer …`; empty when there is none.
fn bearer(headers: &HeaderMap) -> &str {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return "" };
    let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return "";
    };
    if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" }
}

/// Why a body is no question.
enum Refusal {
    MediaType,
    TooLarge(usize),
    TimedOut,
    Wrong(String),
}

impl Refusal {
    fn problem(&self) -> Problem<'_> {
        match self {
            Self::MediaType => Problem::UnsupportedMediaType,
            Self::TooLarge(limit) => Problem::TooLarge { limit: *limit },
            Self::TimedOut => Problem::TimedOut,
            Self::Wrong(reason) => Problem::BadRequest(reason),
        }
    }
}

async fn read(parts: &Parts, headers: &HeaderMap, body: Body) -> Result<Question, Refusal> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::MediaType);
    }
    let limit = parts.settings.http.body_limit;
    let whole = Limited::new(body, limit).collect();
    let whole: Bytes = match parts.runtime.timeout(parts.settings.http.body_timeout, whole).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Refusal::TooLarge(limit)),
        Ok(Err(_)) => return Err(Refusal::Wrong("the body broke off".to_owned())),
        Err(_) => return Err(Refusal::TimedOut),
    };
    let question: Question =
        serde_json::from_slice(&whole).map_err(|error| Refusal::Wrong(error.to_string()))?;
    for (name, value) in [("resourceId", &question.resource_id), ("operation", &question.operation)] {
        if value.is_empty() || value.len() > LONGEST_NAME {
            return Err(Refusal::Wrong(format!("{name} must have 1 to {LONGEST_NAME} bytes")));
        }
    }
    Ok(question)
}
