//! The task that keeps the copy current.
//!
//! It begins to listen first and then reads everything, so that nothing can fall between the two; then it listens, and
//! reads everything again at fixed intervals, for what the feed may have lost. Whatever fails begins it all anew, one
//! interval later at most.

use dive_runtime::Monotonic;

use super::{Known, Revocations};
use crate::ports::{RevocationFeed, StoreError};

impl Revocations {
    /// Keeps the copy current for as long as the node lives.
    pub async fn follow(&self) {
        let mut due = self.runtime.now();
        loop {
            self.runtime.sleep_until(due).await;
            due = self.next_due(due);
            if let Ok(mut feed) = self.begin().await {
                self.listen(&mut *feed, &mut due).await;
            }
            self.known.lock().following = false;
        }
    }

    /// Begins to listen, then reads everything.
    async fn begin(&self) -> Result<Box<dyn RevocationFeed>, StoreError> {
        let feed = self.in_time(self.store.feed()).await?;
        self.read_everything().await?;
        Ok(feed)
    }

    /// Listens until the feed or a reading fails.
    async fn listen(&self, feed: &mut dyn RevocationFeed, due: &mut Monotonic) {
        loop {
            // The reading comes first: news without end must not put it off.
            tokio::select! {
                biased;
                () = self.runtime.sleep_until(*due) => {
                    if self.read_everything().await.is_err() {
                        return;
                    }
                    *due = self.next_due(*due);
                }
                news = feed.next() => match news {
                    Ok(revocation) => self.learn(&revocation),
                    Err(_) => return,
                },
            }
        }
    }

    /// Tells the store what it missed and reads all it has.
    async fn read_everything(&self) -> Result<(), StoreError> {
        let read_at = Some(self.runtime.now());
        for revocation in self.in_time(self.store.all()).await? {
            self.learn(&revocation);
        }
        self.tell_what_is_untold().await?;
        *self.known.lock() = Known { read_at, following: true };
        Ok(())
    }

    async fn tell_what_is_untold(&self) -> Result<(), StoreError> {
        loop {
            let Some(next) = self.untold.lock().front().cloned() else { return Ok(()) };
            self.in_time(self.store.put(&next)).await?;
            // Only this task takes away, so the first one is still the one that was told.
            self.untold.lock().pop_front();
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let done = self.runtime.timeout(self.reread, Box::pin(work)).await;
        done.unwrap_or_else(|elapsed| Err(StoreError(elapsed.to_string())))
    }

    /// The first instant after now that is a whole number of intervals after `due`.
    fn next_due(&self, mut due: Monotonic) -> Monotonic {
        let now = self.runtime.now();
        while due <= now {
            due = due + self.reread;
        }
        due
    }
}
