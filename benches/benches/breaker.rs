//! What a circuit breaker costs a call: one step each way.
//!
//! Every request to a dependency pays `admit` and `settle`, so both together must vanish beside anything
//! that leaves the process. The breaker is called as the node calls it, behind its trait object.

use std::hint::black_box;
use std::time::Duration;

use benches::race::brief;
use benches::step::step;
use benches::summary::summary;
use criterion::{Criterion, criterion_group, criterion_main};
use dive_resilience::{Breaker, BreakerSettings, Caller, CircuitBreaker, Moment, Outcome, State};

const NOW: Moment = Moment::from_start(Duration::from_secs(1));

fn breaker(state: State) -> Box<dyn CircuitBreaker> {
    let mut breaker = Box::new(Breaker::new("opa", &BreakerSettings::OPA));
    breaker.force(NOW, state, &mut Vec::new());
    breaker
}

fn call(breaker: &mut dyn CircuitBreaker, outcome: Outcome) {
    let mut log = Vec::new();
    if let Ok(permit) = black_box(breaker.admit(NOW, Caller::Request, &mut log)) {
        breaker.settle(NOW, permit, outcome, &mut log);
    }
    black_box(log);
}

fn steps(criterion: &mut Criterion) {
    let mut closed = breaker(State::Closed);
    step(criterion, "breaker/closed, a call succeeds", || (), |()| call(closed.as_mut(), Outcome::Success));
    let mut open = breaker(State::Open);
    step(criterion, "breaker/open, a call is rejected", || (), |()| call(open.as_mut(), Outcome::Success));
    for (name, outcome) in [("succeeds", Outcome::Success), ("fails and opens it", Outcome::Failure)] {
        let half_open = || breaker(State::HalfOpen);
        let name = format!("breaker/half-open, a probe {name}");
        step(criterion, &name, half_open, |breaker| call(breaker.as_mut(), outcome));
    }
    let mut taken = breaker(State::HalfOpen);
    let _in_flight = taken.admit(NOW, Caller::Request, &mut Vec::new());
    let rejected = |(): &mut ()| call(taken.as_mut(), Outcome::Success);
    step(criterion, "breaker/half-open, a second probe is rejected", || (), rejected);
}

criterion_group!(name = benches; config = brief(); targets = steps, summary);
criterion_main!(benches);
