//! Every answered request is in the audit exactly once.

use std::collections::BTreeMap;

use harness_core::event::Phase;
use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;

use super::facts;

/// Holds every answer a caller got against the audit entries of the nodes, by request id.
///
/// Answers in the last moments before the topology is taken down are left out: their entries are
/// written, but the observer is gone before it can read them.
pub struct AuditComplete;

const UNREAD: std::time::Duration = std::time::Duration::from_secs(10);

impl Invariant for AuditComplete {
    fn name(&self) -> &'static str {
        "audit-complete"
    }

    fn about(&self) -> &'static str {
        "every answered request is in the audit exactly once"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        let mut entries: BTreeMap<&str, u32> = BTreeMap::new();
        for entry in facts(history, "audit") {
            let request = entry.get("request");
            let count = entries.entry(request).or_default();
            *count += 1;
            if *count > 1 {
                return Ruling::violated(
                    format!("request {request} is in the audit {count} times"),
                    entry.at,
                );
            }
        }
        let end = history.phase(Phase::CleanUp).unwrap_or(history.last_instant()).saturating_sub(UNREAD);
        let mut answered = 0;
        for exchange in
            history.loads().flat_map(|(_, exchanges)| exchanges).filter(|exchange| exchange.at.hi <= end)
        {
            let Some(request) = exchange.answer.detail.get("request") else { continue };
            answered += 1;
            if !entries.contains_key(request.as_str()) {
                let why = format!(
                    "request {request} was answered ({}) and is not in the audit",
                    exchange.answer.class
                );
                return Ruling::violated(why, exchange.at);
            }
        }
        Ruling::held(format!("{answered} answers, each with its entry"))
    }
}

#[cfg(test)]
mod tests {
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, fact, history, request};
    use super::*;

    fn verdict(audited: &[&str]) -> Verdict {
        let mut events = vec![
            (at(1), request("allowed", "r1")),
            (at(2), request("denied", "r2")),
            (at(60), request("allowed", "r3")),
        ];
        events.extend(audited.iter().map(|id| (at(3), fact("hub", "audit", &[("request", id)]))));
        AuditComplete.judge(&Scenario::named("a/b"), &history(events)).verdict
    }

    #[test]
    fn a_missing_entry_and_a_double_one_break_it() {
        assert_eq!(verdict(&["r1", "r2"]), Verdict::Held);
        assert_eq!(verdict(&["r1"]), Verdict::Violated);
        assert_eq!(verdict(&["r1", "r2", "r1"]), Verdict::Violated);
    }
}
