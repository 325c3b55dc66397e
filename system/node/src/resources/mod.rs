//! Resources as the node knows them: read through the store's circuit, their objects checked here, their
//! metadata remembered for a while.
//!
//! Nothing is served at or past its time to live, whether or not the store can be asked for it again. A
//! resource that does not exist is not remembered.

mod known;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use dive_authz::Resource;
use dive_runtime::{Monotonic, Runtime};
use lru::LruCache;
use parking_lot::Mutex;

pub(crate) use known::{KnownResource, Payload};

use crate::call_path::{CallPath, NoAnswer};
use crate::event::{Cache, NodeEvent};
use crate::events::Events;
use crate::ports::{ResourceStore, StoreError, StoredResource};
use crate::settings::ResourceSettings;

/// The store could not be asked.
#[derive(Debug)]
pub(crate) struct Unread {
    pub(crate) retry_after: Option<Duration>,
}

impl From<NoAnswer<StoreError>> for Unread {
    fn from(no_answer: NoAnswer<StoreError>) -> Self {
        Self { retry_after: no_answer.retry_after() }
    }
}

/// The resources, with a memory of those asked for lately.
pub(crate) struct Resources {
    store: Arc<dyn ResourceStore>,
    path: CallPath,
    settings: ResourceSettings,
    memory: Mutex<LruCache<Box<str>, Remembered>>,
    runtime: Arc<dyn Runtime>,
    events: Arc<Events>,
}

struct Remembered {
    resource: Arc<KnownResource>,
    until: Monotonic,
}

impl Resources {
    pub(crate) fn new(store: Arc<dyn ResourceStore>, settings: ResourceSettings, path: CallPath) -> Self {
        let memory = Mutex::new(LruCache::sparse(settings.entries));
        let (runtime, events) = (Arc::clone(&path.runtime), Arc::clone(&path.events));
        Self { store, path, settings, memory, runtime, events }
    }

    /// The resource, remembered or read; `None` when there is no such one.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Arc<KnownResource>>, Unread> {
        if let Some(resource) = self.remembered(id) {
            return Ok(Some(resource));
        }
        let read = self.read(id).await?;
        Ok(read.map(|(known, _)| known))
    }

    /// The resource as it is stored at this moment, with its payload if it has one that can be read.
    pub(crate) async fn find_whole(
        &self,
        id: &str,
    ) -> Result<Option<(Arc<KnownResource>, Option<Payload>)>, Unread> {
        self.read(id).await
    }

    /// The resource as it is stored at this moment, object and all. What its metadata say about integrity is
    /// not to be believed: see [`metadata`](Self::metadata).
    pub(crate) async fn stored(&self, id: &str) -> Result<Option<Arc<StoredResource>>, Unread> {
        Ok(self.path.call(self.store.resource(id), StoreError::is_the_stores_fault).await?)
    }

    /// The metadata of a stored resource, with its object's integrity as found out here.
    pub(crate) fn metadata(&self, stored: &StoredResource) -> Resource {
        KnownResource::of(stored, self.settings.object_limit).0.metadata
    }

    /// Ids of resources whose id contains `text`, at most `limit`, in their order, after `after`.
    pub(crate) async fn search(
        &self,
        text: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Unread> {
        let mut ids =
            self.path.call(self.store.search(text, after, limit), StoreError::is_the_stores_fault).await?;
        ids.truncate(limit);
        Ok(ids)
    }

    fn remembered(&self, id: &str) -> Option<Arc<KnownResource>> {
        if self.settings.ttl.is_zero() {
            return None;
        }
        let now = self.runtime.now();
        let mut memory = self.memory.lock();
        let found = match memory.get(id) {
            Some(remembered) if now < remembered.until => Some(Arc::clone(&remembered.resource)),
            Some(_) => {
                memory.pop(id);
                None
            }
            None => None,
        };
        drop(memory);
        self.events.emit(&NodeEvent::CacheAsked { cache: Cache::Resource, hit: found.is_some() });
        found
    }

    async fn read(&self, id: &str) -> Result<Option<(Arc<KnownResource>, Option<Payload>)>, Unread> {
        // What is read is no older than this.
        let asked = self.runtime.now();
        let stored = self.stored(id).await?;
        Ok(stored.map(|stored| {
            let (known, payload) = KnownResource::of(&stored, self.settings.object_limit);
            let known = Arc::new(known);
            self.remember(id, &known, asked);
            (known, payload)
        }))
    }

    fn remember(&self, id: &str, resource: &Arc<KnownResource>, asked: Monotonic) {
        if self.settings.ttl.is_zero() {
            return;
        }
        let until = asked + self.settings.ttl;
        let mut memory = self.memory.lock();
        let full = memory.len() >= self.settings.entries.get();
        let replaced = memory.put(id.into(), Remembered { resource: Arc::clone(resource), until }).is_some();
        let size = memory.len();
        drop(memory);
        let evicted = u64::from(full && !replaced);
        self.events.emit(&NodeEvent::CacheSized { cache: Cache::Resource, size, evicted });
    }
}
