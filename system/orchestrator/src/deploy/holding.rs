//! Holding the lock while at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dive_runtime::{Monotonic, Runtime};
use parking_lot::Mutex;
use tokio::select;

use super::Interrupted;
use crate::{HEARTBEAT, LEASE, Lease, Store, StoreError};

/// For how long a lock is surely ours after it was asked for: one heartbeat less than its lease, so that nothing of
/// our work is under way when others may begin.
const SURE_FOR: Duration = LEASE.saturating_sub(HEARTBEAT);

/// A held lock, and until when it surely is ours.
pub(super) struct Holding {
    pub(super) lease: Lease,
    runtime: Arc<dyn Runtime>,
    sure_until: Mutex<Monotonic>,
    is_settled: AtomicBool,
}

impl Holding {
    /// The lock was asked for at `asked` and given.
    pub(super) fn new(lease: Lease, runtime: Arc<dyn Runtime>, asked: Monotonic) -> Self {
        let is_settled = AtomicBool::new(lease.after.is_empty());
        Self { lease, runtime, sure_until: Mutex::new(asked + SURE_FOR), is_settled }
    }

    /// Whether nothing of ours, or of a holder before us, may be under way that nobody waits for. Else the lock is not
    /// given back, so that whoever takes it next knows.
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Relaxed)
    }

    pub(super) fn settle(&self, is_settled: bool) {
        self.is_settled.store(is_settled, Ordering::Relaxed);
    }

    /// Whether the lock is surely ours. Asked before anything outside of the store is touched: the store fences
    /// its own writes, a container engine fences nothing. A process that was stopped and goes on fails here.
    pub(super) fn is_sure(&self) -> Result<(), Interrupted> {
        if self.runtime.now() < *self.sure_until.lock() {
            Ok(())
        } else {
            Err(self.lost(&"it was not renewed in time"))
        }
    }

    pub(super) fn lost(&self, why: &impl ToString) -> Interrupted {
        Interrupted::LockLost { instance: self.lease.instance.clone(), why: why.to_string() }
    }

    /// Renews the lock while `work` is at work. When it is lost, or can't be seen to be held, the work is
    /// dropped at once.
    pub(super) async fn during<T>(
        &self,
        store: &dyn Store,
        work: impl Future<Output = Result<T, Interrupted>>,
    ) -> Result<T, Interrupted> {
        select! {
            biased;
            lost = self.beat(store) => Err(lost),
            ended = work => ended,
        }
    }

    /// Renews until that fails twice in a row, or is refused.
    async fn beat(&self, store: &dyn Store) -> Interrupted {
        loop {
            self.runtime.sleep(HEARTBEAT).await;
            if let Err(first) = self.renew(store).await
                && (matches!(first, Interrupted::LockLost { .. }) || self.renew(store).await.is_err())
            {
                return match first {
                    Interrupted::LockLost { .. } => first,
                    other => self.lost(&other),
                };
            }
        }
    }

    async fn renew(&self, store: &dyn Store) -> Result<(), Interrupted> {
        let asked = self.runtime.now();
        let left = self.sure_until.lock().saturating_since(asked);
        match self.runtime.timeout(left, store.renew(&self.lease)).await {
            Ok(Ok(())) => {
                *self.sure_until.lock() = asked + SURE_FOR;
                Ok(())
            }
            Ok(Err(error @ StoreError::LockLost { .. })) => Err(self.lost(&error)),
            Ok(Err(error)) => Err(error.into()),
            Err(elapsed) => Err(self.lost(&elapsed)),
        }
    }
}
