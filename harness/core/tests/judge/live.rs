//! Judged while events come in, late and out of order: what is decided stays decided.

use harness_core::event::What;
use harness_core::judge::{Decision, Observed, claim};
use harness_core::time::Span;
use harness_core::verdict::Verdict;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::draw::{END, Truth, at, claims, history, ns, scenario, the_claim, truths, with_a_blind_spot};

/// Events with the instant at which each is recorded, in that order; and how much later than it began
/// any of them is. A request is no observation of an earlier instant: it is recorded when it ends.
fn arrivals(truth: &Truth, delays: &[u64]) -> (Vec<(u64, Span, What)>, u64) {
    let ticks = |at: harness_core::time::At| at.since_start().as_nanos() as u64;
    let delay = delays.iter().copied().cycle();
    let mut events: Vec<_> = truth
        .recorded()
        .into_iter()
        .zip(delay)
        .map(|((at, what), delay)| {
            let prompt = matches!(what, What::Request { .. } | What::Phase { .. } | What::Fault { .. });
            (ticks(at.hi) + if prompt { 0 } else { delay }, at, what)
        })
        .collect();
    events.sort_by_key(|(arrival, _, _)| *arrival);
    let lag = events
        .iter()
        .filter(|(_, _, what)| !matches!(what, What::Request { .. }))
        .map(|(arrival, at, _)| arrival - ticks(at.lo))
        .max();
    (events, lag.unwrap_or(0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn what_is_decided_early_is_what_is_decided_in_the_end(
        truth in truths(3).prop_flat_map(with_a_blind_spot),
        stalls in vec((0u64..40, 0u64..8), 0..3),
        delays in vec(0u64..6, 1..8),
        what in claims(),
    ) {
        let truth = Truth { stalls: stalls.into_iter().map(|(lo, length)| (lo, lo + length)).collect(), ..truth };
        let scenario = scenario(what);
        let (events, lag) = arrivals(&truth, &delays);
        let mut decided: Option<Verdict> = None;
        for now in 0..=END + lag {
            let come = events.iter().filter(|(arrival, _, _)| *arrival <= now);
            let history = history(come.map(|(_, at, what)| (*at, what.clone())));
            let until = at(now).saturating_sub(ns(lag));
            let complete = now == END + lag;
            match (claim(the_claim(&scenario), &scenario, &history, Observed { until, complete }), decided) {
                (Decision::Decided(finding), None) => decided = Some(finding.verdict),
                (Decision::Decided(finding), Some(before)) => {
                    prop_assert_eq!(finding.verdict, before, "at {} of lag {}: {}", now, lag, finding.why);
                }
                (Decision::Pending(at), before) => {
                    prop_assert_eq!(before, None, "a decision was taken back at {}", now);
                    if let Some(at) = at {
                        prop_assert!(at > until, "waiting for {at} at {until} would never end");
                    }
                }
            }
        }
        prop_assert!(decided.is_some());
    }
}
