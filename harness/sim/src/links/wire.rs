//! One edge: its rules, the calls under way over it, and what a call goes through.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures_util::future::{Either, select};
use harness_core::fault::Edge;
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use tokio::sync::oneshot;

use super::rule::{Arrival, Return, Rule, Rules};
use super::traffic::{Ending, Passing, Tap, Traffic};
use super::{Latency, LinkError, Reply};
use crate::node::{Node, SimHandle};
use crate::slot::Listening;

/// An edge of the topology, with what is wrong with it. Every [`Link`](super::Link) of the edge runs over it.
pub struct Wire {
    edge: Edge,
    pub(super) sim: SimHandle,
    pub(super) callee: Box<dyn Listening>,
    tap: Arc<OnceLock<Tap>>,
    state: Mutex<State>,
}

struct State {
    latency: Latency,
    rules: Rules,
    /// Calls under way by number, each with what wakes it when anything changes here.
    flights: BTreeMap<u64, Waker>,
    next_flight: u64,
    /// Flights with smaller numbers have ended this way.
    cut: Option<(u64, LinkError)>,
    chance: SmallRng,
    traffic: Traffic,
}

/// Whether a call counts: the harness' own probes do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Call,
    Probe,
}

impl Wire {
    pub(super) fn new(
        edge: Edge,
        sim: SimHandle,
        callee: Box<dyn Listening>,
        tap: Arc<OnceLock<Tap>>,
        latency: Latency,
        chance: SmallRng,
    ) -> Self {
        let state = State {
            latency,
            rules: Rules::default(),
            flights: BTreeMap::new(),
            next_flight: 0,
            cut: None,
            chance,
            traffic: Traffic::default(),
        };
        Self { edge, sim, callee, tap, state: Mutex::new(state) }
    }

    /// Which edge it is.
    pub fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Sets how long a request and an answer take. Those on their way keep what they set out with.
    pub fn set_latency(&self, latency: Latency) {
        self.state.lock().latency = latency;
    }

    /// The longest that a call takes from request to answer, the callee's own time not counted.
    pub fn longest_round_trip(&self) -> Duration {
        let state = self.state.lock();
        state.latency.up + state.latency.down + state.rules.greatest_delay()
    }

    /// Imposes a rule under a name, in place of an earlier one of that name. It concerns what arrives at
    /// either end from now on; calls under way are left alone, see [`Wire::cut`].
    pub fn impose(&self, name: &str, rule: Rule) {
        self.state.lock().rules.impose(name, rule);
        self.wake_flights();
    }

    /// Lifts the rule of that name; what was held goes on. Says whether there was one.
    pub fn lift(&self, name: &str) -> bool {
        let lifted = self.state.lock().rules.lift(name);
        self.wake_flights();
        lifted
    }

    /// The names of the rules now imposed.
    pub fn rules(&self) -> Vec<String> {
        self.state.lock().rules.names()
    }

    /// Ends every call under way with this error. Returns how many there were.
    pub fn cut(&self, error: LinkError) -> usize {
        let mut state = self.state.lock();
        state.cut = Some((state.next_flight, error));
        let flights = state.flights.len();
        drop(state);
        self.wake_flights();
        flights
    }

    /// What has gone over this edge, the harness' own probes not counted.
    pub fn traffic(&self) -> Traffic {
        self.state.lock().traffic.clone()
    }

    /// Starts the high-water mark anew from the calls now under way.
    pub fn reset_high_water(&self) {
        let traffic = &mut self.state.lock().traffic;
        traffic.high_water = traffic.in_flight;
    }

    /// Carries a call over the edge and its answer back. `dispatch` hands the request to the callee, which
    /// keeps the sender until it answers; or says that nobody listens.
    pub(super) async fn carry<T>(
        &self,
        purpose: Purpose,
        dispatch: impl FnOnce(oneshot::Sender<T>) -> bool,
    ) -> Result<Reply<T>, LinkError> {
        let mut flight = Flight { wire: self, purpose, number: None, waker: None, ending: Ending::Abandoned };
        let mut journey = pin!(self.journey(dispatch));
        let outcome = poll_fn(|cx| match flight.check_in(cx.waker()) {
            Some(cut) => Poll::Ready(Err(cut)),
            None => journey.as_mut().poll(cx),
        })
        .await;
        flight.ending = Ending::of(&outcome);
        outcome
    }

    async fn journey<T>(
        &self,
        dispatch: impl FnOnce(oneshot::Sender<T>) -> bool,
    ) -> Result<Reply<T>, LinkError> {
        let up = self.state.lock().latency.up;
        self.cross(up).await;
        let outcome = match self.arrival().await {
            Arrival::Through => {
                let (answer_to, answer) = oneshot::channel();
                if dispatch(answer_to) {
                    // The sender is dropped without an answer when the callee's life ends.
                    answer.await.map(Reply::Answer).map_err(|_| LinkError::Reset)
                } else {
                    Err(LinkError::Refused)
                }
            }
            Arrival::Failed(error) => Err(error),
            Arrival::Imposter { status, body } => Ok(Reply::Wrong { status, body }),
            Arrival::Lost | Arrival::Held => return pending().await,
        };
        let down = {
            let state = &mut *self.state.lock();
            state.latency.down + state.rules.delay(&mut state.chance)
        };
        self.cross(down).await;
        match (self.homecoming().await, outcome) {
            (Return::Through { truncated: Some(after_bytes) }, Ok(Reply::Answer(answer))) => {
                Ok(Reply::Truncated { answer, after_bytes })
            }
            (Return::Through { .. }, outcome) => outcome,
            (Return::Lost | Return::Held, _) => pending().await,
        }
    }

    async fn cross(&self, latency: Duration) {
        if !latency.is_zero() {
            self.sim.sleep(latency).await;
        }
    }

    /// Waits while requests are held. Every change of rules wakes every flight, so pending here is safe.
    async fn arrival(&self) -> Arrival {
        poll_fn(|_| match self.state.lock().rules.at_arrival() {
            Arrival::Held => Poll::Pending,
            arrival => Poll::Ready(arrival),
        })
        .await
    }

    /// Waits while answers are held.
    async fn homecoming(&self) -> Return {
        poll_fn(|_| match self.state.lock().rules.at_return() {
            Return::Held => Poll::Pending,
            homecoming => Poll::Ready(homecoming),
        })
        .await
    }

    fn wake_flights(&self) {
        let wakers: Vec<Waker> = self.state.lock().flights.values().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn tell(&self, passing: Passing) {
        if let Some(tap) = self.tap.get() {
            tap(&self.edge, passing);
        }
    }
}

/// Runs a request's handler as a task of the callee. When the caller hangs up, and the edge carries that
/// news, the handler is dropped, as an HTTP/1 server does.
pub(super) fn serve<T: Send + 'static>(
    wire: &Arc<Wire>,
    node: &Node,
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
    mut answer_to: oneshot::Sender<T>,
) {
    let wire = Arc::clone(wire);
    node.spawn(
        name,
        Box::pin(async move {
            let mut work = pin!(work);
            let first = select(work.as_mut(), poll_fn(|cx| answer_to.poll_closed(cx))).await;
            match first {
                Either::Left((answer, _)) => drop(answer_to.send(answer)),
                Either::Right(_) if wire.state.lock().rules.loses_requests() => drop(work.await),
                Either::Right(_) => {}
            }
        }),
    );
}

/// A call under way: counted and registered from its first poll until it is dropped.
struct Flight<'a> {
    wire: &'a Wire,
    purpose: Purpose,
    number: Option<u64>,
    /// As registered with the wire.
    waker: Option<Waker>,
    ending: Ending,
}

impl Flight<'_> {
    /// Registers the call and says whether it has been cut.
    fn check_in(&mut self, waker: &Waker) -> Option<LinkError> {
        let mut state = self.wire.state.lock();
        let Some(number) = self.number else {
            let number = state.next_flight;
            state.next_flight += 1;
            state.flights.insert(number, waker.clone());
            self.number = Some(number);
            self.waker = Some(waker.clone());
            if self.purpose == Purpose::Call {
                let in_flight = state.traffic.take_off();
                drop(state);
                self.wire.tell(Passing::Began { in_flight });
            }
            return None;
        };
        if let Some((before, error)) = state.cut
            && number < before
        {
            return Some(error);
        }
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
            let _dropped_unlocked = state.flights.insert(number, waker.clone());
            drop(state);
        }
        None
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = self.wire.state.lock();
        let _dropped_unlocked = state.flights.remove(&number);
        if self.purpose == Purpose::Call {
            let in_flight = state.traffic.land(self.ending);
            drop(state);
            self.wire.tell(Passing::Ended { in_flight, ending: self.ending });
        }
    }
}
