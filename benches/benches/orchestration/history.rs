//! A history of contenders of one lock: every call with its begin, its end and its answer.

use std::sync::atomic::{AtomicU64, Ordering};

use dive_orchestrator::store::Database;
use dive_orchestrator::{Instance, Stamp, Store as _, StoreError};
use futures_util::future::join_all;
use harness_core::checkers::{Call, Model, linearizable};
use tokio::task::yield_now;

/// In a history.
pub(crate) const CALLS: usize = 5_000;

/// Steps of the model before the checker gives up.
const BUDGET: u64 = 5_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Acquire,
    Release(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Token(u64),
    Contended(u64),
    Released,
}

/// One lock, one call after the other: the live token, and how many were given out.
struct Lock;

impl Model for Lock {
    type Input = Ask;
    type Output = Said;
    type Key = ();
    type State = (Option<u64>, u64);

    fn key(&self, _: &Ask) {}

    fn start(&self, (): &()) -> Self::State {
        (None, 0)
    }

    fn step(&self, (live, given): &Self::State, ask: &Ask, said: Option<&Said>) -> Option<Self::State> {
        let (after, answer) = match (ask, live) {
            (Ask::Acquire, Some(token)) => ((*live, *given), Said::Contended(*token)),
            (Ask::Acquire, None) => ((Some(given + 1), given + 1), Said::Token(given + 1)),
            (Ask::Release(token), _) => ((live.filter(|live| live != token), *given), Said::Released),
        };
        said.is_none_or(|said| *said == answer).then_some(after)
    }
}

/// What all contenders saw.
#[derive(Clone)]
pub(crate) struct History(Vec<Call<Ask, Said>>);

impl History {
    /// Of so many contenders in turns of one thread, each of whose calls overlaps with others'.
    pub(crate) fn of(contenders: u64) -> Self {
        let database = Database::new(|| Stamp::from_millis(1));
        let clock = AtomicU64::new(0);
        let all = join_all((0..contenders).map(|caller| contend(&database, &clock, caller, contenders)));
        let runtime = super::stores::runtime();
        let mut calls: Vec<_> = runtime.block_on(all).into_iter().flatten().collect();
        calls.sort_by_key(|call| call.began);
        Self(calls)
    }

    pub(crate) fn calls(&self) -> usize {
        self.0.len()
    }

    /// With the last token given out twice.
    pub(crate) fn spoiled(mut self) -> Self {
        let mut tokens = self.0.iter_mut().rev().filter_map(|call| match &mut call.ended {
            Some((_, Said::Token(token))) => Some(token),
            _ => None,
        });
        *tokens.next().expect("somebody had the lock") -= 1;
        self
    }

    /// Whether the checker finds an order that explains all answers.
    ///
    /// # Panics
    /// When it can't tell.
    pub(crate) fn is_linearizable(&self) -> bool {
        let answer = linearizable(&Lock, &self.0, BUDGET);
        assert!(answer.verdict() != harness_core::verdict::Verdict::Inconclusive, "{answer:?}");
        answer.holds()
    }
}

/// Takes the lock when it is free and gives it back, and lets the others go on before and after every call takes
/// effect.
async fn contend(
    database: &Database,
    clock: &AtomicU64,
    caller: u64,
    contenders: u64,
) -> Vec<Call<Ask, Said>> {
    let tick = || clock.fetch_add(1, Ordering::Relaxed);
    let pause = async |rounds: u64| {
        for _ in 0..rounds {
            yield_now().await;
        }
    };
    let (store, by) = (database.connect(), super::by());
    let (mut calls, mut lease) = (Vec::new(), None);
    for number in 0..CALLS as u64 / contenders {
        let began = tick();
        pause(1 + (number + caller) % 3).await;
        let (input, said) = match lease.take() {
            None => match store.acquire(&Instance::Hub, &by).await {
                Ok(taken) => (Ask::Acquire, Said::Token(lease.insert(taken).token.number())),
                Err(StoreError::Contended { held, .. }) => {
                    (Ask::Acquire, Said::Contended(held.token.number()))
                }
                Err(other) => panic!("{other}"),
            },
            Some(held) => {
                store.release(&held).await.expect("it is given back");
                (Ask::Release(held.token.number()), Said::Released)
            }
        };
        pause(1 + number % 2).await;
        calls.push(Call { caller, input, began, ended: Some((tick(), said)) });
    }
    calls
}
