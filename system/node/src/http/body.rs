//! What a request brings: its token, its JSON.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use dive_runtime::Runtime;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::settings::HttpSettings;

/// The token of exactly one `Authorization: Bearer …`; empty when there is none.
pub fn bearer(headers: &HeaderMap) -> &str {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return "" };
    let Some((scheme, token)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return "";
    };
    if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" }
}

/// Why a body was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not `application/json`.
    MediaType,
    /// It is longer than so many bytes.
    TooLarge(usize),
    /// It did not arrive in time.
    TimedOut,
    /// It is not what it should be.
    Wrong(String),
}

impl Refusal {
    /// How that is answered.
    pub fn problem(&self) -> Problem<'_> {
        match self {
            Self::MediaType => Problem::UnsupportedMediaType,
            Self::TooLarge(limit) => Problem::TooLarge { limit: *limit },
            Self::TimedOut => Problem::TimedOut,
            Self::Wrong(reason) => Problem::BadRequest(reason),
        }
    }
}

/// A JSON body, bounded in length and in time.
///
/// # Errors
/// [`Refusal`] when it is not a `T`.
pub async fn read<T: DeserializeOwned>(
    http: &HttpSettings,
    runtime: &dyn Runtime,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, Refusal> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !media_type.is_some_and(|media_type| media_type.eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::MediaType);
    }
    let limit = http.body_limit;
    let whole = Limited::new(body, limit).collect();
    let whole = match runtime.timeout(http.body_timeout, whole).await {
        Ok(Ok(whole)) => whole.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Refusal::TooLarge(limit)),
        Ok(Err(_)) => return Err(Refusal::Wrong("the body broke off".to_owned())),
        Err(_) => return Err(Refusal::TimedOut),
    };
    serde_json::from_slice(&whole).map_err(|error| Refusal::Wrong(error.to_string()))
}
