//! The runtime port on tokio's clock.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{Monotonic, Runtime, Task, Wall};

/// Real time and tokio tasks. Dropping it aborts every task it spawned; a task that itself holds the
/// runtime keeps it from being dropped, so whoever owns it ends with [`shutdown`](Self::shutdown).
///
/// Must be created, used and dropped within a tokio runtime.
#[derive(Debug)]
pub struct TokioRuntime {
    started: Instant,
    tasks: Mutex<JoinSet<()>>,
}

impl TokioRuntime {
    /// A runtime whose monotonic clock starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the shell that reads the real clock")]
    pub fn new() -> Self {
        Self { started: Instant::now(), tasks: Mutex::new(JoinSet::new()) }
    }

    /// Aborts every task it spawned. Each ends at its next point of suspension.
    pub fn shutdown(&self) {
        self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).abort_all();
    }
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Monotonic {
        Monotonic::from_start(self.started.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the shell that reads the real clock")]
    fn wall(&self) -> Wall {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Wall::from_epoch(since_epoch.unwrap_or(Duration::ZERO))
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        Box::pin(tokio::time::sleep_until(self.started + deadline.since_start()))
    }

    fn spawn(&self, _name: &'static str, task: Task) {
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_timeout_ends_work_that_does_not() {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let limit = Duration::from_secs(2);
        let before = runtime.now();
        let result = runtime.timeout(limit, std::future::pending::<()>()).await;
        assert_eq!(result.unwrap_err().limit, limit);
        assert_eq!(runtime.now().saturating_since(before), limit);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_in_time_is_returned() {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        assert_eq!(runtime.timeout(Duration::from_secs(1), async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn a_task_that_holds_the_runtime_ends_at_its_shutdown() {
        let (gone_tx, gone_rx) = tokio::sync::oneshot::channel::<()>();
        let runtime = Arc::new(TokioRuntime::new());
        let held = Arc::clone(&runtime);
        runtime.spawn(
            "holder",
            Box::pin(async move {
                let _held = (held, gone_tx);
                std::future::pending::<()>().await;
            }),
        );
        runtime.shutdown();
        assert!(gone_rx.await.is_err(), "the task's future was dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_takes_longer_than_its_first_poll_has_the_whole_limit() {
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let work = tokio::time::sleep(Duration::from_secs(2));
        assert!(runtime.timeout(Duration::from_secs(2), work).await.is_ok(), "the work wins a tie");
    }

    #[tokio::test]
    async fn dropping_the_runtime_ends_its_tasks() {
        let (gone_tx, gone_rx) = tokio::sync::oneshot::channel::<()>();
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        runtime.spawn(
            "holder",
            Box::pin(async move {
                let _held = gone_tx;
                std::future::pending::<()>().await;
            }),
        );
        drop(runtime);
        assert!(gone_rx.await.is_err(), "the task's future was dropped with the runtime");
    }
}
