//! Questions asked once, however many wait for the answer.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;

/// What is being asked, by name. An answer goes to all who joined before it came; who comes later asks anew.
pub(super) struct Flights<T: Clone> {
    // Weak: a question for whose answer nobody waits any more is not under way either.
    under_way: Mutex<BTreeMap<String, WeakShared<BoxFuture<'static, T>>>>,
}

impl<T: Clone> Default for Flights<T> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The answer about `name`: to the question that is under way, or to the one that `ask` begins.
    pub(super) async fn join<F>(&self, name: &str, ask: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        let flight = self.flight(name, ask);
        let answer = flight.await;
        self.under_way
            .lock()
            .retain(|_, flight| flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
        answer
    }

    fn flight<F>(&self, name: &str, ask: impl FnOnce() -> F) -> Shared<BoxFuture<'static, T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut under_way = self.under_way.lock();
        let joined = under_way.get(name).and_then(WeakShared::upgrade);
        // One that has landed is of those who waited for it.
        if let Some(flight) = joined.filter(|flight| flight.peek().is_none()) {
            return flight;
        }
        let flight = ask().boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.insert(name.to_owned(), weak);
        }
        flight
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;

    use super::*;

    struct Bed {
        flights: Flights<usize>,
        asked: Arc<AtomicUsize>,
    }

    impl Bed {
        fn new() -> Self {
            Self { flights: Flights::default(), asked: Arc::default() }
        }

        /// Asks something that takes a second; the answer is how often anything was asked.
        async fn ask(&self, name: &str) -> usize {
            let asked = Arc::clone(&self.asked);
            self.flights
                .join(name, || async move {
                    let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    number
                })
                .await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_wait_share_one_answer_and_who_comes_later_asks_anew() {
        let bed = Bed::new();
        assert_eq!(join_all((0..100).map(|_| bed.ask("a"))).await, [1; 100]);
        assert_eq!(bed.ask("a").await, 2);
        assert!(bed.flights.under_way.lock().is_empty(), "nothing is left of it");
    }

    #[tokio::test(start_paused = true)]
    async fn two_questions_do_not_wait_for_one_another() {
        let bed = Bed::new();
        assert_eq!(futures_util::join!(bed.ask("a"), bed.ask("b")), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_first_may_leave_and_the_others_get_their_answer() {
        let bed = Bed::new();
        let first = tokio::time::timeout(Duration::from_millis(500), bed.ask("a"));
        let (first, second) = futures_util::join!(first, bed.ask("a"));
        assert!(first.is_err());
        assert_eq!(second, 1, "the question was not asked again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_everybody_left_is_asked_anew() {
        let bed = Bed::new();
        assert!(tokio::time::timeout(Duration::from_millis(500), bed.ask("a")).await.is_err());
        assert_eq!(bed.ask("a").await, 2);
    }
}
