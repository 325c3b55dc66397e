//! Whom to believe, and by which key.
//!
//! An issuer's entry is read again after `trust_ttl`. Its keys are read again after `key_ttl`, or for the sake
//! of a token that they do not explain: an unknown key, a signature that does not match. That happens at most
//! every `key_refetch`, and once for all who wait. What cannot be read again stands as it was read last; what
//! was never read is not trusted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dive_runtime::{Monotonic, Runtime};
use parking_lot::Mutex;

use super::TokenError;
use super::flights::Flights;
use super::keys::Keys;
use super::verifying_key::VerifyingKey;
use crate::ports::{IdentityProvider, IssuerRegistry, StoreError, TrustedIssuer};
use crate::settings::TokenSettings;

/// After the trusted set could not be read, an issuer that is known is not asked about again for so long.
const RETRY: Duration = Duration::from_secs(1);

/// A key that may vouch for tokens.
pub(super) struct Voucher {
    pub(super) key: Arc<VerifyingKey>,
    pub(super) entry: Arc<TrustedIssuer>,
    /// Until when entry and key need not be read again.
    pub(super) until: Monotonic,
}

pub(super) struct Issuers {
    reader: Arc<Reader>,
    entries: Flights<Result<Arc<Known>, TokenError>>,
    keys: Flights<Result<Arc<Known>, TokenError>>,
}

/// What the flights read with, and what they have read.
struct Reader {
    settings: TokenSettings,
    registry: Arc<dyn IssuerRegistry>,
    identity: Arc<dyn IdentityProvider>,
    runtime: Arc<dyn Runtime>,
    /// Trusted issuers only, so it is no longer than the trusted set.
    known: Mutex<BTreeMap<String, Arc<Known>>>,
}

#[derive(Clone)]
struct Known {
    entry: Arc<TrustedIssuer>,
    entry_read: Monotonic,
    entry_asked: Monotonic,
    keys: Keys,
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
        let settings = settings.clone();
        let reader = Reader { settings, registry, identity, runtime, known: Mutex::default() };
        Self { reader: Arc::new(reader), entries: Flights::default(), keys: Flights::default() }
    }

    /// The key `kid` of `issuer`.
    pub(super) async fn key(&self, issuer: &str, kid: &str) -> Result<Voucher, TokenError> {
        let known = self.trusted(issuer).await?;
        let now = self.reader.runtime.now();
        let explained = self.reader.keys_are_fresh(&known, now) && known.keys.get(kid).is_some();
        let known = if explained { known } else { self.with_keys_read_again(known).await? };
        self.reader.voucher(&known, kid).ok_or(TokenError::Key)
    }

    /// The key `kid` of `issuer` as it is published now, if `doubted` is it no more and it is time to ask.
    pub(super) async fn key_instead(&self, issuer: &str, kid: &str, doubted: &Voucher) -> Option<Voucher> {
        let known = self.trusted(issuer).await.ok()?;
        let known = self.with_keys_read_again(known).await.ok()?;
        self.reader.voucher(&known, kid).filter(|voucher| !Arc::ptr_eq(&voucher.key, &doubted.key))
    }

    /// The issuer, its entry read again when it is no longer fresh.
    async fn trusted(&self, issuer: &str) -> Result<Arc<Known>, TokenError> {
        let now = self.reader.runtime.now();
        if let Some(known) = self.reader.known(issuer)
            && (now < known.entry_read + self.reader.settings.trust_ttl || now < known.entry_asked + RETRY)
        {
            return Ok(known);
        }
        let (reader, name) = (Arc::clone(&self.reader), issuer.to_owned());
        self.entries.join(issuer, || async move { reader.read_entry(&name).await }).await?;
        // The keys may have been read meanwhile.
        self.reader.known(issuer).ok_or(TokenError::Issuer)
    }

    /// The issuer, its keys read again unless that happened lately.
    async fn with_keys_read_again(&self, known: Arc<Known>) -> Result<Arc<Known>, TokenError> {
        let now = self.reader.runtime.now();
        if known.keys_asked.is_some_and(|asked| now < asked + self.reader.settings.key_refetch) {
            return Ok(known);
        }
        let issuer = known.entry.issuer.clone();
        let reader = Arc::clone(&self.reader);
        self.keys.join(&issuer, || async move { reader.read_keys(&known.entry).await }).await
    }
}

impl Reader {
    fn known(&self, issuer: &str) -> Option<Arc<Known>> {
        self.known.lock().get(issuer).map(Arc::clone)
    }

    fn keys_are_fresh(&self, known: &Known, now: Monotonic) -> bool {
        known.keys_read.is_some_and(|read| now < read + self.settings.key_ttl)
    }

    fn voucher(&self, known: &Known, kid: &str) -> Option<Voucher> {
        let key = Arc::clone(known.keys.get(kid)?);
        let keys_until = known.keys_read.unwrap_or(Monotonic::START) + self.settings.key_ttl;
        let entry_until = known.entry_read + self.settings.trust_ttl;
        Some(Voucher { key, entry: Arc::clone(&known.entry), until: keys_until.min(entry_until) })
    }

    async fn read_entry(&self, issuer: &str) -> Result<Arc<Known>, TokenError> {
        let limit = self.settings.registry_timeout;
        let read = self.runtime.timeout(limit, self.registry.trusted(issuer)).await;
        let read = read.map_err(StoreError::from).flatten();
        let now = self.runtime.now();
        let mut all = self.known.lock();
        let before = all.remove(issuer);
        let known = match (read, before) {
            (Ok(None), _) | (Err(_), None) => return Err(TokenError::Issuer),
            (Err(_), Some(before)) => Known { entry_asked: now, ..Known::clone(&before) },
            (Ok(Some(entry)), Some(before)) if *before.entry == entry => {
                Known { entry_read: now, entry_asked: now, ..Known::clone(&before) }
            }
            // Keys stay as long as they are read at the same place.
            (Ok(Some(entry)), Some(before)) if before.entry.keys_url == entry.keys_url => {
                Known { entry: Arc::new(entry), entry_read: now, entry_asked: now, ..Known::clone(&before) }
            }
            (Ok(Some(entry)), _) => Known {
                entry: Arc::new(entry),
                entry_read: now,
                entry_asked: now,
                keys: Keys::default(),
                keys_read: None,
                keys_asked: None,
            },
        };
        let known = Arc::new(known);
        all.insert(issuer.to_owned(), Arc::clone(&known));
        Ok(known)
    }

    async fn read_keys(&self, entry: &Arc<TrustedIssuer>) -> Result<Arc<Known>, TokenError> {
        let asked = self.runtime.now();
        let limit = self.settings.registry_timeout;
        let read = self.runtime.timeout(limit, self.identity.keys(entry)).await;
        let mut all = self.known.lock();
        // An issuer that is not trusted any more is not brought back by its keys, nor do keys that were read
        // at one place go with another.
        let before = all.get(&entry.issuer).filter(|known| known.entry.keys_url == entry.keys_url);
        let before = before.ok_or(TokenError::Issuer)?;
        let known = match read {
            Ok(Ok(published)) => Known {
                keys: Keys::usable(&published, &before.keys),
                keys_read: Some(asked),
                keys_asked: Some(asked),
                ..Known::clone(before)
            },
            Ok(Err(_)) | Err(_) => Known { keys_asked: Some(asked), ..Known::clone(before) },
        };
        let known = Arc::new(known);
        all.insert(entry.issuer.clone(), Arc::clone(&known));
        Ok(known)
    }
}

#[cfg(test)]
#[path = "issuers_tests.rs"]
mod tests;
