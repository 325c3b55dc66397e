//! Ports whose calls go through the circuit of what is behind them, so that live traffic feeds its breaker.

use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;

use crate::call_path::{CallPath, NoAnswer};
use crate::ports::{IdentityProvider, IssuerRegistry, StoreError, TrustedIssuer};

/// The registry of issuers, through the circuit of the store it is in.
pub(crate) struct GuardedRegistry {
    pub(crate) registry: Arc<dyn IssuerRegistry>,
    pub(crate) path: CallPath,
}

#[async_trait]
impl IssuerRegistry for GuardedRegistry {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        self.path.call(self.registry.trusted(issuer), |_| true).await.map_err(unread)
    }

    async fn all(&self) -> Result<Vec<TrustedIssuer>, StoreError> {
        self.path.call(self.registry.all(), |_| true).await.map_err(unread)
    }
}

/// The identity provider, through its circuit.
pub(crate) struct GuardedIdentity {
    pub(crate) identity: Arc<dyn IdentityProvider>,
    pub(crate) path: CallPath,
}

#[async_trait]
impl IdentityProvider for GuardedIdentity {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        self.path.call(self.identity.keys(issuer), |_| true).await.map_err(unread)
    }
}

fn unread(no_answer: NoAnswer<StoreError>) -> StoreError {
    match no_answer {
        NoAnswer::Rejected(rejected) => StoreError(rejected.to_string()),
        NoAnswer::TimedOut(elapsed) => StoreError(elapsed.to_string()),
        NoAnswer::Failed(error) => error,
    }
}
