//! Contestants measured turn by turn.
//!
//! A machine is now fast, now slow. So what is to be compared runs in the same seconds: a few dozen times
//! the first contestant, as often the next, and around again. Ratios and differences are taken within
//! such a round, and their median over all rounds is what is told, with its spread.

use std::fmt;
use std::time::{Duration, Instant};

use criterion::Criterion;

/// Turns of one contestant within a round.
const TURNS: u64 = 32;

/// How long `work` takes.
#[expect(clippy::disallowed_methods, reason = "benches measure real time")]
pub fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    std::hint::black_box(work());
    began.elapsed()
}

struct Contestant<'a> {
    name: &'static str,
    work: Box<dyn FnMut() -> Duration + 'a>,
    /// Every turn, nanoseconds.
    took: Vec<u32>,
    /// The median of every round, nanoseconds.
    rounds: Vec<f64>,
}

/// A race. The first contestant is the one that criterion sees and that ratios refer to.
#[derive(Default)]
pub struct Race<'a> {
    contestants: Vec<Contestant<'a>>,
}

impl<'a> Race<'a> {
    /// Without contestants.
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose turns are to be timed whole.
    #[must_use]
    pub fn with<T>(self, name: &'static str, mut work: impl FnMut() -> T + 'a) -> Self {
        self.with_timed(name, move || timed(&mut work))
    }

    /// One that says itself how long what matters took.
    #[must_use]
    pub fn with_timed(mut self, name: &'static str, work: impl FnMut() -> Duration + 'a) -> Self {
        self.contestants.push(Contestant {
            name,
            work: Box::new(work),
            took: Vec::new(),
            rounds: Vec::new(),
        });
        self
    }

    /// So many turns of each. Returns what the first one's took together.
    fn run(&mut self, turns: u64) -> Duration {
        let mut first = Duration::ZERO;
        let mut left = turns;
        while left > 0 {
            let turns = left.min(TURNS);
            left -= turns;
            for (place, contestant) in self.contestants.iter_mut().enumerate() {
                let took = (0..turns).map(|_| (contestant.work)()).collect::<Vec<_>>();
                if place == 0 {
                    first += took.iter().sum::<Duration>();
                }
                let before = contestant.took.len();
                contestant.took.extend(took.iter().map(nanos));
                let mut round = contestant.took[before..].to_vec();
                round.sort_unstable();
                contestant.rounds.push(f64::from(round[round.len() / 2]));
            }
        }
        first
    }

    /// What each contestant's turns took, the first contestant first.
    pub fn standings(&self) -> Vec<Standing> {
        let first = self.contestants.first().map(|contestant| contestant.rounds.clone()).unwrap_or_default();
        let standing = |contestant: &Contestant<'_>| {
            let mut took = contestant.took.clone();
            took.sort_unstable();
            let ratios = contestant.rounds.iter().zip(&first).map(|(own, first)| own / first);
            Standing {
                name: contestant.name,
                p50: quantile(&took, 0.5),
                p99: quantile(&took, 0.99),
                slowest: quantile(&took, 1.0),
                ratio: Spread::of(ratios.collect()),
            }
        };
        self.contestants.iter().map(standing).collect()
    }

    /// How many microseconds more the turns of `one` took than those of `other`, by medians.
    pub fn added(&self, one: &str, other: &str) -> Option<Spread> {
        let rounds = |name| self.contestants.iter().find(|contestant| contestant.name == name);
        let (one, other) = (rounds(one)?, rounds(other)?);
        Some(Spread::of(
            one.rounds.iter().zip(&other.rounds).map(|(one, other)| (one - other) / 1e3).collect(),
        ))
    }

    /// What one contestant's turns took, by name.
    pub fn standing(&self, name: &str) -> Option<Standing> {
        self.standings().into_iter().find(|standing| standing.name == name)
    }
}

fn nanos(took: &Duration) -> u32 {
    u32::try_from(took.as_nanos()).unwrap_or(u32::MAX)
}

fn quantile(sorted: &[u32], share: f64) -> Duration {
    let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    Duration::from_nanos(sorted.get(place).copied().unwrap_or_default().into())
}

/// How one contestant did.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// Its name.
    pub name: &'static str,
    /// Half of its turns took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// The slowest turn of all.
    pub slowest: Duration,
    /// Its medians as multiples of the first contestant's.
    pub ratio: Spread,
}

/// A figure that was seen many times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// A quarter lay below.
    pub low: f64,
    /// A quarter lay above.
    pub high: f64,
}

impl Spread {
    /// Of these sightings.
    pub fn of(mut seen: Vec<f64>) -> Self {
        seen.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| seen.get((seen.len() as f64 * share) as usize).copied().unwrap_or_default();
        Self { median: at(0.5), low: at(0.25), high: at(0.75) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = if self.median.abs() < 10.0 { 2 } else { 1 };
        write!(f, "{:.decimals$} [{:.decimals$} {:.decimals$}]", self.median, self.low, self.high)
    }
}

/// Registers a race as a criterion bench, prints its table when it was measured, and returns it if it ran.
///
/// `prepare` is called only when the bench is to run: listing the benches costs nothing.
pub fn race<'a>(
    criterion: &mut Criterion,
    name: &str,
    prepare: impl FnOnce() -> Race<'a>,
) -> Option<Race<'a>> {
    let mut prepare = Some(prepare);
    let mut race = None;
    criterion.bench_function(name, |bencher| {
        if let Some(prepare) = prepare.take() {
            race = Some(prepare());
        }
        if let Some(race) = &mut race {
            bencher.iter_custom(|turns| race.run(turns));
        }
    });
    let race = race.filter(|_| crate::measuring())?;
    println!("{:<44} {:>11} {:>11} {:>11}   ratio of medians [quartiles]", "", "p50", "p99", "slowest");
    for Standing { name, p50, p99, slowest, ratio } in race.standings() {
        let [p50, p99, slowest] = [p50, p99, slowest].map(micros);
        println!("  {name:<42} {p50:>8.2} µs {p99:>8.2} µs {slowest:>8.0} µs   {ratio}");
    }
    Some(race)
}

/// How long criterion is to take over a race, by what the first contestant's turns take: the others' come on top.
pub fn brief() -> Criterion {
    let (warm_up, measured) = (Duration::from_millis(200), Duration::from_millis(1_500));
    Criterion::default().warm_up_time(warm_up).measurement_time(measured).sample_size(40).without_plots()
}

/// Microseconds.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestants_take_turns_in_rounds_and_are_told_apart() {
        let ms = Duration::from_millis;
        let order = std::cell::RefCell::new(Vec::new());
        let turn = |who: char, took| {
            order.borrow_mut().push(who);
            took
        };
        let mut race = Race::new()
            .with_timed("one", || turn('a', ms(2)))
            .with_timed("three times as long", || turn('b', ms(6)));
        assert_eq!(race.run(TURNS + 2), ms(2) * (TURNS as u32 + 2));
        let standings = race.standings();
        assert_eq!((standings[1].p50, standings[1].p99), (ms(6), ms(6)));
        assert_eq!(standings[1].ratio, Spread { median: 3.0, low: 3.0, high: 3.0 });
        let added = Spread { median: 4_000.0, low: 4_000.0, high: 4_000.0 };
        assert_eq!(race.added("three times as long", "one"), Some(added));
        assert_eq!(race.added("nobody", "one"), None);
        drop(race);
        let order = order.into_inner();
        let turns = TURNS as usize;
        assert!(
            order[..turns].iter().all(|who| *who == 'a')
                && order[turns..2 * turns].iter().all(|who| *who == 'b')
        );
        assert_eq!(order[2 * turns..], ['a', 'a', 'b', 'b']);
    }

    #[test]
    fn a_quantile_is_a_sighting() {
        let sorted: Vec<u32> = (1..=100).collect();
        assert_eq!(quantile(&sorted, 0.5).as_nanos(), 51);
        assert_eq!(quantile(&sorted, 0.99).as_nanos(), 100);
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0, 4.0]), Spread { median: 3.0, low: 2.0, high: 4.0 });
    }
}
