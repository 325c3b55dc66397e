//! Two nodes and the store between them over sockets: the follower and the adapter together, in real time.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;

use dive_runtime::{Runtime as _, TokioRuntime};

use super::*;
use crate::Settings;
use crate::adapters::redis::RedisRevocations;
use crate::adapters::redis::testing::{Arm, client};
use crate::testing::FakeJournal;

const REREAD: Duration = Duration::from_millis(200);

/// What a busy machine may need beyond that.
const PATIENCE: Duration = Duration::from_secs(10);

fn node(at: std::net::SocketAddr, reread: Duration) -> (Arc<Revocations>, Arc<TokioRuntime>) {
    let runtime = Arc::new(TokioRuntime::new());
    let link = client(at, Duration::from_secs(1));
    let most = NonZeroUsize::new(1000).unwrap();
    let store = Arc::new(RedisRevocations::new(link, most, runtime.clone()));
    let settings = RevocationSettings { reread, ..Settings::default().revocation.clone() };
    let revocations = Arc::new(Revocations::new(
        store,
        Some(Arc::new(FakeJournal::default())),
        &settings,
        runtime.clone(),
        Box::new(|_| ()),
    ));
    let following = Arc::clone(&revocations);
    runtime.spawn("revocations", Box::pin(async move { following.follow().await }));
    (revocations, runtime)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

fn token(jti: &str) -> Revocation {
    let now = TokioRuntime::new().wall().since_epoch();
    Revocation::Token { jti: jti.to_owned(), until: Wall::from_epoch(now + Duration::from_secs(600)) }
}

fn refuses(node: &Revocations, jti: &str) -> bool {
    node.refuses(Some(jti), "nobody", 0) == Some(Refusal::Token)
}

#[tokio::test]
async fn what_is_revoked_at_one_node_is_refused_at_the_other_through_either_redis() {
    for arm in Arm::all().await {
        // Nothing is read again: whoever refuses it was told.
        let ((one, _one), (other, _other)) = (node(arm.at, PATIENCE), node(arm.at, PATIENCE));
        until("both follow", || one.known().following && other.known().following).await;
        assert!(!refuses(&other, "a"));
        assert_eq!(one.revoke(token("a")).await, Ok(Revoked::Everywhere), "{}", arm.name);
        until("refused at the other", || refuses(&other, "a")).await;
        let (late, _late) = node(arm.at, PATIENCE);
        until("refused at one that starts later", || refuses(&late, "a")).await;
    }
}

#[tokio::test]
async fn a_redis_that_went_and_came_back_loses_nothing_that_was_revoked_meanwhile() {
    // Nobody else gets its place while it is away.
    let place = tokio::net::TcpSocket::new_v4().unwrap();
    place.set_reuseaddr(true).unwrap();
    place.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let arm = Arm::stand_in(place.local_addr().unwrap()).await;
    let at = arm.at;
    let ((one, _one), (other, _other)) = (node(at, REREAD), node(at, REREAD));
    one.revoke(token("before")).await.unwrap();
    until("refused at the other", || refuses(&other, "before")).await;
    arm.end().await;
    until("seen to be gone", || !one.known().following && !other.known().following).await;
    assert!(refuses(&one, "before") && refuses(&other, "before"));
    assert!(matches!(one.revoke(token("meanwhile")).await, Ok(Revoked::HereOnly(_))));
    assert!(refuses(&one, "meanwhile") && !refuses(&other, "meanwhile"));

    let _again = Arm::stand_in(at).await;
    until("told when it is back", || refuses(&other, "meanwhile")).await;
    assert!(refuses(&other, "before"), "though this Redis has never heard of it");
}
