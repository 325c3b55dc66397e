use std::net::Ipv4Addr;

use dive_runtime::{Runtime as _, TokioRuntime};
use proptest::prelude::*;
use tokio::net::TcpListener;

use super::super::testing::{Arm, client};
use super::super::{RedisDecisions, RedisProbe};
use super::*;
use crate::ports::{DecisionKey, DecisionStore as _, Probe as _};

/// Long enough for a machine that is busy with other tests.
const PATIENT: Duration = Duration::from_secs(5);

const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

fn runtime() -> Arc<TokioRuntime> {
    Arc::new(TokioRuntime::new())
}

fn revocations(link: Arc<dyn RedisLink>) -> RedisRevocations {
    RedisRevocations::new(link, MOST, runtime())
}

fn seconds_from_now(seconds: u64) -> Wall {
    Wall::from_epoch(runtime().wall().since_epoch() + Duration::from_secs(seconds))
}

fn token(jti: &str, seconds: u64) -> Revocation {
    Revocation::Token { jti: jti.to_owned(), until: seconds_from_now(seconds) }
}

fn user(unique_id: &str, issued_until: i64, seconds: u64) -> Revocation {
    Revocation::User { unique_id: unique_id.to_owned(), issued_until, until: seconds_from_now(seconds) }
}

/// Kind, name, cutoff and the seconds left, rounded to tens.
fn shown(found: &[Revocation]) -> Vec<(String, Option<i64>, u64)> {
    let now = runtime().wall().since_epoch();
    let tens = |until: &Wall| (until.since_epoch().saturating_sub(now).as_secs() + 5) / 10 * 10;
    let mut shown: Vec<_> = found
        .iter()
        .map(|revocation| match revocation {
            Revocation::Token { jti, until } => (format!("token {jti}"), None, tens(until)),
            Revocation::User { unique_id, issued_until, until } => {
                (format!("user {unique_id}"), Some(*issued_until), tens(until))
            }
        })
        .collect();
    shown.sort();
    shown
}

#[tokio::test]
async fn a_later_shorter_revocation_never_shortens() {
    for arm in Arm::all().await {
        let store = revocations(arm.client(PATIENT));
        for revocation in [token("a", 100), token("a", 50), token("b", 50), token("b", 100)] {
            store.put(&revocation).await.unwrap();
        }
        for revocation in [user("x", 20, 100), user("x", 10, 50), user("y", 10, 50), user("y", 20, 100)] {
            store.put(&revocation).await.unwrap();
        }
        let expected = [
            ("token a".to_owned(), None, 100),
            ("token b".to_owned(), None, 100),
            ("user x".to_owned(), Some(20), 100),
            ("user y".to_owned(), Some(20), 100),
        ];
        assert_eq!(shown(&store.all().await.unwrap()), expected, "{}", arm.name);
    }
}

/// A link on which whatever is put is put over what is there, as a store without conditions would have it.
struct Overwriting(Arc<dyn RedisLink>);

#[async_trait]
impl RedisLink for Overwriting {
    async fn pipeline(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError> {
        self.0.pipeline(commands).await
    }

    async fn transaction(&self, commands: &[Command]) -> Result<Vec<Answer>, StoreError> {
        let condition = |word: &Vec<u8>| [&b"NX"[..], b"GT"].contains(&word.as_slice());
        let bare: Vec<Command> = commands
            .iter()
            .map(|words| words.iter().filter(|word| !condition(word)).cloned().collect())
            .collect();
        self.0.transaction(&bare).await
    }

    async fn subscribe(&self, channel: &str) -> Result<Box<dyn Subscription>, StoreError> {
        self.0.subscribe(channel).await
    }

    async fn ping_afresh(&self) -> Result<(), StoreError> {
        self.0.ping_afresh().await
    }
}

#[tokio::test]
async fn a_store_in_which_the_shorter_revocation_wins_is_seen() {
    for (faulty, ends, cutoff) in [(false, 100, 20), (true, 50, 10)] {
        let arm = Arm::stand_in((Ipv4Addr::LOCALHOST, 0).into()).await;
        let link = arm.client(PATIENT);
        let link = if faulty { Arc::new(Overwriting(link)) as Arc<dyn RedisLink> } else { link };
        let store = revocations(link);
        for revocation in [token("a", 100), token("a", 50), user("x", 20, 100), user("x", 10, 50)] {
            store.put(&revocation).await.unwrap();
        }
        let expected = [("token a".to_owned(), None, ends), ("user x".to_owned(), Some(cutoff), ends)];
        assert_eq!(shown(&store.all().await.unwrap()), expected);
    }
}

#[tokio::test]
async fn two_nodes_at_once_leave_the_greatest_of_both() {
    for arm in Arm::all().await {
        let (one, two) = (revocations(arm.client(PATIENT)), revocations(arm.client(PATIENT)));
        for round in 0..20 {
            let name = format!("u{round}");
            let (low, high) = (user(&name, 10, 200), user(&name, 20, 100));
            let (first, second) = tokio::join!(one.put(&low), two.put(&high));
            first.and(second).unwrap();
        }
        for (_, issued_until, left) in shown(&one.all().await.unwrap()) {
            assert_eq!((issued_until, left), (Some(20), 200), "{}", arm.name);
        }
    }
}

#[tokio::test]
async fn a_revocation_ends_and_begins_anew_in_the_place_of_one_that_ended() {
    for arm in Arm::all().await {
        let store = revocations(arm.client(PATIENT));
        let soon = Wall::from_epoch(runtime().wall().since_epoch() + Duration::from_secs(1));
        for revocation in [
            Revocation::Token { jti: "a".to_owned(), until: soon },
            Revocation::User { unique_id: "x".to_owned(), issued_until: 99, until: soon },
        ] {
            store.put(&revocation).await.unwrap();
        }
        // Put again and again, so that some come just as the first ones end.
        let mut rounds = 0;
        let over = Wall::from_epoch(soon.since_epoch() + Duration::from_millis(20));
        while runtime().wall() < over || rounds < 4 {
            rounds += 1;
            store.put(&token("a", 100)).await.unwrap();
            store.put(&user("x", 5, 100)).await.unwrap();
        }
        let found = shown(&store.all().await.unwrap());
        assert_eq!(found.len(), 2, "{}: {found:?}", arm.name);
        assert!(found.iter().all(|(_, _, left)| *left == 100), "{}: {found:?}", arm.name);
        // What is over before it begins is not kept.
        store.put(&Revocation::Token { jti: "late".to_owned(), until: soon }).await.unwrap();
        assert_eq!(store.all().await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn whoever_listens_is_told() {
    for arm in Arm::all().await {
        let (writer, reader) = (revocations(arm.client(PATIENT)), revocations(arm.client(PATIENT)));
        let mut feed = reader.feed().await.unwrap();
        let junk = command([b"PUBLISH", CHANNEL.as_bytes(), b"token soon a"]);
        arm.client(PATIENT).pipeline(&[junk]).await.unwrap();
        for revocation in [token("a b", 100), user("x", 7, 100)] {
            writer.put(&revocation).await.unwrap();
            let told = tokio::time::timeout(PATIENT, feed.next()).await.expect("in time").unwrap();
            assert_eq!(shown(&[told]), shown(&[revocation]), "{}", arm.name);
        }
    }
}

#[tokio::test]
async fn a_feed_ends_when_its_redis_does() {
    let arm = Arm::stand_in((Ipv4Addr::LOCALHOST, 0).into()).await;
    let store = revocations(arm.client(PATIENT));
    let mut feed = store.feed().await.unwrap();
    arm.end().await;
    assert!(tokio::time::timeout(PATIENT, feed.next()).await.expect("it is noticed").is_err());
    assert!(store.feed().await.is_err());
}

#[tokio::test]
async fn what_cannot_be_read_as_a_time_refuses_every_token_and_other_keys_do_no_harm() {
    for arm in Arm::all().await {
        let link = arm.client(PATIENT);
        let others = [
            command([b"SET", b"user-revoked:x", b"soon", b"EX", b"100"]),
            command([b"SET", b"blacklist:endless", b"1"]),
            command([b"SET", b"decision:aa:01", b"x"]),
            command([b"SET", b"blacklis", b"x"]),
        ];
        link.pipeline(&others).await.unwrap();
        let store = revocations(link);
        let found = shown(&store.all().await.unwrap());
        assert_eq!(found[0].0, "token endless");
        assert!(found[0].2 > 300_000_000, "{}", arm.name);
        assert_eq!(found[1], ("user x".to_owned(), Some(i64::MAX), 100), "{}", arm.name);
        assert_eq!(found.len(), 2);
        assert!(store.put(&user("x", 7, 100)).await.is_err(), "{}: not known to be kept", arm.name);
    }
}

#[tokio::test]
async fn more_than_may_be_is_no_reading() {
    for arm in Arm::all().await {
        let link = arm.client(PATIENT);
        let puts: Vec<Command> = (0..3000)
            .map(|n| command([b"SET", format!("blacklist:{n}").as_bytes(), b"1", b"EX", b"100"]))
            .collect();
        link.pipeline(&puts).await.unwrap();
        assert_eq!(revocations(link.clone()).all().await.unwrap().len(), 3000, "{}", arm.name);
        let few = RedisRevocations::new(link, NonZeroUsize::new(2999).unwrap(), runtime());
        assert!(few.all().await.is_err(), "{}", arm.name);
    }
}

#[tokio::test]
async fn a_client_finds_its_redis_again() {
    let arm = Arm::stand_in((Ipv4Addr::LOCALHOST, 0).into()).await;
    let at = arm.at;
    let link = arm.client(PATIENT);
    let (store, probe) = (revocations(link.clone()), RedisProbe(link));
    store.put(&token("a", 100)).await.unwrap();
    assert_eq!(probe.check().await, Ok(()));
    arm.end().await;
    let before = runtime().now();
    assert!(store.put(&token("b", 100)).await.is_err());
    assert!(probe.check().await.is_err());
    assert!(runtime().now().saturating_since(before) < PATIENT, "a refusal is no timeout");

    // What the client tries by itself meanwhile comes to nothing.
    let closing = TcpListener::bind(at).await.unwrap();
    let close =
        async { drop(tokio::time::timeout(PATIENT, closing.accept()).await.expect("it tries").unwrap()) };
    assert!(tokio::join!(probe.check(), close).0.is_err());
    tokio::task::yield_now().await;
    drop(closing);

    let again = Arm::stand_in(at).await;
    assert_eq!(probe.check().await, Ok(()), "what was tried while it was away is no answer");
    store.put(&token("c", 100)).await.unwrap();
    assert_eq!(shown(&store.all().await.unwrap()).len(), 1);
    drop(again);
}

#[tokio::test]
async fn a_redis_that_does_not_answer_costs_no_more_than_the_timeout() {
    // It accepts and says nothing, like one that is paused.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let limit = Duration::from_millis(100);
    let link = client(silent.local_addr().unwrap(), limit);
    let clock = runtime();
    for n in 0..4 {
        let before = clock.now();
        let failed = match n {
            0 => revocations(link.clone()).put(&token("a", 100)).await.is_err(),
            1 => revocations(link.clone()).feed().await.is_err(),
            2 => RedisProbe(link.clone()).check().await.is_err(),
            _ => {
                let name = DecisionKey { subject: "aa".to_owned(), question: "01".to_owned() };
                RedisDecisions(link.clone()).get(&name).await.is_err()
            }
        };
        let took = clock.now().saturating_since(before);
        assert!(failed, "{n}");
        assert!(took >= limit && took < PATIENT, "{n}: {took:?}");
    }
}

#[tokio::test]
async fn a_connection_that_fell_silent_is_not_waited_for_once_there_is_a_way_again() {
    let arm = Arm::stand_in((Ipv4Addr::LOCALHOST, 0).into()).await;
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let link = client(door.local_addr().unwrap(), Duration::from_millis(100));
    let silent = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (is_silent, at) = (Arc::clone(&silent), arm.at);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = door.accept().await {
            if is_silent.load(std::sync::atomic::Ordering::SeqCst) {
                // For ever: a black hole does not tell that it has healed.
                held.push(socket);
            } else {
                tokio::spawn(async move {
                    let mut redis = tokio::net::TcpStream::connect(at).await.unwrap();
                    tokio::io::copy_bidirectional(&mut socket, &mut redis).await.unwrap_or_default();
                });
            }
        }
    });
    let store = revocations(link);
    for _ in 0..3 {
        assert!(store.put(&token("a", 100)).await.is_err());
    }
    silent.store(false, std::sync::atomic::Ordering::SeqCst);
    let mut tries = 0;
    while store.put(&token("b", 100)).await.is_err() {
        tries += 1;
        assert!(tries < 20, "it goes on waiting for the silent connection");
    }
    assert_eq!(revocations(arm.client(PATIENT)).all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn nothing_of_the_url_is_told() {
    let arm = Arm::stand_in((Ipv4Addr::LOCALHOST, 0).into()).await;
    let mut settings = crate::Settings::default().redis.clone();
    settings.url = format!("redis://me:hidden@{}", arm.at);
    let link = super::super::RedisClient::new(&settings, None, runtime()).unwrap();
    assert!(!format!("{link:?}{settings:?}").contains("hidden"));
    let refused = link.pipeline(&[command([b"PING"])]).await.unwrap_err();
    assert!(!refused.to_string().contains("hidden"), "{refused}");
    settings.url = "redis://me:hidden@host:notaport".to_owned();
    let refused = super::super::RedisClient::new(&settings, None, runtime()).unwrap_err();
    assert!(!refused.to_string().contains("hidden"), "{refused}");
}

proptest! {
    #[test]
    fn what_is_published_is_what_is_read(name in ".*", issued_until in 0..i64::MAX, millis in 0..1_u64 << 45) {
        let until = Wall::from_epoch(Duration::from_millis(millis));
        for revocation in [
            Revocation::Token { jti: name.clone(), until },
            Revocation::User { unique_id: name.clone(), issued_until, until },
        ] {
            prop_assert_eq!(read_message(message(&revocation).as_bytes()), Some(revocation));
        }
    }

    #[test]
    fn any_bytes_may_be_published(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = read_message(&bytes);
    }
}
