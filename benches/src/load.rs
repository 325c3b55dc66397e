//! How many requests a second a server bears.
//!
//! Requests are due at fixed instants, whatever became of those before, and a request's time counts from when
//! it was due: a server that falls behind cannot hide it by being asked less. Rates rise until the slowest of a
//! hundred takes longer than it may.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::exchange::Exchange;

/// Connections, each with a thread that waits on it.
const CONNECTIONS: u64 = 16;
/// From one rate to the next while rates rise.
const RISE: f64 = 1.4;
/// How often the step between the last good and the first bad rate is halved.
const HALVINGS: u32 = 3;

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

/// The highest rate at which 99 of 100 requests take less than `bound`, each rate held for `each`, starting at
/// `first` requests a second. `None` when even that is too much.
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
    let measure = |rate: f64| {
        let seen = at(server, next, status, rate, each);
        assert_eq!(seen.wrong, 0, "every answer is a {status}");
        (seen.p99 < bound).then_some(seen)
    };
    let (mut best, mut rate) = (measure(first)?, first);
    let too_much = loop {
        rate *= RISE;
        match measure(rate) {
            Some(seen) => best = seen,
            None => break rate,
        }
    };
    let (mut good, mut bad) = (too_much / RISE, too_much);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(good, bad);
        match measure(middle) {
            Some(seen) => (best, good) = (seen, middle),
            None => bad = middle,
        }
    }
    Some(best)
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
        assert!(highest(server, &asked, 200, Duration::from_millis(20), each, 50.0).is_none());
        assert!(at(server, &asked, 404, 100.0, each).wrong > 0, "what is not expected is counted");
    }
}
