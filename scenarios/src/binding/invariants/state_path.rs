//! A deployment's states follow each other as they may.

use std::collections::BTreeMap;

use dive_orchestrator::DeploymentState;
use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;

use super::facts;
use crate::binding::deployment::deeds::STATE;

/// Each change of an instance's state leaves the state that the change before it entered, and enters one that may
/// follow. The first leaves UNKNOWN.
pub struct StatePath;

impl Invariant for StatePath {
    fn name(&self) -> &'static str {
        "state-path"
    }

    fn about(&self) -> &'static str {
        "each state of a deployment follows the one before it, and may"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        let mut states: BTreeMap<&str, DeploymentState> = BTreeMap::new();
        let mut changes = 0;
        for change in facts(history, STATE) {
            let (instance, by) = (change.get("instance"), change.get("by"));
            let (Ok(from), Ok(to)) = (change.get("from").parse(), change.get("to").parse()) else {
                let why = format!("{by} wrote {:?} → {:?}", change.get("from"), change.get("to"));
                return Ruling::violated(format!("{why} for {instance}, which are no states"), change.at);
            };
            let before = states.insert(instance, to).unwrap_or(DeploymentState::Unknown);
            if before != from || !from.may_become(to) {
                let why = format!("{by} wrote {from} → {to} for {instance}, which was {before}");
                return Ruling::violated(why, change.at);
            }
            changes += 1;
        }
        Ruling::held(format!("{changes} changes of {} deployments", states.len()))
    }
}

#[cfg(test)]
mod tests {
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, fact, history};
    use super::*;

    fn verdict(path: &[(&str, &str, &str)]) -> Verdict {
        let change = |(instance, from, to): &(&str, &str, &str)| {
            fact("postgres", STATE, &[("instance", instance), ("from", from), ("to", to), ("by", "a")])
        };
        let events = path.iter().map(change).zip(1..).map(|(what, second)| (at(second), what));
        StatePath.judge(&Scenario::named("a/b"), &history(events)).verdict
    }

    #[test]
    fn each_instance_goes_its_own_legal_way() {
        let both = [
            ("hub", "UNKNOWN", "INITIALIZING"),
            ("spoke-fra", "UNKNOWN", "INITIALIZING"),
            ("hub", "INITIALIZING", "DEPLOYING"),
            ("spoke-fra", "INITIALIZING", "FAILED"),
        ];
        assert_eq!(verdict(&both), Verdict::Held);
        assert_eq!(verdict(&[]), Verdict::Held);
    }

    #[test]
    fn a_gap_a_leap_and_a_word_that_is_no_state_are_seen() {
        let began = ("hub", "UNKNOWN", "INITIALIZING");
        assert_eq!(verdict(&[("hub", "INITIALIZING", "DEPLOYING")]), Verdict::Violated, "it was UNKNOWN");
        assert_eq!(
            verdict(&[began, ("hub", "INITIALIZING", "COMPLETE")]),
            Verdict::Violated,
            "not a next one"
        );
        assert_eq!(verdict(&[began, began]), Verdict::Violated, "two writers that both passed");
        assert_eq!(verdict(&[("hub", "UNKNOWN", "DEPLOYED")]), Verdict::Violated, "no state");
    }
}
