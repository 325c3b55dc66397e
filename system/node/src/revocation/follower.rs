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
            self.known.send_modify(|known| {
                known.following = false;
                known.tried = true;
            });
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

    /// Reads all the store has, then tells it what it missed; both together take one interval at most.
    async fn read_everything(&self) -> Result<(), StoreError> {
        let read_at = Some(self.runtime.now());
        let round = async {
            for revocation in self.store.all().await? {
                self.learn(&revocation);
            }
            self.known.send_replace(Known { read_at, following: true, tried: true });
            self.tell_what_is_untold().await;
            Ok(())
        };
        match self.runtime.timeout(self.reread, Box::pin(round)).await {
            Ok(done) => done,
            // Everything was read; what could not be told in time is told in the next round.
            Err(_) if self.known().read_at == read_at => Ok(()),
            Err(elapsed) => Err(elapsed.into()),
        }
    }

    /// Tells the store what it missed, up to the first that it does not take. That one goes to the end, so that it
    /// does not keep back the others.
    async fn tell_what_is_untold(&self) {
        loop {
            let Some(next) = self.untold.lock().await.front().cloned() else { return };
            let told = self.store.put(&next).await;
            // Only this task takes away, so the first one is still that one.
            let mut untold = self.untold.lock().await;
            if told.is_err() {
                untold.rotate_left(1);
                return;
            }
            untold.pop_front();
            if let Some(journal) = self.journal.as_ref().filter(|_| untold.is_empty()) {
                journal.clear();
            }
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let done = self.runtime.timeout(self.reread, Box::pin(work)).await;
        done.unwrap_or_else(|elapsed| Err(elapsed.into()))
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
