//! What really concurrent contenders saw, checked afterwards from their logs alone.
//!
//! Threads fight over one lock; each logs what it asked, when, and what it was told, on one shared counter as
//! the clock. Their connections are cut at random, so they go on with leases they no longer have. The logs
//! are then checked for linearizability (of lock and state together), mutual exclusion and fencing. That the
//! checks see anything at all is shown by contenders that log a cut they did not make.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dive_orchestrator::state::Refused;
use dive_orchestrator::{DeploymentState, Holder, Instance, StoreError};
use futures_util::future::BoxFuture;
use harness_core::checkers::{Answer, Call, Grant, Model, Stay, Write, exclusive, fenced, linearizable};

use crate::arms::Client;

/// Makes a client; first ends the one given, as a crash would, until the database has noticed.
pub(crate) type Connect<'a> = &'a (dyn Fn(Option<Client>) -> BoxFuture<'static, Client> + Sync);

/// How long, in real time, one that has the lock waits for another to ask for it. They all begin at once, and asking
/// is one call: only a store that lets nobody be refused, or a contender that died, makes it this long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Acquire,
    Release(u64),
    /// Closes the caller's connection, and with it its lock.
    Cut(u64),
    Move {
        token: u64,
        from: DeploymentState,
        to: DeploymentState,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Token(u64),
    Contended(u64),
    Done,
    Lost,
    Overtaken(DeploymentState),
}

/// Lock and state of one instance, one call after the other.
struct Sequential;

/// The token of the live holding, how many were given out, the state.
type Remembered = (Option<u64>, u64, DeploymentState);

impl Model for Sequential {
    type Input = Ask;
    type Output = Said;
    type Key = ();
    type State = Remembered;

    fn key(&self, _: &Ask) {}

    fn start(&self, (): &()) -> Remembered {
        (None, 0, DeploymentState::Unknown)
    }

    fn step(&self, (held, given, state): &Remembered, ask: &Ask, said: Option<&Said>) -> Option<Remembered> {
        let (after, answer) = match *ask {
            Ask::Acquire => match held {
                Some(token) => ((*held, *given, *state), Said::Contended(*token)),
                None => ((Some(given + 1), given + 1, *state), Said::Token(given + 1)),
            },
            Ask::Release(token) | Ask::Cut(token) => {
                ((held.filter(|held| *held != token), *given, *state), Said::Done)
            }
            Ask::Move { token, .. } if *held != Some(token) => ((*held, *given, *state), Said::Lost),
            Ask::Move { from, .. } if from != *state => ((*held, *given, *state), Said::Overtaken(*state)),
            Ask::Move { to, .. } => ((*held, *given, to), Said::Done),
        };
        said.is_none_or(|said| *said == answer).then_some(after)
    }
}

/// What all contenders logged.
#[derive(Default)]
struct Log {
    calls: Vec<Call<Ask, Said>>,
    stays: Vec<Stay>,
}

/// What the contenders share beside the store.
#[derive(Default)]
struct Ring {
    clock: AtomicU64,
    /// Whether somebody found the lock taken.
    met: AtomicBool,
}

impl Ring {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Returns when somebody has found the lock taken: whoever has it must wait for that once, for how threads
    /// take turns is otherwise the machine's to choose, and one after the other would be no fight.
    ///
    /// # Panics
    /// When nobody has after [`PATIENCE`], for then nobody will.
    async fn until_met(&self) {
        let met = async {
            while !self.met.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let met = tokio::time::timeout(PATIENCE, met).await;
        assert!(
            met.is_ok(),
            "one has held the lock for {PATIENCE:?}, and no other was told that it is taken"
        );
    }
}

/// One contender: takes the lock when it can, moves the state, and now and then loses its connection
/// without noticing. With `lying` it only says that it lost it.
async fn contend(connect: Connect<'_>, ring: &Ring, caller: u64, rounds: u64, lying: bool) -> Log {
    let tick = || ring.tick();
    let mut client = connect(None).await;
    let mut log = Log::default();
    let by = Holder { host: "here".to_owned(), pid: caller as u32 };
    for round in 0..rounds {
        let began = tick();
        let acquired = client.store.acquire(&Instance::Hub, &by).await;
        let entered = tick();
        let said = match &acquired {
            Ok(lease) => Said::Token(lease.token.number()),
            Err(StoreError::Contended { held, .. }) => Said::Contended(held.token.number()),
            Err(other) => panic!("{other}"),
        };
        log.calls.push(Call { caller, input: Ask::Acquire, began, ended: Some((entered, said)) });
        let Ok(lease) = acquired else {
            ring.met.store(true, Ordering::SeqCst);
            tokio::task::yield_now().await;
            continue;
        };
        ring.until_met().await;
        let token = lease.token.number();
        let mut sure_until = entered;
        let mut state = client.store.state(&Instance::Hub).await.unwrap();
        for step in 0..3 {
            if (round + step + caller).is_multiple_of(5) {
                let began = tick();
                if !lying {
                    client = connect(Some(client)).await;
                }
                let ended = Some((tick(), Said::Done));
                log.calls.push(Call { caller, input: Ask::Cut(token), began, ended });
            }
            tokio::task::yield_now().await;
            let to = state.successors()[0];
            let began = tick();
            let moved = client.store.transition(&lease, state, to, "because").await;
            let ended = tick();
            let said = match moved {
                Ok(_) => {
                    sure_until = began;
                    Said::Done
                }
                Err(StoreError::LockLost { .. }) => Said::Lost,
                Err(StoreError::Refused { refused: Refused::Overtaken { found, .. }, .. }) => {
                    Said::Overtaken(found)
                }
                Err(other) => panic!("{other}"),
            };
            let input = Ask::Move { token, from: state, to };
            log.calls.push(Call { caller, input, began, ended: Some((ended, said)) });
            state = if said == Said::Done { to } else { state };
        }
        log.stays.push(Stay { caller, room: "hub".to_owned(), from: entered, until: sure_until });
        let began = tick();
        client.store.release(&lease).await.unwrap();
        log.calls.push(Call { caller, input: Ask::Release(token), began, ended: Some((tick(), Said::Done)) });
    }
    log
}

/// All contenders, each on a thread of its own.
fn fight(connect: Connect<'_>, contenders: u64, rounds: u64, lying: bool) -> Log {
    let ring = Ring::default();
    let mut all = Log::default();
    std::thread::scope(|scope| {
        let contender = |caller| {
            let ring = &ring;
            move || crate::thread_of_its_own().block_on(contend(connect, ring, caller, rounds, lying))
        };
        let threads: Vec<_> = (0..contenders).map(|caller| scope.spawn(contender(caller))).collect();
        for thread in threads {
            let log = thread.join().expect("a contender's panic is a failure");
            all.calls.extend(log.calls);
            all.stays.extend(log.stays);
        }
    });
    all.calls.sort_by_key(|call| call.began);
    all
}

fn grants_and_writes(log: &Log) -> (Vec<Grant>, Vec<Write>) {
    let (mut grants, mut writes) = (Vec::new(), Vec::new());
    for Call { input, began, ended, .. } in &log.calls {
        match (input, ended) {
            (Ask::Acquire, Some((ended, Said::Token(token)))) => {
                grants.push(Grant { token: *token, began: *began, ended: *ended });
            }
            (Ask::Move { token, .. }, Some((ended, Said::Done))) => {
                writes.push(Write { token: *token, began: *began, ended: *ended });
            }
            _ => {}
        }
    }
    (grants, writes)
}

/// What five threads saw is linearizable, exclusive and fenced.
pub(crate) fn hold(connect: Connect<'_>, rounds: u64) {
    let log = fight(connect, 5, rounds, false);
    let (grants, writes) = grants_and_writes(&log);
    let said = |wanted: fn(&Said) -> bool| {
        log.calls.iter().filter(|call| call.ended.as_ref().is_some_and(|(_, said)| wanted(said))).count()
    };
    assert!(said(|said| *said == Said::Lost) > 0, "somebody wrote after losing the lock");
    assert!(said(|said| matches!(said, Said::Contended(_))) > 0, "somebody found it taken");
    assert!(grants.len() > 5 && !writes.is_empty());

    let ordered = linearizable(&Sequential, &log.calls, 5_000_000);
    assert!(ordered.holds(), "{ordered:?}");
    let apart = exclusive(&log.stays);
    assert!(apart.holds(), "{apart:?}");
    let fenced = fenced(&grants, &writes, true);
    assert!(fenced.holds(), "{fenced:?}");
}

/// A lock that outlives the connection it was taken on would be seen.
pub(crate) fn would_show_a_lock_that_outlives_its_connection(connect: Connect<'_>) {
    let log = fight(connect, 3, 60, true);
    let answer = linearizable(&Sequential, &log.calls, 5_000_000);
    assert!(matches!(answer, Answer::Violation(_)), "{answer:?}");
}

/// A store that never says that its lock is taken is found out in time, and it is told what was missing.
pub(crate) fn would_show_that_nobody_is_refused() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let alone = async { tokio::spawn(async { Ring::default().until_met().await }).await };
    let told = runtime.block_on(alone).unwrap_err().into_panic();
    let told = told.downcast_ref::<String>().unwrap();
    assert!(told.contains("60s") && told.contains("no other was told that it is taken"), "{told}");
}
