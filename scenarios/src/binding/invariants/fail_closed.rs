//! No allow without a fresh decision of the policy engine for exactly that input.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_core::event::Phase;
use harness_core::history::{Exchange, History};
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;
use harness_core::time::At;

use super::facts;
use crate::binding::topology::OPA;

/// Weighs three witnesses against each other: the caller, who was allowed or not; the node, which says
/// for each request what input it decided on; the engine, which says for each input what it decided.
///
/// An allow is justified by the engine's own allow for the same input, given before the answer and no
/// longer ago than the cache may keep it for that classification.
pub struct FailClosed;

/// How long a cached decision may be served, by the resource's classification.
fn time_to_live(classification: &str) -> Duration {
    Duration::from_secs(match classification {
        "UNCLASSIFIED" => 120,
        "RESTRICTED" => 90,
        "CONFIDENTIAL" => 60,
        "SECRET" => 30,
        _ => 15,
    })
}

/// What the witnesses tell of the last moments is not read before the topology is taken down.
const UNREAD: Duration = Duration::from_secs(10);

/// What clocks and pipes of different processes may add, in system time.
const SLACK: Duration = Duration::from_secs(1);

impl Invariant for FailClosed {
    fn name(&self) -> &'static str {
        "fail-closed"
    }

    fn about(&self) -> &'static str {
        "no allow without a fresh decision of the policy engine for exactly that input"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        let mut granted: BTreeMap<&str, Vec<At>> = BTreeMap::new();
        let mut inputs: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        for decision in facts(history, "decision") {
            if decision.witness != OPA {
                inputs
                    .insert(decision.get("request"), (decision.get("input"), decision.get("classification")));
            } else if decision.get("allow") == "true" {
                granted.entry(decision.get("input")).or_default().push(decision.at.lo);
            }
        }
        let mut allows = 0;
        let end = history.phase(Phase::CleanUp).unwrap_or(history.last_instant()).saturating_sub(UNREAD);
        let judged = |exchange: &&Exchange| exchange.answer.class == "allowed" && exchange.at.hi <= end;
        for exchange in history.loads().flat_map(|(_, exchanges)| exchanges).filter(judged) {
            allows += 1;
            let id = exchange.answer.detail.get("request").map_or("", String::as_str);
            let Some((input, classification)) = inputs.get(id) else {
                return Ruling::violated(
                    format!("request {id} was allowed, and the node tells of no decision for it"),
                    exchange.at,
                );
            };
            let latest = exchange.at.hi + SLACK;
            let earliest = exchange.at.lo.saturating_sub(time_to_live(classification) + SLACK);
            let fresh = |given: &At| (earliest..=latest).contains(given);
            if !granted.get(input).is_some_and(|given| given.iter().any(fresh)) {
                let why = match granted
                    .get(input)
                    .and_then(|given| given.iter().rfind(|given| **given <= latest))
                {
                    Some(given) => format!(
                        "request {id} was allowed on a decision of {given}, too old for {classification}"
                    ),
                    None => format!("request {id} was allowed, and the engine never allowed its input"),
                };
                return Ruling::violated(why, exchange.at);
            }
        }
        Ruling::held(format!("{allows} allows, each justified by a decision of the engine"))
    }
}

#[cfg(test)]
mod tests {
    use harness_core::event::What;
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, fact, history, request};
    use super::*;

    fn verdict(engine: &[(u64, &str, &str)], classification: &str) -> Verdict {
        let mut events: Vec<_> = engine
            .iter()
            .map(|(second, input, allow)| {
                (at(*second), fact(OPA, "decision", &[("input", input), ("allow", allow)]))
            })
            .collect();
        let told = [("request", "r1"), ("input", "i1"), ("classification", classification)];
        events.push((at(100), fact("hub", "decision", &told)));
        events.push((at(100), request("allowed", "r1")));
        events.push((at(200), What::Note { text: "the end is not so near".into() }));
        FailClosed.judge(&Scenario::named("a/b"), &history(events)).verdict
    }

    #[test]
    fn a_fresh_allow_for_the_same_input_justifies() {
        assert_eq!(verdict(&[(100, "i1", "true")], "SECRET"), Verdict::Held);
        assert_eq!(verdict(&[(75, "i1", "true")], "SECRET"), Verdict::Held);
    }

    #[test]
    fn nothing_else_does() {
        assert_eq!(verdict(&[], "SECRET"), Verdict::Violated, "no decision at all");
        assert_eq!(
            verdict(&[(60, "i1", "true")], "SECRET"),
            Verdict::Violated,
            "older than the cache may keep it"
        );
        assert_eq!(verdict(&[(100, "i1", "false")], "SECRET"), Verdict::Violated, "the engine denied");
        assert_eq!(verdict(&[(100, "i2", "true")], "SECRET"), Verdict::Violated, "another input");
        assert_eq!(verdict(&[(130, "i1", "true")], "SECRET"), Verdict::Violated, "decided only afterwards");
    }
}
