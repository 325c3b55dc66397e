//! A circuit only ever goes CLOSED → OPEN → HALF_OPEN → CLOSED or OPEN.

use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;

/// Judges every `<node>/circuit/<dependency>` signal. A node that restarts begins anew; while it is
/// gone its circuits are `unknown`.
pub struct BreakerPath;

impl Invariant for BreakerPath {
    fn name(&self) -> &'static str {
        "breaker-path"
    }

    fn about(&self) -> &'static str {
        "a circuit only ever goes CLOSED → OPEN → HALF_OPEN → CLOSED or OPEN"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        let mut moves = 0;
        let mut circuits = 0;
        for (signal, changes) in history.signals().filter(|(signal, _)| signal.contains("/circuit/")) {
            circuits += 1;
            for pair in changes.windows(2) {
                let (from, to) = (pair[0].value.as_str(), pair[1].value.as_str());
                if !legal(from, to) {
                    return Ruling::violated(format!("{signal} went from {from} to {to}"), pair[1].at);
                }
                moves += 1;
            }
        }
        if circuits == 0 {
            Ruling::inconclusive("no circuit was seen")
        } else {
            Ruling::held(format!("{moves} moves of {circuits} circuits"))
        }
    }
}

fn legal(from: &str, to: &str) -> bool {
    match (from, to) {
        ("unknown", _)
        | (_, "unknown")
        | ("CLOSED" | "HALF_OPEN", "OPEN")
        | ("OPEN", "HALF_OPEN")
        | ("HALF_OPEN", "CLOSED") => true,
        (from, to) => from == to,
    }
}

#[cfg(test)]
mod tests {
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, history, signal};
    use super::*;

    fn verdict(path: &[&str]) -> Verdict {
        let events =
            path.iter().enumerate().map(|(n, value)| (at(n as u64), signal("hub/circuit/opa", value)));
        BreakerPath.judge(&Scenario::named("a/b"), &history(events)).verdict
    }

    #[test]
    fn the_whole_circle_holds_and_a_shortcut_does_not() {
        assert_eq!(verdict(&["CLOSED", "OPEN", "HALF_OPEN", "OPEN", "HALF_OPEN", "CLOSED"]), Verdict::Held);
        assert_eq!(verdict(&["CLOSED", "OPEN", "CLOSED"]), Verdict::Violated);
        assert_eq!(verdict(&["CLOSED", "HALF_OPEN"]), Verdict::Violated);
        assert_eq!(verdict(&["OPEN", "unknown", "CLOSED"]), Verdict::Held);
        assert_eq!(verdict(&[]), Verdict::Inconclusive);
    }
}
