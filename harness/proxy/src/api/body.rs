//! Proxies as the API's JSON, in Toxiproxy's order of members. `null` is as good as absent; what is unknown is
//! refused.

use super::error::ApiError;
use crate::json::ToxicOut;
use crate::proxy::Proxy;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(ApiError::body)
}

/// What creates, moves, opens or closes a proxy.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProxyIn {
    pub(super) name: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) enabled: Option<bool>,
    /// Clients send back what they were shown; toxics have their own calls.
    pub(super) toxics: Option<Vec<IgnoredAny>>,
    #[serde(rename = "Logger")]
    pub(super) _logger: Option<IgnoredAny>,
}

impl ProxyIn {
    pub(super) fn without_toxics(&self) -> Result<(), ApiError> {
        match &self.toxics {
            Some(toxics) if !toxics.is_empty() => {
                Err(ApiError::body("toxics: add them one by one, POST /proxies/{proxy}/toxics"))
            }
            _ => Ok(()),
        }
    }
}

/// The toxics of a proxy: upstream first, then downstream, then both.
pub(super) fn toxics(proxy: &Proxy) -> Vec<ToxicOut> {
    let mut toxics = proxy.toxics();
    toxics.sort_by_key(|t| t.stream);
    toxics.into_iter().map(ToxicOut::from).collect()
}

/// A proxy as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ProxyOut {
    name: String,
    listen: String,
    upstream: String,
    enabled: bool,
    toxics: Vec<ToxicOut>,
}

impl From<&Proxy> for ProxyOut {
    fn from(proxy: &Proxy) -> Self {
        Self {
            name: proxy.name().to_owned(),
            listen: proxy.addr().to_string(),
            upstream: proxy.upstream(),
            enabled: !proxy.refuses(),
            toxics: toxics(proxy),
        }
    }
}
