//! The identity provider over HTTP: issuers' keys, and whether it is there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_runtime::Runtime;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::http_client::{Connections, HttpClient, HttpError};
use super::tls::Trust;
use crate::ports::{IdentityProvider, Probe, ProbeError, StoreError, TrustedIssuer};
use crate::settings::KeycloakSettings;

/// The longest document that is read, bytes: a set of a hundred keys with their certificates is shorter.
const ANSWER_LIMIT: usize = 512 << 10;
/// How long a connection is kept for the next request: Keycloak waits longer.
const KEPT: Duration = Duration::from_secs(5);

/// Where health is asked for, one after the other. The first two are at the management interface.
const HEALTH: [&str; 2] = ["/health/ready", "/health"];
const REALM: &str = "/realms/master";

/// Keycloak, or any issuer that can be discovered.
#[derive(Debug)]
pub struct Keycloak {
    keys: HttpClient,
    checks: HttpClient,
    health: Vec<String>,
    deadline: Duration,
    runtime: Arc<dyn Runtime>,
}

/// What is read of a discovery document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// A set of keys, of which some may be of kinds unknown here.
#[derive(Deserialize)]
struct AnyKeys {
    keys: Vec<serde_json::Value>,
}

impl Keycloak {
    /// A client of the identity provider of the settings. A check of it takes `deadline` at most, all of its
    /// attempts included.
    pub fn new(
        settings: &KeycloakSettings,
        trust: &Trust,
        deadline: Duration,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        let base = settings.url.trim_end_matches('/');
        let management = match settings.health_url.trim_end_matches('/') {
            "" => base,
            management => management,
        };
        let mut health: Vec<String> = HEALTH.iter().map(|path| format!("{management}{path}")).collect();
        health.push(format!("{base}{REALM}"));
        let client = |connections| HttpClient::new(trust, connections, deadline, ANSWER_LIMIT);
        let (keys, checks) = (client(Connections::Kept(KEPT)), client(Connections::Fresh));
        Self { keys, checks, health, deadline, runtime }
    }

    async fn read<T: DeserializeOwned>(&self, url: &str) -> Result<T, StoreError> {
        let body = self.keys.get(url).await.map_err(|error| unread(url, &error))?;
        serde_json::from_slice(&body).map_err(|error| StoreError::Unavailable(format!("{url}: {error}")))
    }

    /// Where the issuer says that its keys are.
    async fn discover(&self, issuer: &str) -> Result<String, StoreError> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document: Discovery = self.read(&url).await?;
        document.keys_of(issuer).map_err(|why| StoreError::Refused(format!("{url}: {why}")))
    }
}

/// An issuer whose keys are not where they should be is one thing, an identity provider that is ill another.
fn unread(url: &str, error: &HttpError) -> StoreError {
    let why = format!("{url}: {error}");
    match error {
        HttpError::Status(status) if status.is_client_error() => StoreError::Refused(why),
        HttpError::Address(_) => StoreError::Refused(why),
        HttpError::Status(_)
        | HttpError::Untrusted(_)
        | HttpError::Unreachable(_)
        | HttpError::TooLong(_) => StoreError::Unavailable(why),
    }
}

impl Discovery {
    /// Where the keys of `issuer` are, if this document may speak for it.
    fn keys_of(self, issuer: &str) -> Result<String, &'static str> {
        // OpenID Connect Discovery 1.0, 4.3: or else one could speak for another.
        if self.issuer != issuer {
            return Err("it is of another issuer");
        }
        let secure = |url: &str| url.starts_with("https://");
        if secure(issuer) && !secure(&self.jwks_uri) {
            return Err("its keys would come over plain HTTP");
        }
        Ok(self.jwks_uri)
    }
}

#[async_trait]
impl IdentityProvider for Keycloak {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        let url = match &issuer.keys_url {
            Some(url) => url.clone(),
            None => self.discover(&issuer.issuer).await?,
        };
        let AnyKeys { keys } = self.read(&url).await?;
        // One that is not understood vouches for nothing, and hinders no other.
        let keys = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok()).collect();
        Ok(JwkSet { keys })
    }
}

#[async_trait]
impl Probe for Keycloak {
    /// Asks for readiness, then for health, then for a realm; the first that is well counts. Each attempt may
    /// take an equal share of the time that is left, so that one that hangs leaves some for the next.
    async fn check(&self) -> Result<(), ProbeError> {
        let until = self.runtime.now() + self.deadline;
        let mut worst: Option<HttpError> = None;
        for (number, url) in (0u32..).zip(&self.health) {
            let left = until.saturating_since(self.runtime.now());
            let attempts = (self.health.len() as u32).saturating_sub(number).max(1);
            let answer = self.runtime.timeout(left / attempts, self.checks.get(url)).await;
            let failed = match answer {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(failed)) => failed,
                Err(elapsed) => HttpError::Unreachable(elapsed.to_string()),
            };
            // Who it is matters more than that it does not answer.
            if !matches!(worst, Some(HttpError::Untrusted(_))) {
                worst = Some(failed);
            }
        }
        Err(ProbeError(worst.map_or_else(|| "nobody was asked".to_owned(), |failed| failed.to_string())))
    }
}

#[cfg(test)]
#[path = "keycloak_tests.rs"]
mod tests;
