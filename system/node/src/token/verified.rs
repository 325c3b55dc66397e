//! Tokens already verified, remembered by their whole text.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use super::VerifiedToken;
use crate::event::{Cache, NodeEvent};
use crate::events::Events;

/// A bounded memory, least recently used first out. Expiry, and whether anybody still vouches for a token,
/// are the caller's to check on every use.
pub(super) struct VerifiedTokens {
    tokens: Mutex<LruCache<Box<str>, Arc<VerifiedToken>>>,
    capacity: usize,
    events: Arc<Events>,
}

impl VerifiedTokens {
    pub(super) fn new(capacity: NonZeroUsize, events: Arc<Events>) -> Self {
        Self { tokens: Mutex::new(LruCache::sparse(capacity)), capacity: capacity.get(), events }
    }

    /// What this very token said when it was verified.
    pub(super) fn get(&self, token: &str) -> Option<Arc<VerifiedToken>> {
        let verified = self.tokens.lock().get(token).cloned();
        self.events.emit(&NodeEvent::CacheAsked { cache: Cache::Token, hit: verified.is_some() });
        verified
    }

    /// Forgets what this very token said.
    pub(super) fn forget(&self, token: &str) {
        let mut tokens = self.tokens.lock();
        if tokens.pop(token).is_some() {
            let size = tokens.len();
            drop(tokens);
            self.events.emit(&NodeEvent::CacheSized { cache: Cache::Token, size, evicted: 0 });
        }
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
