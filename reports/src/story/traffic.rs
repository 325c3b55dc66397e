//! Requests over time: what came of them, and how long they took.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_core::history::Exchange;
use harness_core::time::At;

use crate::tone::Tone;

/// The most bins a picture has.
const BINS: u32 = 120;

/// The most requests that are drawn one by one.
const DOTS: usize = 400;

/// The requests of one load, summed up for drawing.
#[derive(Clone, Debug)]
pub(crate) struct Traffic {
    /// The load.
    pub(crate) load: String,
    /// The classes of answers, calmest first, with their totals.
    pub(crate) classes: Vec<(String, Tone, usize)>,
    /// The width of a bin.
    pub(crate) bin: Duration,
    /// The bins that hold any request, by their position. Counts are in the order of `classes`.
    pub(crate) bins: BTreeMap<u32, Bin>,
    /// Every request as (sent, took, tone), when there are few.
    pub(crate) dots: Option<Vec<(At, Duration, Tone)>>,
    /// Median, 95th percentile and longest of all.
    pub(crate) took: [Duration; 3],
    /// The shortest of all.
    pub(crate) shortest: Duration,
}

/// The requests sent within one bin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bin {
    /// How many of each class.
    pub(crate) counts: Vec<usize>,
    /// Median, 95th percentile and longest.
    pub(crate) took: [Duration; 3],
}

impl Traffic {
    /// The most requests in a bin.
    pub(crate) fn highest(&self) -> usize {
        self.bins.values().map(|bin| bin.counts.iter().sum()).max().unwrap_or(0)
    }

    /// How many requests there were.
    pub(crate) fn total(&self) -> usize {
        self.classes.iter().map(|(_, _, count)| count).sum()
    }
}

/// Sums up the requests of a load; nothing when there were none.
pub(crate) fn traffic(load: &str, requests: &[Exchange], end: At) -> Option<Traffic> {
    if requests.is_empty() {
        return None;
    }
    let mut totals: BTreeMap<(Tone, &str), usize> = BTreeMap::new();
    for request in requests {
        let class = request.answer.class.as_str();
        *totals.entry((Tone::of_answer(class), class)).or_default() += 1;
    }
    let position: BTreeMap<&str, usize> =
        totals.keys().enumerate().map(|(i, (_, class))| (*class, i)).collect();

    let bin = bin_width(end.since_start());
    let mut sorted: BTreeMap<u32, Vec<&Exchange>> = BTreeMap::new();
    for request in requests {
        let index = (request.at.lo.since_start().as_nanos() / bin.as_nanos()) as u32;
        sorted.entry(index).or_default().push(request);
    }
    let bins = sorted
        .into_iter()
        .map(|(index, held)| {
            let mut counts = vec![0; totals.len()];
            for request in &held {
                counts[position[request.answer.class.as_str()]] += 1;
            }
            (index, Bin { counts, took: percentiles(held.iter().map(|request| request.at.width())) })
        })
        .collect();
    let dots = (requests.len() <= DOTS).then(|| {
        requests
            .iter()
            .map(|request| (request.at.lo, request.at.width(), Tone::of_answer(&request.answer.class)))
            .collect()
    });
    Some(Traffic {
        load: load.to_owned(),
        classes: totals.iter().map(|((tone, class), count)| ((*class).to_owned(), *tone, *count)).collect(),
        bin,
        bins,
        dots,
        took: percentiles(requests.iter().map(|request| request.at.width())),
        shortest: requests.iter().map(|request| request.at.width()).min().unwrap_or_default(),
    })
}

/// The smallest of 1, 2, 5, 10, 20, … milliseconds that cuts `whole` into at most [`BINS`] parts.
fn bin_width(whole: Duration) -> Duration {
    let at_least = (whole / BINS).max(Duration::from_millis(1));
    let mut decade = Duration::from_millis(1);
    loop {
        for step in [1, 2, 5] {
            if decade * step >= at_least {
                return decade * step;
            }
        }
        decade *= 10;
    }
}

/// Median, 95th percentile and maximum, by nearest rank; zeros for nothing.
fn percentiles(durations: impl Iterator<Item = Duration>) -> [Duration; 3] {
    let mut sorted: Vec<Duration> = durations.collect();
    sorted.sort_unstable();
    let rank = |percent: usize| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    };
    [rank(50), rank(95), rank(100)]
}

#[cfg(test)]
mod tests {
    use harness_core::event::Answer;
    use harness_core::time::Span;

    use super::*;

    fn exchange(ms: u64, took: u64, class: &str) -> Exchange {
        let at = |ms| At::from_start(Duration::from_millis(ms));
        Exchange { at: Span::between(at(ms), at(ms + took)), number: 0, answer: Answer::new(class) }
    }

    #[test]
    fn every_request_is_in_one_bin() {
        let requests: Vec<_> = (0..1_000)
            .map(|i| exchange(i * 97, i % 40, if i % 3 == 0 { "denied" } else { "allowed" }))
            .collect();
        let found = traffic("reads", &requests, At::from_start(Duration::from_secs(97))).unwrap();
        assert_eq!(found.total(), 1_000);
        assert_eq!(found.bins.values().flat_map(|bin| &bin.counts).sum::<usize>(), 1_000);
        assert!(found.bins.len() <= BINS as usize + 1);
        assert_eq!(found.classes[0].0, "allowed", "the calmest comes first");
        assert!(found.dots.is_none());
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let ms = Duration::from_millis;
        assert_eq!(percentiles((1..=100).map(ms)), [ms(50), ms(95), ms(100)]);
        assert_eq!(percentiles([ms(7)].into_iter()), [ms(7); 3]);
        assert_eq!(percentiles(std::iter::empty()), [Duration::ZERO; 3]);
    }

    #[test]
    fn bins_have_round_widths() {
        assert_eq!(bin_width(Duration::from_secs(120)), Duration::from_secs(1));
        assert_eq!(bin_width(Duration::from_secs(130)), Duration::from_secs(2));
        assert_eq!(bin_width(Duration::ZERO), Duration::from_millis(1));
    }
}
