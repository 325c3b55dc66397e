//! From a bearer token to the subject it speaks of.
//!
//! ```text
//!  token ─► compact ─► issuers ─► signature ─► claim_map ─► claims ─► times ─► VerifiedToken
//!              │          │ entry, keys: read once for all who wait (flights)
//!              json       └─► IssuerRegistry, IdentityProvider
//! ```
//!
//! Only RS256, only issuers of the trusted set, only keys of that issuer. A token is either verified whole
//! or refused; nothing of a refused token is used, kept or logged. Verified tokens are remembered by their
//! *whole* text, never past their expiry, never past the freshness of the issuer's entry and keys.

mod claim_map;
mod claims;
mod compact;
mod flights;
pub mod fuzzing;
mod issuers;
mod json;
mod keys;
mod verified;
mod verifying_key;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use dive_authz::{Acr, Subject};
use dive_runtime::{Monotonic, Runtime};
use parking_lot::Mutex;

pub use claim_map::{Attribute, ClaimMap, ClaimMapError};
use compact::Compact;
use issuers::{Issuers, Voucher};
use verified::VerifiedTokens;
use verifying_key::VerifyingKey;

use crate::clock::epoch_seconds;
use crate::events::Events;
use crate::ports::{IdentityProvider, IssuerRegistry, TrustedIssuer};
use crate::settings::TokenSettings;

/// What a verified token says.
pub(crate) struct VerifiedToken {
    pub(crate) subject: Subject,
    pub(crate) acr: Option<Acr>,
    pub(crate) amr: Option<Vec<String>>,
    /// Its own name, by which it can be revoked. Never empty.
    pub(crate) jti: String,
    /// What its subject may do beside reading and writing, as the issuer says.
    pub(crate) roles: Vec<String>,
    /// When it was issued, seconds since the Unix epoch.
    pub(crate) issued: i64,
    /// When it expires, seconds since the Unix epoch, without skew.
    pub(crate) expires: i64,
    not_before: i64,
    vouched: Vouched,
}

/// Who stands for a token.
struct Vouched {
    kid: String,
    key: Arc<VerifyingKey>,
    entry: Arc<TrustedIssuer>,
    /// Until when entry and key are fresh.
    until: Mutex<Monotonic>,
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
    #[error("the token's claims cannot be mapped")]
    Unmapped,
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
}

impl Verifier {
    pub(crate) fn new(
        settings: &TokenSettings,
        registry: Arc<dyn IssuerRegistry>,
        identity: Arc<dyn IdentityProvider>,
        runtime: Arc<dyn Runtime>,
        events: Arc<Events>,
    ) -> Self {
        Self {
            settings: settings.clone(),
            issuers: Issuers::new(settings, registry, identity, Arc::clone(&runtime)),
            verified: VerifiedTokens::new(settings.cache_entries, events),
            runtime,
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
        if let Some(verified) = self.verified.get(token) {
            if self.still_vouched_for(&verified).await? {
                return self.in_time(&verified).map(|()| verified);
            }
            self.verified.forget(token);
        }
        let verified = Arc::new(self.verify_anew(token).await?);
        self.in_time(&verified)?;
        self.verified.put(token, &verified);
        Ok(verified)
    }

    /// Whether the issuer is still trusted as it was, and the key that verified it still one of its keys.
    async fn still_vouched_for(&self, token: &VerifiedToken) -> Result<bool, TokenError> {
        let vouched = &token.vouched;
        if self.runtime.now() < *vouched.until.lock() {
            return Ok(true);
        }
        let voucher = self.issuers.key(&vouched.entry.issuer, &vouched.kid).await?;
        let same = Arc::ptr_eq(&voucher.key, &vouched.key) && Arc::ptr_eq(&voucher.entry, &vouched.entry);
        if same {
            *vouched.until.lock() = voucher.until;
        }
        Ok(same)
    }

    async fn verify_anew(&self, token: &str) -> Result<VerifiedToken, TokenError> {
        let token = Compact::read(token)?;
        // Whose key to look for stands in the part that the key will vouch for.
        let Compact { issuer, kid, .. } = &token;
        let voucher = self.issuers.key(issuer, kid).await?;
        let voucher = if token.is_signed_with(&voucher.key) {
            voucher
        } else {
            let instead = self.issuers.key_instead(issuer, kid, &voucher).await;
            instead.filter(|voucher| token.is_signed_with(&voucher.key)).ok_or(TokenError::Signature)?
        };
        let Voucher { key, entry, until } = voucher;
        let map = entry.claim_map.clone();
        let vouched = Vouched { kid: token.kid, key, entry, until: Mutex::new(until) };
        claims::read(token.claims, map.as_deref(), vouched)
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
