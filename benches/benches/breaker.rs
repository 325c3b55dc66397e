//! What a circuit breaker costs a call: one step each way.
//!
//! Every request to a dependency pays `admit` and `settle`, so both together must vanish beside anything
//! that leaves the process. The breaker is called as the node calls it, behind its trait object.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
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
    criterion.bench_function("breaker/closed, a call succeeds", |bencher| {
        let mut breaker = breaker(State::Closed);
        bencher.iter(|| call(breaker.as_mut(), Outcome::Success));
    });
    criterion.bench_function("breaker/open, a call is rejected", |bencher| {
        let mut breaker = breaker(State::Open);
        bencher.iter(|| call(breaker.as_mut(), Outcome::Success));
    });
    for (name, outcome) in [("succeeds", Outcome::Success), ("fails and opens it", Outcome::Failure)] {
        criterion.bench_function(&format!("breaker/half-open, a probe {name}"), |bencher| {
            let half_open = || breaker(State::HalfOpen);
            bencher.iter_batched_ref(
                half_open,
                |breaker| call(breaker.as_mut(), outcome),
                BatchSize::SmallInput,
            );
        });
    }
    criterion.bench_function("breaker/half-open, a second probe is rejected", |bencher| {
        let mut breaker = breaker(State::HalfOpen);
        let _in_flight = breaker.admit(NOW, Caller::Request, &mut Vec::new());
        bencher.iter(|| call(breaker.as_mut(), Outcome::Success));
    });
}

criterion_group!(benches, steps);
criterion_main!(benches);
