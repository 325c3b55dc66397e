//! Decisions already made: in this process, and in the cache that outlives it.
//!
//! ```text
//!  question ─► local (LRU) ─miss─► shared (sealed entries) ─miss─► policy engine
//!                 ▲                   │ only what is left              │
//!                 └───────────────────┴─ of its time to live ◄─────────┴─► background queue ─► shared
//! ```
//!
//! Where a shared cache is configured and away, caching is off altogether: what this process remembered may
//! have been flushed by others meanwhile. A failed call switches it off at once, a good check on again.

mod seal;
mod shared;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dive_authz::{CacheKey, CacheSettings, Decision, DecisionCache, Input, PolicyRevision};
use dive_resilience::health::ServiceStatus;
use dive_runtime::Runtime;
use parking_lot::Mutex;

pub use seal::{SealingKey, SealingKeyError};
pub(crate) use shared::Shared;

use crate::event::{Cache, NodeEvent};
use crate::events::Events;

/// The cache counts time from a day before the node started, so that what was decided before that can be
/// kept for the rest of its time to live.
const BEFORE_START: Duration = Duration::from_hours(24);

/// Decisions already made.
pub(crate) struct Decisions {
    state: Mutex<State>,
    settings: CacheSettings,
    shared: Option<Shared>,
    on: AtomicBool,
    runtime: Arc<dyn Runtime>,
    events: Arc<Events>,
}

struct State {
    cache: DecisionCache,
    revision: Option<Arc<str>>,
}

/// What the cache knew when a question was put.
pub(crate) struct Lookup {
    /// The answer's place, for [`Decisions::keep`]; `None` while caching is off.
    key: Option<CacheKey>,
    /// The policy's revision, once one is known.
    pub(crate) revision: Option<Arc<str>>,
    /// The decision, if it was made less than its time to live ago.
    pub(crate) decision: Option<Arc<Decision>>,
}

impl Decisions {
    pub(crate) fn new(
        settings: CacheSettings,
        shared: Option<Shared>,
        runtime: Arc<dyn Runtime>,
        events: Arc<Events>,
    ) -> Self {
        // Until the engine has said which policy it decides by, decisions are kept under no name.
        let cache = DecisionCache::new(settings, PolicyRevision::from(""));
        let state = Mutex::new(State { cache, revision: None });
        // A shared cache is away until a check has found it.
        let on = AtomicBool::new(shared.is_none());
        Self { state, settings, shared, on, runtime, events }
    }

    /// Begins to write to the shared cache, as a task of the runtime.
    pub(crate) fn start(self: &Arc<Self>) {
        if let Some(writer) = self.shared.as_ref().and_then(Shared::writer) {
            let decisions = Arc::clone(self);
            let failed = move || decisions.switch(false);
            self.runtime.spawn("decision cache", Box::pin(writer.run(failed)));
        }
    }

    /// Whether decisions are remembered.
    pub(crate) fn are_kept(&self) -> bool {
        self.on.load(Ordering::Acquire)
    }

    /// Takes note of what a check of the shared cache said.
    pub(crate) fn shared_is(&self, status: ServiceStatus) {
        self.switch(status != ServiceStatus::Down);
    }

    fn switch(&self, on: bool) {
        if self.on.swap(on, Ordering::AcqRel) == on {
            return;
        }
        if !on {
            self.state.lock().cache.flush();
            self.events.emit(&NodeEvent::CacheSized { cache: Cache::Decision, size: 0, evicted: 0 });
        }
        self.events.emit(&NodeEvent::CachingSwitched { on });
    }

    /// Looks for the answer to `input`, here and then in the shared cache.
    pub(crate) async fn look_up(&self, input: &Input) -> Lookup {
        let lookup = self.look_here(input);
        match (&self.shared, &lookup) {
            (Some(shared), Lookup { key: Some(key), revision: Some(revision), decision: None }) => {
                let decision = self.look_there(shared, key, revision, input).await;
                Lookup { decision, ..lookup }
            }
            _ => lookup,
        }
    }

    fn look_here(&self, input: &Input) -> Lookup {
        let now = self.now();
        let mut state = self.state.lock();
        if !self.are_kept() {
            return Lookup { key: None, revision: state.revision.clone(), decision: None };
        }
        let key = state.cache.key(input);
        let decision = state.cache.get(&key, now);
        let revision = state.revision.clone();
        drop(state);
        self.events.emit(&NodeEvent::CacheAsked { cache: Cache::Decision, hit: decision.is_some() });
        Lookup { key: Some(key), revision, decision }
    }

    async fn look_there(
        &self,
        shared: &Shared,
        key: &CacheKey,
        revision: &str,
        input: &Input,
    ) -> Option<Arc<Decision>> {
        let ttl = self.settings.ttl.of(&input.resource);
        let Ok(found) = shared.get(input, revision, ttl).await else {
            self.switch(false);
            return None;
        };
        self.events.emit(&NodeEvent::CacheAsked { cache: Cache::SharedDecision, hit: found.is_some() });
        let (decision, left) = found?;
        let decision = Arc::new(decision);
        // It was made when its time to live was still whole.
        let made = self.now().checked_sub(ttl.saturating_sub(left))?;
        self.insert(key, input, &decision, made).then_some(decision)
    }

    /// Keeps the engine's answer to `input`.
    pub(crate) fn keep(&self, lookup: &Lookup, input: &Input, decision: &Arc<Decision>) {
        let Some(key) = &lookup.key else { return };
        if !self.insert(key, input, decision, self.now()) {
            return;
        }
        if let (Some(shared), Some(revision)) = (&self.shared, &lookup.revision) {
            shared.put(input, revision, decision, self.settings.ttl.of(&input.resource));
        }
    }

    /// Whether the decision was kept: it is not when a flush has overtaken it.
    fn insert(&self, key: &CacheKey, input: &Input, decision: &Arc<Decision>, made: Duration) -> bool {
        let mut state = self.state.lock();
        if !self.are_kept() {
            return false;
        }
        let full = state.cache.len() >= self.settings.capacity.get();
        let kept = state.cache.insert(key, input, Arc::clone(decision), made);
        let size = state.cache.len();
        drop(state);
        let evicted = u64::from(full && kept);
        self.events.emit(&NodeEvent::CacheSized { cache: Cache::Decision, size, evicted });
        kept
    }

    /// Drops what was decided about a subject, here and in the shared cache.
    pub(crate) fn forget(&self, unique_id: &str) {
        let mut state = self.state.lock();
        state.cache.flush_subject(unique_id);
        let size = state.cache.len();
        drop(state);
        self.events.emit(&NodeEvent::CacheSized { cache: Cache::Decision, size, evicted: 0 });
        if let Some(shared) = &self.shared {
            shared.forget(unique_id);
        }
    }

    /// Takes note of the policy that decides now. Another one flushes what the last one decided.
    pub(crate) fn follow(&self, revision: &PolicyRevision) {
        let mut state = self.state.lock();
        if state.revision.as_deref() == Some(revision.0.as_str()) {
            return;
        }
        state.revision = Some(revision.0.as_str().into());
        let flushed = state.cache.set_revision(revision);
        drop(state);
        self.events.emit(&NodeEvent::PolicyChanged { revision, flushed });
        self.events.emit(&NodeEvent::CacheSized { cache: Cache::Decision, size: 0, evicted: 0 });
    }

    fn now(&self) -> Duration {
        self.runtime.now().since_start() + BEFORE_START
    }
}
