//! What takes nanoseconds: too short to be timed one by one, so a clock is read around many.

use criterion::Criterion;

use crate::race::{Spread, timed};
use crate::summary::{Goal, seen};

/// Steps between two readings of the clock, where each needs something made for it.
const CHUNK: u64 = 256;

/// Registers a step as a criterion bench, each turn on a value that `make` has made for it, untimed.
pub fn step<T>(
    criterion: &mut Criterion,
    name: &str,
    mut make: impl FnMut() -> T,
    mut work: impl FnMut(&mut T),
) {
    let mut nanos = Vec::new();
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|turns| {
            let mut took = std::time::Duration::ZERO;
            let mut left = turns;
            while left > 0 {
                let chunk = left.min(CHUNK);
                left -= chunk;
                let mut made: Vec<T> = (0..chunk).map(|_| make()).collect();
                took += timed(|| made.iter_mut().for_each(&mut work));
            }
            nanos.push(took.as_secs_f64() * 1e9 / turns as f64);
            took
        });
    });
    if crate::measuring() && !nanos.is_empty() {
        seen(name, Spread::of(nanos).median, "ns", Goal::None);
    }
}
