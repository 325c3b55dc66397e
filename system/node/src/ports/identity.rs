//! Whose tokens the node believes.

use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;

use super::StoreError;
use crate::token::ClaimMap;

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The tenant it belongs to.
    pub tenant: String,
    /// Where its keys are read; `None`: where its discovery document says.
    pub keys_url: Option<String>,
    /// What its claims mean; `None`: what they say.
    pub claim_map: Option<Arc<ClaimMap>>,
}

/// The set of trusted issuers.
#[async_trait]
pub trait IssuerRegistry: Send + Sync {
    /// The entry of `issuer`, or `None` when it is not trusted.
    ///
    /// # Errors
    /// [`StoreError`] when the set cannot be read. The node then trusts only what it read before.
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError>;

    /// Every trusted issuer, in the order of their `iss`.
    ///
    /// # Errors
    /// [`StoreError`] when the set cannot be read whole.
    async fn all(&self) -> Result<Vec<TrustedIssuer>, StoreError> {
        Err(StoreError::Refused("this registry does not list its issuers".to_owned()))
    }
}

/// The identity provider.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// The public keys of `issuer`.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read. The node then uses those it read before.
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError>;
}
