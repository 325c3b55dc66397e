//! Requests: at a constant rate, or all together.
//!
//! The rate is the sender's, not the answerer's: a request goes out when it is due, whether or not
//! earlier ones were answered, and its time counts from when it was due. So a slow system shows its
//! latency instead of hiding it by slowing the load.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, LocalBoxFuture, join_all, select};
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use crate::event::{Answer, What};
use crate::recorder::Recorder;
use crate::scenario::Load;
use crate::time::{At, Span};
use crate::world::World;

/// Requests of one load that may be under way at once. One that is due beyond it is not sent, and
/// recorded as [`NOT_SENT`].
pub const IN_FLIGHT_LIMIT: usize = 1_000;

/// The class of a request that was still under way when the run ended.
pub const UNANSWERED: &str = "unanswered";

/// The class of a request that was due while [`IN_FLIGHT_LIMIT`] others were under way.
pub const NOT_SENT: &str = "not-sent";

/// The shortest time between two requests of a load.
pub const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// Sends one request and records its end, an early one too. Its time counts from `due`.
pub(super) async fn one<W: World>(
    world: &W,
    recorder: &Recorder,
    load: &str,
    request: &str,
    number: u64,
    due: At,
) {
    let mut under_way = UnderWay { world, recorder, load, number, due, answer: None };
    under_way.answer = Some(world.send(request, number).await);
}

/// A request that has gone out. It is recorded when this is dropped, so none is lost.
struct UnderWay<'a, W: World> {
    world: &'a W,
    recorder: &'a Recorder,
    load: &'a str,
    number: u64,
    due: At,
    answer: Option<Answer>,
}

impl<W: World> Drop for UnderWay<'_, W> {
    fn drop(&mut self) {
        let at = Span::between(self.due, self.world.now());
        let answer = self.answer.take().unwrap_or_else(|| Answer::new(UNANSWERED));
        self.recorder.record(at, What::Request { load: self.load.to_owned(), number: self.number, answer });
    }
}

/// Keeps all loads up, for ever.
pub(super) async fn all<W: World>(world: &W, recorder: &Recorder, loads: &[Load]) {
    join_all(loads.iter().map(|load| keep_up(world, recorder, load))).await;
}

async fn keep_up<W: World>(world: &W, recorder: &Recorder, load: &Load) {
    let every = load.every.max(LEAST_INTERVAL);
    let mut due = world.now();
    let mut under_way = FuturesUnordered::new();
    for number in 0.. {
        while let Either::Right(()) = either(world.sleep_until(due), under_way.next()).await {}
        if under_way.len() < IN_FLIGHT_LIMIT {
            under_way.push(one(world, recorder, &load.name, &load.request, number, due));
        } else {
            let answer = Answer::new(NOT_SENT);
            recorder.record_at(due, What::Request { load: load.name.clone(), number, answer });
        }
        due = due + every;
    }
}

/// `first`, or what `second` yields before it; a `second` that has nothing left to yield is ignored.
async fn either<T>(
    first: impl Future<Output = ()>,
    second: impl Future<Output = Option<T>>,
) -> Either<(), T> {
    let second = async {
        match second.await {
            Some(item) => item,
            None => std::future::pending().await,
        }
    };
    match select(std::pin::pin!(first), std::pin::pin!(second)).await {
        Either::Left(((), _)) => Either::Left(()),
        Either::Right((item, _)) => Either::Right(item),
    }
}

/// Futures that run beside the steps until they end or the run does.
#[derive(Default)]
pub(super) struct Companions<'a> {
    added: RefCell<Vec<LocalBoxFuture<'a, ()>>>,
    more: Notify,
}

impl<'a> Companions<'a> {
    /// Adds one; it starts at the next turn.
    pub(super) fn add(&self, companion: impl Future<Output = ()> + 'a) {
        self.added.borrow_mut().push(Box::pin(companion) as Pin<Box<_>>);
        self.more.notify_one();
    }

    /// Runs all that are added, for ever.
    pub(super) async fn run(&self) {
        let mut running = FuturesUnordered::new();
        loop {
            running.extend(self.added.borrow_mut().drain(..));
            while let Either::Right(()) = either(self.more.notified(), running.next()).await {}
        }
    }
}
