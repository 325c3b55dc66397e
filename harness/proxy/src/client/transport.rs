//! One call: a method, a path, perhaps a body, a deadline, and the answer read or explained.

use super::error::ClientError;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

#[derive(Debug, Clone)]
pub(super) struct Transport {
    base: reqwest::Url,
    http: reqwest::Client,
    within: Duration,
}

/// What came back, whatever it means.
pub(super) struct Answer {
    call: String,
    status: StatusCode,
    text: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Transport {
    pub(super) fn new(base: &str, within: Duration) -> Result<Self, ClientError> {
        let address = || ClientError::Address { given: base.to_owned() };
        let parsed = reqwest::Url::parse(base).map_err(|_| address())?;
        if parsed.scheme() != "http" || parsed.host_str().is_none() || parsed.path() != "/" {
            return Err(address());
        }
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("harness-proxy")
            .timeout(within)
            .build()
            .map_err(|_| address())?;
        Ok(Self { base: parsed, http, within })
    }

    pub(super) async fn call(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        let call = format!("{method} {}", url.path());
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let failed = |error: &reqwest::Error| {
            if error.is_timeout() {
                ClientError::Deadline { call: call.clone(), within: self.within }
            } else {
                let (call, base) = (call.clone(), self.base.to_string());
                let cause =
                    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
                ClientError::Unreachable { call, base, detail: cause }
            }
        };
        let response = request.send().await.map_err(|e| failed(&e))?;
        let status = response.status();
        let text = response.text().await.map_err(|e| failed(&e))?;
        Ok(Answer { call, status, text })
    }
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn call(&self) -> &str {
        &self.call
    }

    /// The server's own words, or its whole answer when it has no such words.
    pub(super) fn refusal(&self) -> String {
        serde_json::from_str::<Refusal>(&self.text)
            .map_or_else(|_| self.text.trim().to_owned(), |refusal| refusal.error)
    }

    /// The path itself is unknown there, not just the thing it names.
    pub(super) fn is_unknown_path(&self) -> bool {
        self.status == StatusCode::NOT_FOUND && serde_json::from_str::<Refusal>(&self.text).is_err()
    }

    pub(super) fn accepted(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let error = self.refusal();
        Err(ClientError::Refused { call: self.call, status: self.status.as_u16(), error })
    }

    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let accepted = self.accepted()?;
        serde_json::from_str(&accepted.text)
            .map_err(|e| ClientError::Unintelligible { call: accepted.call, detail: e.to_string() })
    }
}
