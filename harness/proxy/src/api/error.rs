//! Errors as Toxiproxy sends them: `{"error": …, "status": …}` and a newline, called plain text.

use crate::effect::InvalidToxic;
use crate::proxy::{ListenError, Refused};
use crate::set::SetError;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ApiError {
    error: String,
    status: u16,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { error: error.into(), status: status.as_u16() }
    }

    pub(super) fn body(detail: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("bad request body: {detail}"))
    }

    pub(super) fn missing(field: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("missing required field: {field}"))
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self).unwrap_or_default() + "\n";
        plain(self.status(), body)
    }
}

pub(super) fn plain(status: StatusCode, body: String) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, body).into_response()
}

impl From<SetError> for ApiError {
    fn from(error: SetError) -> Self {
        let status = match &error {
            SetError::Exists => StatusCode::CONFLICT,
            SetError::NotFound => StatusCode::NOT_FOUND,
            SetError::TooMany => StatusCode::INSUFFICIENT_STORAGE,
            SetError::Listen(error) => return error.into(),
        };
        Self::new(status, error.to_string())
    }
}

impl From<&ListenError> for ApiError {
    fn from(error: &ListenError) -> Self {
        match error {
            ListenError::Bind { .. } | ListenError::NoRuntime => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
            ListenError::Name(_) | ListenError::Upstream(_) => Self::body(error),
        }
    }
}

impl From<ListenError> for ApiError {
    fn from(error: ListenError) -> Self {
        Self::from(&error)
    }
}

impl From<InvalidToxic> for ApiError {
    fn from(error: InvalidToxic) -> Self {
        match error {
            InvalidToxic::Type | InvalidToxic::Stream => {
                Self::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            detail => Self::body(detail),
        }
    }
}

impl From<Refused> for ApiError {
    fn from(error: Refused) -> Self {
        match error {
            Refused::Invalid(invalid) => invalid.into(),
            Refused::NameTaken => Self::new(StatusCode::CONFLICT, error.to_string()),
            Refused::NotFound => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            Refused::TooMany => Self::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string()),
        }
    }
}
