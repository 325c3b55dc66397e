//! How many requests a second a server bears.
//!
//! Requests are due at fixed instants, whatever became of those before, and a request's time counts from when
//! it was due: a server that falls behind cannot hide it by being asked less. A rate is borne when the slowest of
//! a hundred takes no longer than it may, in two tries of at most three: one hiccup of the machine decides nothing.
//! The search goes up from a borne rate and down from a missed one, then halves what lies between; it ends after
//! [`RATES`] rates, however noisy the machine.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::exchange::Exchange;

/// Connections, each with a thread that waits on it.
const CONNECTIONS: u64 = 16;
/// From one rate to the next while all were borne, or none.
const STEP: f64 = 2.0;
/// A search tries so many rates at most.
pub const RATES: u32 = 12;
/// A search ends when the highest borne rate and the lowest missed one are no further apart.
const CLOSE: f64 = 1.03;

/// What one rate looked like.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Answers a second.
    pub rate: f64,
    /// Half of the requests took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// Answers with another status than the expected one.
    pub wrong: u64,
}

/// The highest rate found at which 99 of 100 requests take less than `bound`, each rate held for `each` up to three
/// times, beginning with `first` requests a second. `None` when none is borne of those at which there are a hundred.
///
/// # Panics
/// When a request is answered otherwise than with `status`.
pub fn highest(
    server: SocketAddr,
    next: &(impl Fn() -> Vec<u8> + Sync),
    status: u16,
    bound: Duration,
    each: Duration,
    first: f64,
) -> Option<Seen> {
    search(first, 100.0 / each.as_secs_f64(), |rate| {
        two_of_three(bound, || {
            let seen = at(server, next, status, rate, each);
            assert_eq!(seen.wrong, 0, "every answer is a {status}");
            seen
        })
    })
}

/// What was seen at the highest rate that is borne, none lower than `least`.
fn search<T>(first: f64, least: f64, mut borne: impl FnMut(f64) -> Option<T>) -> Option<T> {
    let (mut best, mut good, mut bad, mut rate) = (None, None, None, first);
    for _ in 0..RATES {
        if rate < least {
            break;
        }
        if let Some(seen) = borne(rate) {
            (best, good) = (Some(seen), Some(rate));
        } else {
            bad = Some(rate);
        }
        rate = match (good, bad) {
            (Some(good), Some(bad)) if bad / good <= CLOSE => break,
            (Some(good), Some(bad)) => f64::midpoint(good, bad),
            (Some(good), None) => good * STEP,
            (None, _) => rate / STEP,
        };
    }
    best
}

/// The slower of two tries that kept to `bound`, if two of three do: the one in the middle is no slower.
fn two_of_three(bound: Duration, mut attempt: impl FnMut() -> Seen) -> Option<Seen> {
    let (mut kept, mut missed) = (None::<Seen>, false);
    loop {
        let seen = attempt();
        match (kept, seen.p99 < bound) {
            (None, true) => kept = Some(seen),
            (Some(other), true) => return Some(if other.p99 < seen.p99 { seen } else { other }),
            (_, false) if missed => return None,
            (_, false) => missed = true,
        }
    }
}

/// Asks `rate` times a second for `span`.
///
/// # Panics
/// When the server can't be reached or breaks a connection.
#[expect(clippy::disallowed_methods, reason = "benches measure real time")]
pub fn at(
    server: SocketAddr,
    next: &(impl Fn() -> Vec<u8> + Sync),
    status: u16,
    rate: f64,
    span: Duration,
) -> Seen {
    let wrong = AtomicU64::new(0);
    let every = Duration::from_secs_f64(CONNECTIONS as f64 / rate);
    let turns = (span.as_secs_f64() / every.as_secs_f64()).ceil() as u32;
    // Time for every thread to be there.
    let began = Instant::now() + Duration::from_millis(20);
    let mut took: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|place| {
                let wrong = &wrong;
                scope.spawn(move || {
                    let mut exchange = Exchange::connect(server).expect("it listens");
                    let first = began + every.mul_f64(place as f64 / CONNECTIONS as f64);
                    let turn = |turn: u32| {
                        let due = first + every * turn;
                        let asked = next();
                        if let Some(early) = due.checked_duration_since(Instant::now()) {
                            thread::sleep(early);
                        }
                        let answer = exchange.send(&asked).expect("it answers");
                        wrong.fetch_add(u64::from(answer.status != status), Ordering::Relaxed);
                        due.elapsed()
                    };
                    (0..turns).map(turn).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a caller does not panic")).collect()
    });
    let lasted = began.elapsed();
    took.sort_unstable();
    let quantile = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
    Seen {
        rate: took.len() as f64 / lasted.as_secs_f64(),
        p50: quantile(0.5),
        p99: quantile(0.99),
        wrong: wrong.into_inner(),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;

    use super::*;
    use crate::exchange::request;
    use crate::serve;

    fn asked() -> Vec<u8> {
        request("GET", "/", &[], "")
    }

    #[test]
    fn a_server_that_takes_its_time_bears_what_its_time_allows() {
        let slow = get(|| async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            "real"
        });
        let server = serve::routes(Router::new().route("/", slow));
        let each = Duration::from_millis(300);
        let seen = at(server, &asked, 200, 200.0, each);
        assert!(seen.p50 >= Duration::from_millis(20) && seen.wrong == 0, "{seen:?}");
        // Sixteen connections of 20 ms each bear 800 a second: above that, requests wait for their turn.
        let drowned = at(server, &asked, 200, 1_600.0, each);
        assert!(drowned.p99 > Duration::from_millis(100) && drowned.rate < 800.0, "{drowned:?}");
        assert!(at(server, &asked, 404, 100.0, each).wrong > 0, "what is not expected is counted");
    }

    #[test]
    fn whatever_a_server_bears_is_found_from_above_and_from_below() {
        for capacity in (1..=300).map(|step| 32.0 * 1.023_f64.powi(step)) {
            let mut tried = 0;
            let found = search(1_000.0, 30.0, |rate| {
                tried += 1;
                (rate <= capacity).then_some(rate)
            });
            let found = found.expect("it is within reach");
            assert!(found <= capacity && found > capacity / 1.05, "{found} of {capacity}");
            assert!(tried <= RATES);
        }
        let mut tried = Vec::new();
        let found = search(1_000.0, 200.0, |rate| {
            tried.push(rate);
            None::<f64>
        });
        assert_eq!((found, tried), (None, vec![1_000.0, 500.0, 250.0]));
    }

    #[test]
    fn one_miss_of_three_decides_nothing_and_two_do() {
        let bound = Duration::from_millis(10);
        for tries in 0..8_u32 {
            let missed = |place: u32| tries >> place & 1 == 1;
            let mut made = 0;
            let verdict = two_of_three(bound, || {
                let p99 = Duration::from_millis(u64::from(made + 1 + if missed(made) { 9 } else { 0 }));
                made += 1;
                Seen { rate: 1.0, p50: p99, p99, wrong: 0 }
            });
            assert_eq!(verdict.is_some(), tries.count_ones() < 2, "{tries:b}");
            assert_eq!(made == 2, missed(0) == missed(1), "two that agree are enough");
            if let Some(seen) = verdict {
                let slowest_kept = (0..made).rev().find(|place| !missed(*place));
                assert_eq!(Some(seen.p99.as_millis() as u32), slowest_kept.map(|place| place + 1));
            }
        }
    }
}
