//! From a bearer token to the subject it speaks of.
//!
//! Only RS256, only issuers of the trusted set, only keys of that issuer. A token is either verified whole
//! or refused; nothing of a refused token is used, kept or logged. Verified tokens are remembered by their
//! *whole* text, never past their expiry, never past the freshness of the issuer's entry and keys.

mod claims;
mod issuers;
mod verified;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use dive_authz::{Acr, Subject};
use dive_runtime::{Monotonic, Runtime};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use parking_lot::Mutex;

use claims::Claims;
use issuers::Issuers;
use verified::VerifiedTokens;

use crate::clock::epoch_seconds;
use crate::events::Events;
use crate::ports::{IdentityProvider, IssuerRegistry};
use crate::settings::TokenSettings;

/// What a verified token says.
pub(crate) struct VerifiedToken {
    pub(crate) subject: Subject,
    pub(crate) acr: Option<Acr>,
    pub(crate) amr: Option<Vec<String>>,
    expires: i64,
    not_before: i64,
    kid: String,
    /// The key that vouches for it.
    key: Arc<DecodingKey>,
    /// Until when the issuer's entry and that key are fresh.
    vouched_until: Mutex<Monotonic>,
}

/// Why a token was refused. Never holds any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("no bearer token")]
    Missing,
    #[error("the token is longer than is looked at")]
    TooLong,
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's algorithm is not RS256")]
    Algorithm,
    #[error("the token names no key")]
    NoKeyId,
    #[error("the token's issuer is not trusted")]
    Issuer,
    #[error("the token's key is not one of its issuer's")]
    Key,
    #[error("the token's signature does not match")]
    Signature,
    #[error("the token's claims are missing or of the wrong type")]
    Claims,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
}

/// Verifies tokens.
pub(crate) struct Verifier {
    settings: TokenSettings,
    runtime: Arc<dyn Runtime>,
    issuers: Issuers,
    verified: VerifiedTokens,
    signature_only: Validation,
}

impl Verifier {
    pub(crate) fn new(
        settings: &TokenSettings,
        registry: Arc<dyn IssuerRegistry>,
        identity: Arc<dyn IdentityProvider>,
        runtime: Arc<dyn Runtime>,
        events: Arc<Events>,
    ) -> Self {
        // The library would ask the machine's clock; times are compared below, with the runtime's.
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        signature_only.required_spec_claims.clear();
        Self {
            settings: settings.clone(),
            issuers: Issuers::new(settings, registry, identity, Arc::clone(&runtime)),
            verified: VerifiedTokens::new(settings.cache_entries, events),
            runtime,
            signature_only,
        }
    }

    /// What `token` says, if it is to be believed.
    pub(crate) async fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > self.settings.max_bytes {
            return Err(TokenError::TooLong);
        }
        if let Some(verified) = self.verified.get(token)
            && self.still_vouched_for(&verified).await?
        {
            return self.in_time(&verified).map(|()| verified);
        }
        let verified = Arc::new(self.verify_anew(token).await?);
        self.in_time(&verified)?;
        self.verified.put(token, &verified);
        Ok(verified)
    }

    /// Whether the key that verified it is still one of its issuer's, and the issuer still trusted.
    async fn still_vouched_for(&self, token: &VerifiedToken) -> Result<bool, TokenError> {
        if self.runtime.now() < *token.vouched_until.lock() {
            return Ok(true);
        }
        let issuer = token.subject.issuer.as_deref().unwrap_or_default();
        let vouching = self.issuers.key(issuer, &token.kid).await?;
        *token.vouched_until.lock() = vouching.until;
        Ok(Arc::ptr_eq(&vouching.key, &token.key))
    }

    async fn verify_anew(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        let header = decode_header(token).map_err(|error| match error.kind() {
            // The library knows no algorithm `none` and fails to read a header that names it.
            jsonwebtoken::errors::ErrorKind::Json(_) => TokenError::Algorithm,
            _ => TokenError::Malformed,
        })?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::Algorithm);
        }
        let kid = header.kid.as_deref().ok_or(TokenError::NoKeyId)?;
        // Whose key to look for stands in the part that the key will vouch for.
        let issuer = claims::unverified_issuer(token)?;
        let vouching = self.issuers.key(&issuer, kid).await?;
        let claims: Claims = decode(token, &vouching.key, &self.signature_only)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
                _ => TokenError::Claims,
            })?
            .claims;
        claims.into_verified(kid, vouching)
    }

    fn in_time(&self, token: &VerifiedToken) -> Result<(), TokenError> {
        let now = epoch_seconds(self.runtime.wall());
        let skew = i64::try_from(self.settings.skew.as_secs()).unwrap_or(i64::MAX);
        if now >= token.expires.saturating_add(skew) {
            return Err(TokenError::Expired);
        }
        if now < token.not_before.saturating_sub(skew) {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}
