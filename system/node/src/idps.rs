//! The trusted issuers as anybody may see them: whom one can log in at.
//!
//! They are read from the registry and from nowhere else. While it is away the last reading stands, and says
//! that it is stale.

use std::sync::Arc;
use std::time::Duration;

use dive_runtime::{Monotonic, Runtime};
use tokio::sync::Mutex;

use crate::ports::{IssuerRegistry, StoreError, TrustedIssuer};

/// The list, read again when it is no longer fresh.
pub(crate) struct Idps {
    registry: Arc<dyn IssuerRegistry>,
    ttl: Duration,
    runtime: Arc<dyn Runtime>,
    /// Held while it is read: anybody may ask, so that one reading must serve all who wait.
    last: Mutex<Option<Reading>>,
}

struct Reading {
    issuers: Arc<[TrustedIssuer]>,
    fresh_until: Monotonic,
    stale: bool,
}

/// The list and whether it may be out of date.
pub(crate) struct Listed {
    pub(crate) issuers: Arc<[TrustedIssuer]>,
    pub(crate) stale: bool,
}

impl Idps {
    pub(crate) fn new(registry: Arc<dyn IssuerRegistry>, ttl: Duration, runtime: Arc<dyn Runtime>) -> Self {
        Self { registry, ttl, runtime, last: Mutex::new(None) }
    }

    /// The trusted issuers. Fails only when they were never read.
    pub(crate) async fn list(&self) -> Result<Listed, StoreError> {
        let mut last = self.last.lock().await;
        let now = self.runtime.now();
        if let Some(reading) = last.as_ref().filter(|reading| now < reading.fresh_until) {
            return Ok(Listed { issuers: Arc::clone(&reading.issuers), stale: reading.stale });
        }
        let read = self.registry.all().await;
        let issuers = match (&read, last.as_ref()) {
            (Ok(issuers), _) => issuers.as_slice().into(),
            (Err(_), Some(before)) => Arc::clone(&before.issuers),
            (Err(error), None) => return Err(error.clone()),
        };
        let stale = read.is_err();
        // A failed reading is not repeated for everybody who asks, but soon.
        let ttl = if stale { self.ttl.min(Duration::from_secs(1)) } else { self.ttl };
        let fresh_until = self.runtime.now() + ttl;
        *last = Some(Reading { issuers: Arc::clone(&issuers), fresh_until, stale });
        Ok(Listed { issuers, stale })
    }
}
