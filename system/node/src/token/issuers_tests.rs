//! How often anybody is asked, however many tokens come, and who is believed when answers come late.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::future::join_all;
use jsonwebtoken::jwk::JwkSet;

use super::*;
use crate::Settings;
use crate::testing::{ISSUER, KEY, OTHER_KEY, TestRuntime};

/// A registry and an identity provider that take their time.
struct Slow {
    takes: Mutex<Duration>,
    trusted: Mutex<bool>,
    readable: Mutex<bool>,
    published: Mutex<JwkSet>,
    entries_read: AtomicUsize,
    keys_read: AtomicUsize,
}

impl Slow {
    async fn take_time(&self) {
        let takes = *self.takes.lock();
        tokio::time::sleep(takes).await;
    }

    fn asked(&self) -> (usize, usize) {
        (self.entries_read.load(Ordering::Relaxed), self.keys_read.load(Ordering::Relaxed))
    }
}

#[async_trait]
impl IssuerRegistry for Slow {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        self.entries_read.fetch_add(1, Ordering::Relaxed);
        // The answer is what was so when the question came.
        let (trusted, readable) = (*self.trusted.lock(), *self.readable.lock());
        self.take_time().await;
        if !readable {
            return Err(StoreError::Unavailable("unreadable".to_owned()));
        }
        Ok(trusted.then(|| TrustedIssuer {
            issuer: issuer.to_owned(),
            tenant: "USA".to_owned(),
            keys_url: None,
            claim_map: None,
        }))
    }
}

#[async_trait]
impl IdentityProvider for Slow {
    async fn keys(&self, _: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        self.keys_read.fetch_add(1, Ordering::Relaxed);
        let published = self.published.lock().clone();
        self.take_time().await;
        Ok(published)
    }
}

fn bed() -> (Arc<Slow>, Issuers) {
    bed_with(&Settings::default())
}

fn bed_with(settings: &Settings) -> (Arc<Slow>, Issuers) {
    let slow = Arc::new(Slow {
        takes: Mutex::new(Duration::from_secs(1)),
        trusted: Mutex::new(true),
        readable: Mutex::new(true),
        published: Mutex::new(JwkSet { keys: vec![KEY.public.clone()] }),
        entries_read: AtomicUsize::new(0),
        keys_read: AtomicUsize::new(0),
    });
    (Arc::clone(&slow), Issuers::new(&settings.token, slow.clone(), slow, TestRuntime::new()))
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_under_a_storm_asks_once_for_the_entry_and_once_for_the_keys() {
    let (slow, issuers) = bed();
    let all = join_all((0..1000).map(|_| issuers.key(ISSUER, "key-1"))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(slow.asked(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_unknown_keys_asks_once_an_interval_and_holds_nobody_else_up() {
    let (slow, issuers) = bed();
    assert!(issuers.key(ISSUER, "key-1").await.is_ok());
    seconds(30).await;
    let began = issuers.reader.runtime.now();
    for round in 0..10 {
        let made_up: Vec<String> = (0..500).map(|number| format!("made-up-{round}-{number}")).collect();
        let storm = join_all(made_up.iter().map(|kid| issuers.key(ISSUER, kid)));
        let known = async {
            let before = issuers.reader.runtime.now();
            let known = issuers.key(ISSUER, "key-1").await;
            (known.is_ok(), issuers.reader.runtime.now().saturating_since(before))
        };
        let (storm, (known, waited)) = futures_util::join!(storm, known);
        assert!(storm.iter().all(|key| matches!(key, Err(TokenError::Key))));
        assert!(known && waited <= Duration::from_secs(1), "{waited:?}");
        seconds(6).await;
    }
    let intervals = issuers.reader.runtime.now().saturating_since(began).as_secs() / 30;
    let (_, keys_read) = slow.asked();
    let for_the_storm = keys_read as u64 - 1;
    assert!((intervals..=intervals + 1).contains(&for_the_storm), "{for_the_storm} in {intervals} intervals");
    assert!(intervals >= 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_new_key_gets_it_from_the_one_question() {
    let (slow, issuers) = bed();
    assert!(issuers.key(ISSUER, "key-1").await.is_ok());
    slow.published.lock().keys.push(OTHER_KEY.public.clone());
    seconds(30).await;
    let all = join_all((0..100).map(|_| issuers.key(ISSUER, "key-2"))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(slow.asked().1, 2);
}

#[tokio::test(start_paused = true)]
async fn while_the_set_cannot_be_read_what_is_known_is_asked_about_once_a_second() {
    let (slow, issuers) = bed();
    assert!(issuers.key(ISSUER, "key-1").await.is_ok());
    seconds(30).await;
    *slow.readable.lock() = false;
    *slow.takes.lock() = Duration::ZERO;
    for _ in 0..100 {
        assert!(issuers.key(ISSUER, "key-1").await.is_ok(), "it was read before");
        assert!(matches!(issuers.key("https://unknown", "key-1").await, Err(TokenError::Issuer)));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (entries_read, _) = slow.asked();
    // One at the start, a hundred for the unknown one, and ten seconds of the known one.
    assert!((110..=112).contains(&entries_read), "{entries_read}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_come_late_do_not_bring_back_an_issuer_that_is_trusted_no_more() {
    let (slow, issuers) = bed_with(&Settings::default().with("token.key_refetch", "10s").unwrap());
    *slow.takes.lock() = Duration::ZERO;
    assert!(issuers.key(ISSUER, "key-1").await.is_ok());
    seconds(29).await;
    // Its keys are asked for at 29 s and come at 31 s; its entry is read again at 30 s.
    *slow.takes.lock() = Duration::from_secs(2);
    let late = issuers.key(ISSUER, "made-up");
    let removed = async {
        seconds(1).await;
        *slow.trusted.lock() = false;
        *slow.takes.lock() = Duration::from_millis(10);
        issuers.key(ISSUER, "key-1").await.map(drop)
    };
    let (late, removed) = futures_util::join!(late, removed);
    assert_eq!(removed, Err(TokenError::Issuer));
    assert_eq!(late.map(drop), Err(TokenError::Issuer));
    assert_eq!(slow.asked(), (2, 2), "both were under way at once");
    assert!(issuers.reader.known(ISSUER).is_none(), "nothing brought it back");
}
