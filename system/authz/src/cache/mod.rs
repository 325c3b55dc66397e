//! The decision cache: bounded, least recently used first out, pure.
//!
//! Invariants, asserted by the property test below in these words:
//! - a decision is served only for exactly the question it answered, under the policy that answered it;
//! - a decision is never served at or past its time to live;
//! - there are never more than `capacity` decisions;
//! - after a flush nothing that was decided before it is served, even when its answer arrives later.
//!
//! Only a [`Decision`] can be put in, so an error of the engine cannot be cached.

mod key;
mod ttl;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;

use key::InputDigest;
pub use key::PolicyRevision;
pub use ttl::Ttl;

use crate::decision::Decision;
use crate::input::Input;

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// The greatest number of decisions kept. Default 10 000.
    pub capacity: NonZeroUsize,
    /// How long each may be served.
    pub ttl: Ttl,
}

impl Default for CacheSettings {
    fn default() -> Self {
        const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
        Self { capacity: CAPACITY, ttl: Ttl::default() }
    }
}

/// A question's place in the cache. Ask for it before asking the engine: it also says between which
/// flushes the question was put, and an answer that comes after the next flush is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheKey {
    digest: InputDigest,
    flushes: u64,
}

/// Decisions already made. `now` is monotonic time since an instant of the caller's choosing.
#[derive(Debug)]
pub struct DecisionCache {
    entries: LruCache<InputDigest, Entry>,
    revision: PolicyRevision,
    ttl: Ttl,
    flushes: u64,
}

#[derive(Debug)]
struct Entry {
    decision: Arc<Decision>,
    subject: Option<Box<str>>,
    expires: Duration,
}

impl DecisionCache {
    /// An empty cache of decisions under `revision`.
    pub fn new(settings: CacheSettings, revision: PolicyRevision) -> Self {
        Self { entries: LruCache::sparse(settings.capacity), revision, ttl: settings.ttl, flushes: 0 }
    }

    /// Where the answer to `input` belongs.
    pub fn key(&self, input: &Input) -> CacheKey {
        CacheKey { digest: InputDigest::new(input, &self.revision), flushes: self.flushes }
    }

    /// The decision, if it was made less than its time to live ago.
    pub fn get(&mut self, key: &CacheKey, now: Duration) -> Option<Arc<Decision>> {
        if self.entries.peek(&key.digest)?.expires <= now {
            self.entries.pop(&key.digest);
            return None;
        }
        self.entries.get(&key.digest).map(|entry| Arc::clone(&entry.decision))
    }

    /// Keeps the engine's answer to `input`, whose `key` was taken before the engine was asked.
    ///
    /// The least recently used decision goes when there is no room. Returns whether it was kept: an
    /// answer that a flush has overtaken, or that has no time to live, is not.
    pub fn insert(&mut self, key: &CacheKey, input: &Input, decision: Arc<Decision>, now: Duration) -> bool {
        let ttl = self.ttl.of(&input.resource);
        if key.flushes != self.flushes || ttl.is_zero() {
            return false;
        }
        let subject = input.subject.unique_id.as_deref().map(Box::from);
        let expires = now.saturating_add(ttl);
        self.entries.put(key.digest, Entry { decision, subject, expires });
        true
    }

    /// Says which policy decides now. A change drops every decision; returns how many.
    pub fn set_revision(&mut self, revision: &PolicyRevision) -> usize {
        if *revision == self.revision {
            return 0;
        }
        self.revision = revision.clone();
        self.flush()
    }

    /// Drops every decision; returns how many.
    pub fn flush(&mut self) -> usize {
        let dropped = self.entries.len();
        self.entries.clear();
        self.flushes += 1;
        dropped
    }

    /// Drops every decision about the subject with this unique id; returns how many.
    ///
    /// Walks the whole cache: revocations are rare, lookups are not, so lookups keep no second index.
    pub fn flush_subject(&mut self, unique_id: &str) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| entry.subject.as_deref() != Some(unique_id));
        self.flushes += 1;
        before - self.entries.len()
    }

    /// The number of decisions kept, those past their time to live included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The policy whose decisions are kept.
    pub fn revision(&self) -> &PolicyRevision {
        &self.revision
    }
}

#[cfg(test)]
mod tests;
