//! What is decided is so by every reading, and what can be known is decided.

use harness_core::judge::{Decision, Observed, claim};
use harness_core::scenario::Claim;
use harness_core::verdict::Verdict;
use proptest::prelude::*;

use crate::draw::{END, Truth, at, claims, scenario, the_claim, truths, with_a_blind_spot};
use crate::oracle::{Outcome, outcomes};

fn verdict(what: &Claim, truth: &Truth) -> Verdict {
    let scenario = scenario(what.clone());
    let observed = Observed { until: at(2 * END), complete: true };
    match claim(the_claim(&scenario), &scenario, &truth.history(), observed) {
        Decision::Decided(finding) => finding.verdict,
        Decision::Pending(_) => unreachable!("a complete timeline decides every claim"),
    }
}

fn agrees(verdict: Verdict, outcomes: &[Outcome]) -> bool {
    match verdict {
        Verdict::Held => !outcomes.contains(&Outcome::False) && outcomes.contains(&Outcome::True),
        Verdict::Violated => !outcomes.contains(&Outcome::True) && outcomes.contains(&Outcome::False),
        Verdict::Inconclusive => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_is_held_is_true_and_what_is_violated_is_false_by_every_reading(
        truth in truths(3), claim in claims(),
    ) {
        let (verdict, outcomes) = (verdict(&claim, &truth), outcomes(&claim, &truth));
        prop_assert!(agrees(verdict, &outcomes), "{verdict}, but by its readings: {outcomes:?}");
    }

    #[test]
    fn what_a_blind_spot_hides_is_not_taken_for_silence(
        truth in truths(2).prop_flat_map(with_a_blind_spot), claim in claims(),
    ) {
        let (verdict, outcomes) = (verdict(&claim, &truth), outcomes(&claim, &truth));
        prop_assert!(agrees(verdict, &outcomes), "{verdict}, but by its readings: {outcomes:?}");
    }

    #[test]
    fn where_every_instant_is_known_the_judge_knows(truth in truths(0), claim in claims()) {
        let outcomes = outcomes(&claim, &truth);
        prop_assert_eq!(outcomes.len(), 1, "one reading, one outcome");
        let expected = match outcomes[0] {
            Outcome::True => Verdict::Held,
            Outcome::False => Verdict::Violated,
            Outcome::Nothing => Verdict::Inconclusive,
        };
        prop_assert_eq!(verdict(&claim, &truth), expected);
    }

    #[test]
    fn a_blind_spot_and_a_stall_only_ever_make_an_answer_inconclusive(
        truth in truths(2), claim in claims(), blind in (0u64..40, 0u64..15), stall in (0u64..40, 0u64..15),
    ) {
        let plain = verdict(&claim, &truth);
        let blinded = Truth { blind: Some((blind.0, blind.0 + blind.1)), ..truth.clone() };
        let stalled = Truth { stalls: vec![(stall.0, stall.0 + stall.1)], ..truth };
        for worse in [verdict(&claim, &blinded), verdict(&claim, &stalled)] {
            prop_assert!(worse == plain || worse == Verdict::Inconclusive, "{plain} became {worse}");
        }
    }
}
