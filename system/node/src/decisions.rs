//! The decision cache shared by requests and the watch over the policy's revision.

use std::sync::Arc;

use dive_authz::{CacheKey, CacheSettings, Decision, DecisionCache, Input, PolicyRevision};
use dive_runtime::Runtime;
use parking_lot::Mutex;

use crate::event::{Cache, NodeEvent};
use crate::events::Events;

/// Decisions already made.
pub(crate) struct Decisions {
    state: Mutex<State>,
    capacity: usize,
    runtime: Arc<dyn Runtime>,
    events: Arc<Events>,
}

struct State {
    cache: DecisionCache,
    revision: Option<Arc<str>>,
}

/// What the cache knew when a question was put.
pub(crate) struct Lookup {
    /// The answer's place, for [`Decisions::keep`].
    pub(crate) key: CacheKey,
    /// The policy's revision, once one is known.
    pub(crate) revision: Option<Arc<str>>,
    /// The decision, if it was made less than its time to live ago.
    pub(crate) decision: Option<Arc<Decision>>,
}

impl Decisions {
    pub(crate) fn new(settings: CacheSettings, runtime: Arc<dyn Runtime>, events: Arc<Events>) -> Self {
        // Until the engine has said which policy it decides by, decisions are kept under no name.
        let cache = DecisionCache::new(settings, PolicyRevision::from(""));
        let state = Mutex::new(State { cache, revision: None });
        Self { state, capacity: settings.capacity.get(), runtime, events }
    }

    /// Looks for the answer to `input`.
    pub(crate) fn look_up(&self, input: &Input) -> Lookup {
        let now = self.runtime.now().since_start();
        let mut state = self.state.lock();
        let key = state.cache.key(input);
        let decision = state.cache.get(&key, now);
        let revision = state.revision.clone();
        drop(state);
        self.events.emit(&NodeEvent::CacheAsked { cache: Cache::Decision, hit: decision.is_some() });
        Lookup { key, revision, decision }
    }

    /// Keeps the engine's answer to `input`.
    pub(crate) fn keep(&self, key: &CacheKey, input: &Input, decision: &Arc<Decision>) {
        let now = self.runtime.now().since_start();
        let mut state = self.state.lock();
        let full = state.cache.len() >= self.capacity;
        let kept = state.cache.insert(key, input, Arc::clone(decision), now);
        let size = state.cache.len();
        drop(state);
        let evicted = u64::from(full && kept);
        self.events.emit(&NodeEvent::CacheSized { cache: Cache::Decision, size, evicted });
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
}
