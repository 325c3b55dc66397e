//! Tokens already verified, remembered by their whole text.

use std::num::NonZeroUsize;
use std::sync::Arc;

use dive_runtime::Monotonic;
use lru::LruCache;
use parking_lot::Mutex;

use super::VerifiedToken;
use crate::event::{Cache, NodeEvent};
use crate::events::Events;

/// A bounded memory, least recently used first out. Expiry is the caller's to check on every use.
pub(super) struct VerifiedTokens {
    tokens: Mutex<LruCache<Box<str>, Arc<VerifiedToken>>>,
    capacity: usize,
    events: Arc<Events>,
}

impl VerifiedTokens {
    pub(super) fn new(capacity: NonZeroUsize, events: Arc<Events>) -> Self {
        Self { tokens: Mutex::new(LruCache::new(capacity)), capacity: capacity.get(), events }
    }

    /// What this very token says, as long as what vouched for it is fresh.
    pub(super) fn get(&self, token: &str, now: Monotonic) -> Option<Arc<VerifiedToken>> {
        let verified = self.tokens.lock().get(token).filter(|token| now < token.vouched_until).cloned();
        self.events.emit(&NodeEvent::CacheAsked { cache: Cache::Token, hit: verified.is_some() });
        verified
    }

    pub(super) fn put(&self, token: &str, verified: &Arc<VerifiedToken>) {
        let mut tokens = self.tokens.lock();
        let full = tokens.len() >= self.capacity;
        let replaced = tokens.put(token.into(), Arc::clone(verified)).is_some();
        let size = tokens.len();
        drop(tokens);
        let evicted = u64::from(full && !replaced);
        self.events.emit(&NodeEvent::CacheSized { cache: Cache::Token, size, evicted });
    }
}
