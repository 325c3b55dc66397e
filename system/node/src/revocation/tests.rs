//! The copy and its follower on a clock that only the test moves, against a store that can be away, lose what it
//! publishes, or forget.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::*;
use crate::Settings;
use crate::ports::RevocationFeed;
use crate::testing::{EPOCH, FakeJournal, TestRuntime};

/// A token whose revocation the store never takes.
const NEVER_TAKEN: &str = "never taken";

/// The store that all nodes share.
#[derive(Default)]
struct FakeStore {
    held: Mutex<BTreeMap<String, Revocation>>,
    feeds: Mutex<Vec<mpsc::UnboundedSender<Revocation>>>,
    away: Mutex<Away>,
    readings: AtomicUsize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Away {
    #[default]
    No,
    Refuses,
    Hangs,
    /// It is there, but what it publishes reaches nobody.
    Mute,
}

impl FakeStore {
    fn is(&self, away: Away) {
        *self.away.lock() = away;
        if away == Away::Refuses {
            self.feeds.lock().clear();
        }
    }

    async fn answer(&self) -> Result<(), StoreError> {
        let away = *self.away.lock();
        match away {
            Away::No | Away::Mute => Ok(()),
            Away::Refuses => Err(StoreError::Unavailable("connection refused".to_owned())),
            Away::Hangs => std::future::pending().await,
        }
    }
}

#[async_trait]
impl RevocationStore for FakeStore {
    async fn put(&self, revocation: &Revocation) -> Result<(), StoreError> {
        self.answer().await?;
        if matches!(revocation, Revocation::Token { jti, .. } if jti == NEVER_TAKEN) {
            return Err(StoreError::Unavailable("not this one".to_owned()));
        }
        self.held.lock().insert(format!("{revocation:?}"), revocation.clone());
        if *self.away.lock() != Away::Mute {
            self.feeds.lock().retain(|feed| feed.send(revocation.clone()).is_ok());
        }
        Ok(())
    }

    async fn all(&self) -> Result<Vec<Revocation>, StoreError> {
        self.answer().await?;
        self.readings.fetch_add(1, Ordering::Relaxed);
        Ok(self.held.lock().values().cloned().collect())
    }

    async fn feed(&self) -> Result<Box<dyn RevocationFeed>, StoreError> {
        self.answer().await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        self.feeds.lock().push(sender);
        Ok(Box::new(FakeFeed(receiver)))
    }
}

struct FakeFeed(mpsc::UnboundedReceiver<Revocation>);

#[async_trait]
impl RevocationFeed for FakeFeed {
    async fn next(&mut self) -> Result<Revocation, StoreError> {
        self.0.recv().await.ok_or_else(|| StoreError::Unavailable("the feed ended".to_owned()))
    }
}

const REREAD: Duration = Duration::from_secs(2);

/// One node that follows.
struct Follower {
    revocations: Arc<Revocations>,
    runtime: Arc<TestRuntime>,
    news: Arc<AtomicUsize>,
}

impl Follower {
    fn start(store: &Arc<FakeStore>) -> Self {
        Self::start_with(store, Some(Arc::new(FakeJournal::default())))
    }

    fn start_with(store: &Arc<FakeStore>, journal: Option<Arc<FakeJournal>>) -> Self {
        let journal = journal.map(|journal| journal as Arc<dyn RevocationJournal>);
        let runtime = TestRuntime::new();
        let settings = Settings::default();
        assert_eq!(settings.revocation.reread, REREAD, "the bounds below count on it");
        let news = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&news);
        let on_news: OnNews = Box::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let store = store.clone();
        let revocations = Revocations::new(store, journal, &settings.revocation, runtime.clone(), on_news);
        let revocations = Arc::new(revocations);
        let following = Arc::clone(&revocations);
        runtime.spawn("revocations", Box::pin(async move { following.follow().await }));
        Self { revocations, runtime, news }
    }

    fn refuses(&self, jti: &str) -> bool {
        self.revocations.refuses(Some(jti), "nobody", EPOCH).is_some()
    }

    /// How long it takes until the token is refused; fails after `limit`.
    async fn refused_after(&self, jti: &str, limit: Duration) -> Duration {
        let start = self.runtime.now();
        while !self.refuses(jti) {
            wait(Duration::from_millis(10)).await;
            let waited = self.runtime.now().saturating_since(start);
            assert!(waited <= limit, "{jti} is still accepted after {waited:?}");
        }
        self.runtime.now().saturating_since(start)
    }
}

/// Lets time pass and everything be done that is due within it.
async fn wait(span: Duration) {
    tokio::time::sleep(span).await;
}

fn token(jti: &str) -> Revocation {
    let until = Wall::from_epoch(Duration::from_secs(u64::try_from(EPOCH).unwrap() + 3600));
    Revocation::Token { jti: jti.to_owned(), until }
}

fn user(unique_id: &str, issued_until: i64) -> Revocation {
    let until = Wall::from_epoch(Duration::from_secs(u64::try_from(EPOCH).unwrap() + 3600));
    Revocation::User { unique_id: unique_id.to_owned(), issued_until, until }
}

#[tokio::test(start_paused = true)]
async fn what_was_revoked_before_the_start_is_known_after_it() {
    let store = Arc::new(FakeStore::default());
    store.put(&token("a")).await.unwrap();
    let node = Follower::start(&store);
    assert!(!node.refuses("a"), "nothing is known before anything was read");
    assert_eq!(node.revocations.known(), Known::default());
    node.refused_after("a", Duration::from_millis(20)).await;
    assert!(node.revocations.known().following);
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_at_one_node_is_refused_at_another_at_once() {
    let store = Arc::new(FakeStore::default());
    let (here, there) = (Follower::start(&store), Follower::start(&store));
    wait(Duration::from_millis(300)).await;
    assert!(!there.refuses("a"));
    let readings = store.readings.load(Ordering::Relaxed);
    assert_eq!(here.revocations.revoke(token("a")).await, Ok(Revoked::Everywhere));
    assert!(here.refuses("a"), "here, before anything comes back");
    there.refused_after("a", Duration::from_millis(20)).await;
    assert_eq!(store.readings.load(Ordering::Relaxed), readings, "by the feed, not by reading");
}

#[tokio::test(start_paused = true)]
async fn what_the_feed_lost_is_known_within_two_intervals() {
    let store = Arc::new(FakeStore::default());
    let node = Follower::start(&store);
    wait(Duration::from_millis(300)).await;
    store.is(Away::Mute);
    store.put(&token("a")).await.unwrap();
    let took = node.refused_after("a", REREAD * 2).await;
    assert!(took > Duration::from_secs(1), "the feed lost nothing: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_known_holds_while_the_store_is_away_and_what_came_meanwhile_is_known_after() {
    for away in [Away::Refuses, Away::Hangs] {
        let store = Arc::new(FakeStore::default());
        let node = Follower::start(&store);
        store.put(&token("before")).await.unwrap();
        node.refused_after("before", Duration::from_millis(20)).await;
        store.is(away);
        wait(Duration::from_secs(60)).await;
        assert!(!node.revocations.known().following, "it is seen to be away");
        assert!(node.refuses("before"));
        // Put by another node on the other side of the cut.
        store.held.lock().insert("other".to_owned(), token("meanwhile"));
        wait(REREAD * 2).await;
        assert!(!node.refuses("meanwhile"));
        store.is(Away::No);
        node.refused_after("meanwhile", REREAD * 2).await;
        // And the feed is listened to again.
        wait(REREAD).await;
        store.put(&token("after")).await.unwrap();
        node.refused_after("after", Duration::from_millis(20)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_while_the_store_is_away_holds_here_at_once_and_everywhere_after() {
    let store = Arc::new(FakeStore::default());
    let (here, there) = (Follower::start(&store), Follower::start(&store));
    wait(Duration::from_millis(300)).await;
    for (away, jti) in [(Away::Refuses, "a"), (Away::Hangs, "b")] {
        store.is(away);
        let told = here.revocations.revoke(token(jti)).await;
        assert!(matches!(told, Ok(Revoked::HereOnly(_))), "{told:?}");
        assert!(here.refuses(jti));
        wait(Duration::from_secs(20)).await;
        assert!(!there.refuses(jti), "there is no way to know it there");
        store.is(Away::No);
        there.refused_after(jti, REREAD * 3).await;
    }
    assert!(here.revocations.untold.lock().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_that_the_store_never_takes_keeps_back_no_other() {
    let store = Arc::new(FakeStore::default());
    let (here, there) = (Follower::start(&store), Follower::start(&store));
    wait(Duration::from_millis(300)).await;
    store.is(Away::Refuses);
    for jti in ["a", NEVER_TAKEN, "b", "c"] {
        assert!(matches!(here.revocations.revoke(token(jti)).await, Ok(Revoked::HereOnly(_))));
    }
    store.is(Away::No);
    for jti in ["a", "b", "c"] {
        there.refused_after(jti, REREAD * 4).await;
    }
    assert!(here.refuses(NEVER_TAKEN) && !there.refuses(NEVER_TAKEN));
    assert!(here.revocations.known().following, "nothing is wrong with the reading");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_forgot_makes_nobody_forget() {
    let store = Arc::new(FakeStore::default());
    let node = Follower::start(&store);
    store.put(&token("a")).await.unwrap();
    node.refused_after("a", Duration::from_millis(20)).await;
    store.held.lock().clear();
    let readings = store.readings.load(Ordering::Relaxed);
    wait(REREAD * 3).await;
    assert!(store.readings.load(Ordering::Relaxed) >= readings + 2, "it was read again");
    assert!(node.refuses("a"));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_without_its_store_vouches_for_nobody_until_it_has_read_it() {
    let store = Arc::new(FakeStore::default());
    store.put(&token("a")).await.unwrap();
    store.is(Away::Refuses);
    for away in [Away::Refuses, Away::Hangs] {
        store.is(away);
        let node = Follower::start(&store);
        wait(Duration::from_secs(30)).await;
        let asked = node.runtime.now();
        assert!(!node.revocations.are_known().await);
        assert_eq!(node.runtime.now(), asked, "nobody is kept waiting for that");
        assert!(!node.refuses("a"));
        store.is(Away::No);
        node.refused_after("a", REREAD).await;
        assert!(node.revocations.are_known().await);
        // From then on it does without.
        store.is(away);
        wait(Duration::from_secs(60)).await;
        assert!(node.revocations.are_known().await && node.refuses("a"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_reading_is_waited_for_and_no_longer_than_an_interval() {
    let store = Arc::new(FakeStore::default());
    assert!(Follower::start(&store).revocations.are_known().await, "it was never asked before it had read");
    store.is(Away::Hangs);
    let node = Follower::start(&store);
    let started = node.runtime.now();
    assert!(!node.revocations.are_known().await);
    assert_eq!(node.runtime.now().saturating_since(started), REREAD);
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_the_node_and_is_told_by_its_next_life() {
    let (store, journal) = (Arc::new(FakeStore::default()), Arc::new(FakeJournal::default()));
    let (here, there) = (Follower::start_with(&store, Some(journal.clone())), Follower::start(&store));
    wait(Duration::from_millis(300)).await;
    store.is(Away::Refuses);
    for revocation in [token("a"), user("alice", EPOCH)] {
        assert!(matches!(here.revocations.revoke(revocation).await, Ok(Revoked::HereOnly(_))));
    }
    drop(here);
    let again = Follower::start_with(&store, Some(journal.clone()));
    assert!(again.refuses("a"), "before anything was read");
    assert_eq!(again.revocations.refuses(Some("x"), "alice", EPOCH), Some(Refusal::User));
    wait(Duration::from_secs(20)).await;
    assert_eq!(journal.kept.lock().len(), 2, "it is kept as long as nobody else has it");
    store.is(Away::No);
    there.refused_after("a", REREAD * 3).await;
    wait(REREAD).await;
    assert_eq!(there.revocations.refuses(Some("x"), "alice", EPOCH), Some(Refusal::User));
    assert!(journal.kept.lock().is_empty(), "all of it was told");
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_kept_is_not_acknowledged_and_holds_here_all_the_same() {
    let store = Arc::new(FakeStore::default());
    store.is(Away::Refuses);
    let full = Arc::new(FakeJournal::default());
    *full.full.lock() = true;
    for journal in [None, Some(full)] {
        let node = Follower::start_with(&store, journal);
        assert!(node.revocations.revoke(token("a")).await.is_err());
        assert!(node.refuses("a"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_fresh_login_is_accepted_and_one_of_the_same_second_is_not() {
    let store = Arc::new(FakeStore::default());
    let node = Follower::start(&store);
    node.revocations.revoke(user("alice", EPOCH)).await.unwrap();
    let refusal = |iat| node.revocations.refuses(Some("x"), "alice", iat);
    assert_eq!(refusal(EPOCH), Some(Refusal::User));
    assert_eq!(refusal(EPOCH + 1), None);
}

#[tokio::test(start_paused = true)]
async fn news_is_told_once_however_often_it_comes() {
    let store = Arc::new(FakeStore::default());
    let node = Follower::start(&store);
    node.revocations.revoke(user("alice", EPOCH)).await.unwrap();
    wait(REREAD * 5).await;
    assert!(store.readings.load(Ordering::Relaxed) >= 5);
    assert_eq!(node.news.load(Ordering::Relaxed), 1);
    assert_eq!(node.revocations.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_store_is_bounded() {
    let store = Arc::new(FakeStore::default());
    store.is(Away::Refuses);
    let node = Follower::start(&store);
    for n in 0..UNTOLD {
        node.revocations.revoke(token(&n.to_string())).await.unwrap();
    }
    assert!(node.revocations.revoke(token("one more")).await.is_err());
    assert!(node.refuses("one more"), "it holds here all the same");
}
