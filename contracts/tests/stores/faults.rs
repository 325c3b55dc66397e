//! The way to PostgreSQL cut, and swallowed, in the middle of the work: who lost the lock never writes again,
//! and every refusal is an error with its code.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{DeploymentState, FencingToken, Instance, Lease, Store, StoreError};
use harness_proxy::{Cut, Proxy, Toxic};

use crate::arms::Postgres;
use crate::hub;
use crate::schema::refused;

use DeploymentState::{Deploying, Failed, Initializing, Unknown};

/// Tries until it succeeds, at most for `within`.
pub(crate) async fn eventually<T, F>(within: Duration, mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    let attempts = async {
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(within, attempts).await.expect("in time")
}

fn edge(server: &str) -> (Proxy, String) {
    let upstream = server.rsplit('@').next().unwrap();
    let edge = Proxy::listen("postgres", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), upstream, 1).unwrap();
    let through = server.replace(upstream, &edge.addr().to_string());
    (edge, through)
}

/// A holder behind the edge that has begun to work, and a contender that reaches the server directly.
async fn holder(arm: &Postgres, through: &str, patience: Duration) -> (SqlStore, Lease) {
    arm.store().migrate().await.unwrap();
    let database = arm.url().rsplit('/').next().unwrap().to_owned();
    let store = SqlStore::postgres(&format!("{through}/{database}")).unwrap().patience(patience);
    let lease = store.acquire(&Instance::Hub, &hub()).await.unwrap();
    store.transition(&lease, Unknown, Initializing, "begun").await.unwrap();
    (store, lease)
}

/// What the contender does once the lock is free; the holder that lost it never writes again.
pub(crate) async fn takes_over(contender: &SqlStore, within: Duration, old: (&SqlStore, &Lease)) {
    let by = hub();
    let lease = eventually(within, || contender.acquire(&Instance::Hub, &by)).await;
    assert!(lease.token > old.1.token && old.1.token >= FencingToken::FIRST);
    contender.transition(&lease, Initializing, Failed, "its holder is gone").await.unwrap();
    let before = contender.history(&Instance::Hub).await.unwrap();
    for _ in 0..3 {
        let late = old.0.transition(old.1, Failed, Deploying, "as if nothing had happened").await;
        assert!(matches!(late, Err(StoreError::LockLost { .. })), "{late:?}");
    }
    assert!(matches!(old.0.renew(old.1).await, Err(StoreError::LockLost { .. })));
    assert_eq!(contender.history(&Instance::Hub).await.unwrap(), before);
}

pub(crate) async fn a_cut_connection_frees_the_lock_at_once(server: String) {
    let arm = Postgres::create(&server, "cut").await;
    let (edge, through) = edge(&server);
    let (store, lease) = holder(&arm, &through, Duration::from_secs(2)).await;
    let contender = arm.store();
    let contended = contender.acquire(&Instance::Hub, &hub()).await;
    assert!(matches!(contended, Err(StoreError::Contended { .. })), "{contended:?}");

    edge.refuse(true).unwrap();
    assert!(edge.cut(Cut::Rst) > 0, "there was something to cut");
    refused(store.renew(&lease).await);
    refused(store.transition(&lease, Initializing, Deploying, "unprotected").await);
    edge.refuse(false).unwrap();
    // Much sooner than its lease would have been over.
    takes_over(&contender, Duration::from_secs(5), (&store, &lease)).await;
    arm.remove().await;
}

pub(crate) async fn a_swallowed_answer_is_no_permission(server: String) {
    let arm = Postgres::create(&server, "swallowed").await;
    let (edge, through) = edge(&server);
    let (store, lease) = holder(&arm, &through, Duration::from_secs(3)).await;
    let hole = edge.hold(Toxic::black_hole()).unwrap();
    let late = refused(store.transition(&lease, Initializing, Deploying, "into the hole").await);
    assert!(matches!(late, StoreError::Unavailable { .. }), "{late:?}");
    refused(store.renew(&lease).await);
    assert_eq!(arm.store().state(&Instance::Hub).await, Ok(Initializing), "it was not written");
    // What is still on its way is lost with the connection.
    edge.cut(Cut::Rst);
    drop(hole);
    takes_over(&arm.store(), Duration::from_secs(5), (&store, &lease)).await;
    arm.remove().await;
}

/// How many writes were accepted, and how many were not.
#[derive(Default)]
struct Counts {
    written: AtomicU64,
    refused: AtomicU64,
}

/// Takes the lock again and again, and goes on writing with whatever it holds.
async fn work(store: SqlStore, counts: Arc<Counts>) {
    loop {
        let Ok(lease) = store.acquire(&Instance::Hub, &hub()).await else {
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        };
        for _ in 0..5 {
            let Ok(state) = store.state(&Instance::Hub).await else { continue };
            let moved = store.transition(&lease, state, state.successors()[0], "on").await;
            let count = if moved.is_ok() { &counts.written } else { &counts.refused };
            count.fetch_add(1, Ordering::Relaxed);
        }
        let _ = store.release(&lease).await;
    }
}

/// Every connection is ended by the server in the middle of many writers' work: what is in the log afterwards
/// is a legal log, each entry under a token no smaller than the one before.
pub(crate) async fn ended_in_the_middle_the_log_stays_legal(server: String) {
    let mut arm = Postgres::create(&server, "ended").await;
    arm.store().migrate().await.unwrap();
    let counts = Arc::new(Counts::default());
    let workers: Vec<_> = (0..4).map(|_| tokio::spawn(work(arm.store(), Arc::clone(&counts)))).collect();
    let enough = async {
        let mut ended = 0;
        while ended < 10 || counts.refused.load(Ordering::Relaxed) == 0 {
            let before = counts.written.load(Ordering::Relaxed);
            while counts.written.load(Ordering::Relaxed) == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            arm.terminate().await;
            ended += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), enough).await.expect("holders are hit");
    for worker in workers {
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
    }
    let log = arm.store().history(&Instance::Hub).await.unwrap();
    assert!(log.len() >= 10, "{}", log.len());
    for pair in log.windows(2) {
        assert_eq!((pair[0].to, pair[0].seq + 1), (pair[1].from, pair[1].seq));
        assert!(pair[0].to.may_become(pair[1].to) && pair[0].token <= pair[1].token);
    }
    arm.remove().await;
}
