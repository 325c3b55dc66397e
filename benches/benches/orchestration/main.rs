//! What keeping a deployment's state costs: its lock, its log of states, and the check of what contenders saw.
//!
//! The stores take turns in one run, each over its own connections as the `dive` command has them: SQLite in a
//! file (write-ahead log, every commit synced), PostgreSQL when there is one, and the store in memory, which is
//! what the decisions alone cost. PostgreSQL is the database whose URL is in `BENCH_POSTGRES`; it is migrated
//! and written to.
//!
//! | bench | a turn |
//! |---|---|
//! | `lock acquired`, `lock released` | one transaction of a client that nobody contends with |
//! | `lock handed on` | five clients that each hold it once, asking again as long as it is taken; by their number |
//! | `transition` | a state change appended to the log, under a live lock |
//! | `history` | 5,000 calls of five contenders checked for linearizability; the same with one answer wrong |

mod history;
mod stores;

use std::time::Duration;

use benches::race::{Race, brief, micros, race, timed};
use benches::summary::{Goal, seen, summary};
use criterion::{Criterion, criterion_group, criterion_main};
use dive_orchestrator::{DeploymentState, Holder, Instance, Lease, Store, StoreError};
use futures_util::future::{BoxFuture, FutureExt as _, join_all};

use history::{CALLS, History};
use stores::kinds;

/// The goal for taking a lock on PostgreSQL on this machine.
const GOAL: Duration = Duration::from_millis(2);
/// Clients that want one lock at once.
const CONTENDERS: u32 = 5;

const RIGHT: &str = "every answer right";
const WRONG: &str = "one answer wrong";

fn by() -> Holder {
    Holder { host: "bench".to_owned(), pid: std::process::id() }
}

/// Tells the median of a race's every contestant.
fn tell(race: Option<&Race<'_>>, what: &str, goal: impl Fn(&str) -> Goal) {
    for standing in race.iter().flat_map(|race| race.standings()) {
        seen(&format!("{what}: {}", standing.name), micros(standing.p50), "µs", goal(standing.name));
    }
}

/// A race between the stores: `turn` says how long what matters took.
fn between_stores(
    criterion: &mut Criterion,
    name: &str,
    turn: impl AsyncFn(&dyn Store) -> Duration + Copy + 'static,
) -> Option<Race<'static>> {
    race(criterion, name, || {
        kinds().into_iter().fold(Race::new(), |race, kind| {
            let (runtime, store) = (stores::runtime(), kind.connect());
            runtime.block_on(store.migrate()).expect("the store can be written");
            race.with_timed(kind.name(), move || {
                let _lives = &kind;
                runtime.block_on(turn(&*store))
            })
        })
    })
}

/// How long `work` takes until it is done; what came of it.
#[expect(clippy::disallowed_methods, reason = "benches measure real time")]
async fn clocked<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = std::time::Instant::now();
    let came = work.await;
    (began.elapsed(), came)
}

async fn acquired(store: &dyn Store) -> Lease {
    store.acquire(&Instance::Hub, &by()).await.expect("nobody else wants it")
}

fn lock(criterion: &mut Criterion) {
    let raced = between_stores(criterion, "orchestration/lock acquired", async |store| {
        let (took, lease) = clocked(acquired(store)).await;
        store.release(&lease).await.expect("it is given back");
        took
    });
    tell(raced.as_ref(), "deployment lock acquired", |store| {
        if store == stores::POSTGRES { Goal::Under(micros(GOAL)) } else { Goal::None }
    });
    let raced = between_stores(criterion, "orchestration/lock released", async |store| {
        let lease = acquired(store).await;
        let (took, released) = clocked(store.release(&lease)).await;
        released.expect("it is given back");
        took
    });
    tell(raced.as_ref(), "deployment lock released", |_| Goal::None);
}

/// Holds the lock once, as soon as it can be had.
fn once(store: &dyn Store) -> BoxFuture<'_, ()> {
    async {
        let lease = loop {
            match store.acquire(&Instance::Hub, &by()).await {
                Ok(lease) => break lease,
                Err(StoreError::Contended { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        };
        store.release(&lease).await.expect("it is given back");
    }
    .boxed()
}

fn contention(criterion: &mut Criterion) {
    let raced = race(criterion, "orchestration/lock handed on", || {
        // In memory nobody ever meets another: a call is over before the next begins.
        let shared = kinds().into_iter().filter(|kind| kind.name() != stores::MEMORY);
        shared.fold(Race::new(), |race, kind| {
            let runtime = stores::runtime();
            let contenders: Vec<_> = (0..CONTENDERS).map(|_| kind.connect()).collect();
            runtime.block_on(contenders[0].migrate()).expect("the store can be written");
            race.with_timed(kind.name(), move || {
                let _lives = &kind;
                let all = join_all(contenders.iter().map(|store| once(&**store)));
                timed(|| runtime.block_on(all)) / CONTENDERS
            })
        })
    });
    tell(raced.as_ref(), "deployment lock acquired and released, one of five contenders", |_| Goal::None);
}

fn transition(criterion: &mut Criterion) {
    let raced = race(criterion, "orchestration/transition", || {
        kinds().into_iter().fold(Race::new(), |race, kind| {
            let (runtime, store) = (stores::runtime(), kind.connect());
            let (lease, mut from) = runtime.block_on(async {
                store.migrate().await.expect("the store can be written");
                let state = store.state(&Instance::Hub).await.expect("it can be read");
                (acquired(&*store).await, state)
            });
            race.with_timed(kind.name(), move || {
                let _lives = &kind;
                runtime.block_on(async {
                    // A race may last longer than a lease.
                    store.renew(&lease).await.expect("nobody else wants it");
                    let to = next(from);
                    let (took, changed) = clocked(store.transition(&lease, from, to, "bench")).await;
                    from = changed.expect("it may follow").to;
                    took
                })
            })
        })
    });
    tell(raced.as_ref(), "a state appended to the log", |_| Goal::None);
}

/// The way of deployments that nothing happens to, around and around.
fn next(from: DeploymentState) -> DeploymentState {
    *from.successors().first().expect("no state is a dead end")
}

fn history(criterion: &mut Criterion) {
    let raced = race(criterion, "orchestration/history", || {
        let right = History::of(CONTENDERS.into());
        assert_eq!(right.calls(), CALLS);
        let wrong = right.clone().spoiled();
        Race::new()
            .with(RIGHT, move || assert!(right.is_linearizable()))
            .with(WRONG, move || assert!(!wrong.is_linearizable()))
    });
    for standing in raced.iter().flat_map(Race::standings) {
        let what = format!("history of 5,000 calls checked, {}", standing.name);
        seen(&what, micros(standing.p50) / 1e3, "ms", Goal::Under(1_000.0));
    }
}

criterion_group!(name = benches; config = brief(); targets = lock, contention, transition, history, summary);
criterion_main!(benches);
