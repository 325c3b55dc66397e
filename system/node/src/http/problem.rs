//! Answers that say what was wrong.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request was not served.
#[derive(Debug)]
pub enum Problem<'a> {
    /// 400, with what was wrong.
    BadRequest(&'a str),
    /// 401, with why the token was refused.
    Unauthenticated(&'a str),
    /// 403, with who may.
    Forbidden(&'a str),
    /// 404, with what there is not.
    NotFound(&'a str),
    /// 405.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    TimedOut,
    /// 413.
    TooLarge {
        /// The greatest body, bytes.
        limit: usize,
    },
    /// 415: the body is not JSON.
    UnsupportedMediaType,
    /// 503, with what is away.
    Unavailable {
        /// What is away.
        reason: &'a str,
        /// When to come back, if that is known; rounded up to seconds.
        retry_after: Option<Duration>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    error: &'static str,
    reason: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

impl Problem<'_> {
    /// The answer to the request of that id.
    pub fn answer(&self, request_id: &str) -> Response {
        let too_large;
        let (status, error, reason) = match self {
            Self::BadRequest(reason) => (StatusCode::BAD_REQUEST, "bad request", *reason),
            Self::Unauthenticated(reason) => (StatusCode::UNAUTHORIZED, "unauthenticated", *reason),
            Self::Forbidden(reason) => (StatusCode::FORBIDDEN, "forbidden", *reason),
            Self::NotFound(reason) => (StatusCode::NOT_FOUND, "not found", *reason),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method not allowed", "this route takes another method")
            }
            Self::TimedOut => {
                (StatusCode::REQUEST_TIMEOUT, "timed out", "the request's body did not arrive in time")
            }
            Self::TooLarge { limit } => {
                too_large = format!("the body is longer than {limit} bytes");
                (StatusCode::PAYLOAD_TOO_LARGE, "too large", &*too_large)
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported media type",
                "the body must be application/json",
            ),
            Self::Unavailable { reason, .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", *reason),
        };
        let retry_after_seconds = match self {
            // Rounded up: who comes back then must not come too early.
            Self::Unavailable { retry_after: Some(left), .. } => {
                Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
            }
            _ => None,
        };
        let mut response = json(status, &Body { error, reason, request_id, retry_after_seconds });
        if let Some(seconds) = retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(512);
    match serde_json::to_writer(&mut text, body) {
        Ok(()) => (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text)
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
