//! The policy engine over OPA's REST API.

use async_trait::async_trait;
use bytes::BytesMut;
use dive_authz::{Decision, Input, PolicyRevision, policies};
use futures_util::StreamExt as _;
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::ports::{EngineError, PolicyEngine, ProbeError};
use crate::settings::OpaSettings;

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for the policy engine: {0}")]
pub struct OpaError(#[from] reqwest::Error);

/// OPA at a URL.
///
/// Decisions go over kept connections. Checks open a fresh one each time: a kept connection can go on
/// working after the way to the engine is gone for everybody else.
#[derive(Debug)]
pub struct Opa {
    decisions: Client,
    checks: Client,
    decide_url: String,
    health_url: String,
    revision_url: String,
    token: String,
    answer_limit: usize,
}

#[derive(Serialize)]
struct Question<'a> {
    input: &'a Input,
}

#[derive(Deserialize)]
struct RevisionAnswer {
    result: Option<String>,
}

impl Opa {
    /// A client of the engine at `settings.url`.
    ///
    /// # Errors
    /// [`OpaError`] when the machine gives no client.
    pub fn new(settings: &OpaSettings) -> Result<Self, OpaError> {
        // Neither proxies from the environment nor redirects: the answer comes from the engine or not at all.
        let client = || {
            Client::builder()
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .tcp_nodelay(true)
                .connect_timeout(settings.timeout)
        };
        let url = |path: &str| format!("{}/{path}", settings.url);
        Ok(Self {
            decisions: client().build()?,
            checks: client().pool_max_idle_per_host(0).build()?,
            decide_url: url(&format!("v1/data/{}", policies::ENTRYPOINT)),
            health_url: url("health"),
            revision_url: url("v1/data/policy/revision"),
            token: settings.token.clone(),
            answer_limit: settings.answer_limit,
        })
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    async fn get(&self, url: &str) -> Result<BytesMut, ProbeError> {
        let answer =
            self.authorized(self.checks.get(url)).send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(ProbeError(format!("status {}", status.as_u16())));
        }
        self.body(answer).await.map_err(|error| ProbeError(error.to_string()))
    }

    /// The whole body, as long as it is no longer than a decision can be.
    async fn body(&self, answer: reqwest::Response) -> Result<BytesMut, EngineError> {
        let mut body = BytesMut::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| EngineError::Unreachable(unreachable(&error).0))?;
            if body.len() + chunk.len() > self.answer_limit {
                return Err(EngineError::TooLong { limit: self.answer_limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// What went wrong, down to its cause, without the URL, which may hold more than a log should.
fn unreachable(error: &reqwest::Error) -> ProbeError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    ProbeError(cause.to_string())
}

#[async_trait]
impl PolicyEngine for Opa {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        let body = serde_json::to_vec(&Question { input })
            .map_err(|_| EngineError::Refused(StatusCode::BAD_REQUEST.as_u16()))?;
        let request = self
            .authorized(self.decisions.post(&self.decide_url))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let answer = request.send().await.map_err(|error| EngineError::Unreachable(unreachable(&error).0))?;
        match answer.status() {
            StatusCode::OK => Ok(Decision::from_engine(&self.body(answer).await?)?),
            status if status.is_client_error() => Err(EngineError::Refused(status.as_u16())),
            status => Err(EngineError::Failed(status.as_u16())),
        }
    }

    async fn check(&self) -> Result<(), ProbeError> {
        self.get(&self.health_url).await.map(drop)
    }

    /// The string at `data.policy.revision`, which whoever loads policies sets along with them.
    async fn revision(&self) -> Result<Option<PolicyRevision>, ProbeError> {
        let body = self.get(&self.revision_url).await?;
        let answer: RevisionAnswer =
            serde_json::from_slice(&body).map_err(|error| ProbeError(error.to_string()))?;
        Ok(answer.result.map(PolicyRevision))
    }
}

#[cfg(test)]
#[path = "opa_tests.rs"]
mod tests;
