//! Whom to believe, and by which key.
//!
//! An issuer's entry is read again after `trust_ttl`, its keys after `key_ttl`, or once for the sake of an
//! unknown key, at most every `key_refetch`. What cannot be read again stands as it was read last; what was
//! never read is not trusted.

use std::collections::BTreeMap;
use std::sync::Arc;

use dive_runtime::{Monotonic, Runtime};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use parking_lot::Mutex;

use super::TokenError;
use crate::ports::{IdentityProvider, IssuerRegistry, StoreError, TrustedIssuer};
use crate::settings::TokenSettings;

/// A smaller modulus can be factored.
const LEAST_MODULUS_BYTES: usize = 2048 / 8;

/// A key that may vouch for tokens.
pub(super) struct VouchingKey {
    pub(super) key: Arc<DecodingKey>,
    /// Until when entry and key need not be read again.
    pub(super) until: Monotonic,
}

pub(super) struct Issuers {
    settings: TokenSettings,
    registry: Arc<dyn IssuerRegistry>,
    identity: Arc<dyn IdentityProvider>,
    runtime: Arc<dyn Runtime>,
    /// Trusted issuers only, so it is no longer than the trusted set.
    known: Mutex<BTreeMap<String, Arc<Known>>>,
}

#[derive(Clone)]
struct Known {
    entry: TrustedIssuer,
    entry_read: Monotonic,
    keys: BTreeMap<String, Arc<DecodingKey>>,
    keys_read: Option<Monotonic>,
    keys_asked: Option<Monotonic>,
}

impl Issuers {
    pub(super) fn new(
        settings: &TokenSettings,
        registry: Arc<dyn IssuerRegistry>,
        identity: Arc<dyn IdentityProvider>,
        runtime: Arc<dyn Runtime>,
    ) -> Self {
        Self { settings: settings.clone(), registry, identity, runtime, known: Mutex::default() }
    }

    /// The key `kid` of `issuer`.
    pub(super) async fn key(&self, issuer: &str, kid: &str) -> Result<VouchingKey, TokenError> {
        let known = self.trusted(issuer).await?;
        let known = self.with_key(known, kid).await;
        let key = known.keys.get(kid).map(Arc::clone).ok_or(TokenError::Key)?;
        let keys_until = known.keys_read.unwrap_or(Monotonic::START) + self.settings.key_ttl;
        let entry_until = known.entry_read + self.settings.trust_ttl;
        Ok(VouchingKey { key, until: keys_until.min(entry_until) })
    }

    /// The issuer's entry, read again when it is no longer fresh.
    async fn trusted(&self, issuer: &str) -> Result<Arc<Known>, TokenError> {
        let before = self.known.lock().get(issuer).map(Arc::clone);
        let now = self.runtime.now();
        if let Some(known) = &before
            && now < known.entry_read + self.settings.trust_ttl
        {
            return Ok(Arc::clone(known));
        }
        let limit = self.settings.registry_timeout;
        let read = self.runtime.timeout(limit, self.registry.trusted(issuer)).await;
        match (read.map_err(|elapsed| StoreError(elapsed.to_string())).flatten(), before) {
            (Ok(Some(entry)), before) => {
                let known = match before.filter(|known| known.entry == entry) {
                    Some(known) => Known { entry_read: now, ..Known::clone(&known) },
                    None => Known {
                        entry,
                        entry_read: now,
                        keys: BTreeMap::new(),
                        keys_read: None,
                        keys_asked: None,
                    },
                };
                Ok(self.remember(known))
            }
            (Ok(None), _) => {
                self.known.lock().remove(issuer);
                Err(TokenError::Issuer)
            }
            (Err(_), Some(known)) => Ok(known),
            (Err(_), None) => Err(TokenError::Issuer),
        }
    }

    /// The same issuer with its keys read again, if they are old or `kid` is not among them.
    async fn with_key(&self, known: Arc<Known>, kid: &str) -> Arc<Known> {
        let now = self.runtime.now();
        let fresh = known.keys_read.is_some_and(|read| now < read + self.settings.key_ttl);
        let asked_lately = known.keys_asked.is_some_and(|asked| now < asked + self.settings.key_refetch);
        if (fresh && known.keys.contains_key(kid)) || asked_lately {
            return known;
        }
        let limit = self.settings.registry_timeout;
        match self.runtime.timeout(limit, self.identity.keys(&known.entry)).await {
            Ok(Ok(keys)) => self.remember(Known {
                keys: usable(&keys),
                keys_read: Some(now),
                keys_asked: Some(now),
                ..Known::clone(&known)
            }),
            Ok(Err(_)) | Err(_) => self.remember(Known { keys_asked: Some(now), ..Known::clone(&known) }),
        }
    }

    fn remember(&self, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        self.known.lock().insert(known.entry.issuer.clone(), Arc::clone(&known));
        known
    }
}

/// The keys that may vouch for an RS256 token.
fn usable(keys: &JwkSet) -> BTreeMap<String, Arc<DecodingKey>> {
    let usable = |jwk: &Jwk| {
        let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else { return None };
        let for_signing =
            jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let for_rs256 = jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::RS256);
        // Base64 carries six bits a character.
        let long_enough = rsa.n.trim_end_matches('=').len() * 6 / 8 >= LEAST_MODULUS_BYTES;
        let kid = jwk.common.key_id.clone()?;
        let key = DecodingKey::from_jwk(jwk).ok()?;
        (for_signing && for_rs256 && long_enough).then(|| (kid, Arc::new(key)))
    };
    keys.keys.iter().filter_map(usable).collect()
}
