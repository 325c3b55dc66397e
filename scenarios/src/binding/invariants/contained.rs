//! A fault of one thing stays with that thing.

use harness_core::event::Stage;
use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;
use harness_core::time::{At, Span};

/// While only some things are faulted, no circuit to anything else opens.
///
/// A circuit `<node>/circuit/<dependency>` may open from the injection of a fault whose victim is the
/// node or the dependency until half a minute after its heal: results of calls that were under way at
/// the heal come in until then.
pub struct Contained;

const AFTERMATH: std::time::Duration = std::time::Duration::from_secs(30);

impl Invariant for Contained {
    fn name(&self) -> &'static str {
        "contained"
    }

    fn about(&self) -> &'static str {
        "no circuit opens but those to what is faulted"
    }

    fn judge(&self, scenario: &Scenario, history: &History) -> Ruling {
        let blamed: Vec<(&str, Span)> = scenario
            .faults
            .iter()
            .flat_map(|(name, fault)| {
                let began = history.fault_times(name, Stage::Injecting);
                let ended = history.fault_times(name, Stage::Healed);
                began.iter().enumerate().map(move |(n, began)| {
                    let end = ended
                        .get(n)
                        .map_or(At::from_start(std::time::Duration::MAX), |end| end.hi + AFTERMATH);
                    (fault.victim().0.as_str(), Span::between(began.lo, end))
                })
            })
            .collect();
        let mut openings = 0;
        for (signal, changes) in history.signals() {
            let mut parts = signal.split("/circuit/");
            let (Some(node), Some(dependency)) = (parts.next(), parts.next()) else { continue };
            for opening in changes.iter().filter(|change| change.value == "OPEN") {
                openings += 1;
                let accounted = |(victim, window): &(&str, Span)| {
                    (*victim == node || *victim == dependency) && window.overlaps(opening.at)
                };
                if !blamed.iter().any(accounted) {
                    return Ruling::violated(
                        format!("{signal} opened, and neither {dependency} nor {node} was faulted"),
                        opening.at,
                    );
                }
            }
        }
        Ruling::held(format!("{openings} openings, each of a faulted dependency"))
    }
}

#[cfg(test)]
mod tests {
    use harness_core::event::What;
    use harness_core::fault::Fault;
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, history, signal};
    use super::*;

    fn verdict(opened: &str, at_second: u64) -> Verdict {
        let fault = Fault::Stop("opa".into());
        let mut scenario = Scenario::named("a/b");
        scenario.faults.insert("outage".into(), fault.clone());
        let stage =
            |stage| What::Fault { name: "outage".into(), fault: fault.clone(), stage, detail: String::new() };
        let events = [
            (at(10), stage(Stage::Injecting)),
            (at(20), stage(Stage::Healed)),
            (at(at_second), signal(opened, "OPEN")),
        ];
        Contained.judge(&scenario, &history(events)).verdict
    }

    #[test]
    fn only_the_circuit_to_the_faulted_dependency_may_open_and_only_then() {
        assert_eq!(verdict("hub/circuit/opa", 15), Verdict::Held);
        assert_eq!(verdict("hub/circuit/kas", 15), Verdict::Violated);
        assert_eq!(verdict("hub/circuit/opa", 5), Verdict::Violated);
        assert_eq!(verdict("hub/circuit/opa", 90), Verdict::Violated);
    }
}
