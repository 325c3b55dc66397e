//! A fault of one thing stays with that thing.

use std::time::Duration;

use harness_core::event::{Phase, Stage};
use harness_core::history::{Change, History};
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;
use harness_core::time::{At, Span};

/// While only some things are faulted, no circuit to anything else opens.
///
/// A circuit `<node>/circuit/<dependency>` may open from the injection of a fault whose victim is the
/// node or the dependency until half a minute after its heal: results of calls that were under way at
/// the heal come in until then. Nothing is said of the time before the steady state was shown: what opens
/// while the topology comes up is closed again before anything is broken.
pub struct Contained;

const AFTERMATH: Duration = Duration::from_secs(30);

/// The longest span over which the failures that open a circuit can spread, and the deadline of each: a
/// machine that stalled for longer within it may have opened the circuit.
const FAILING: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(2);

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
                    let end = ended.get(n).map_or(At::from_start(Duration::MAX), |end| end.hi + AFTERMATH);
                    (fault.victim().0.as_str(), Span::between(began.lo, end))
                })
            })
            .collect();
        let Some(began) = history.phase(Phase::Experiment) else {
            return Ruling::held("nothing was broken");
        };
        let (mut openings, mut by_stall) = (0, None);
        for (signal, changes) in history.signals() {
            let mut parts = signal.split("/circuit/");
            let (Some(node), Some(dependency)) = (parts.next(), parts.next()) else { continue };
            let opened = |change: &&Change| change.value == "OPEN" && change.at.hi >= began;
            for opening in changes.iter().filter(opened) {
                openings += 1;
                let accounted = |(victim, window): &(&str, Span)| {
                    (*victim == node || *victim == dependency) && window.overlaps(opening.at)
                };
                if blamed.iter().any(accounted) {
                    continue;
                }
                let why = format!("{signal} opened, and neither {dependency} nor {node} was faulted");
                let before = Span::between(opening.at.lo.saturating_sub(FAILING), opening.at.hi);
                let stalled = history.stalled_within(before);
                if stalled < DEADLINE {
                    return Ruling::violated(why, opening.at);
                }
                by_stall = Some(format!("{why}, but the machine stalled for {stalled:.1?}"));
            }
        }
        if let Some(why) = by_stall {
            return Ruling::inconclusive(why);
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

    fn began() -> What {
        What::Phase { phase: Phase::Experiment }
    }

    fn verdict(opened: &str, at_second: u64) -> Verdict {
        let fault = Fault::Stop("opa".into());
        let mut scenario = Scenario::named("a/b");
        scenario.faults.insert("outage".into(), fault.clone());
        let stage =
            |stage| What::Fault { name: "outage".into(), fault: fault.clone(), stage, detail: String::new() };
        let events = [
            (at(8), began()),
            (at(10), stage(Stage::Injecting)),
            (at(20), stage(Stage::Healed)),
            (at(at_second), signal(opened, "OPEN")),
        ];
        Contained.judge(&scenario, &history(events)).verdict
    }

    #[test]
    fn a_machine_that_stalled_is_to_blame_too_and_nothing_is_said_of_the_system() {
        let judged = |stall: Option<(u64, u64)>| {
            let stall = stall.map(|(from, to)| (Span::between(at(from).lo, at(to).lo), What::Stall));
            let events =
                stall.into_iter().chain([(at(5), began()), (at(60), signal("hub/circuit/kas", "OPEN"))]);
            Contained.judge(&Scenario::named("a/b"), &history(events)).verdict
        };
        assert_eq!(judged(None), Verdict::Violated);
        assert_eq!(judged(Some((50, 53))), Verdict::Inconclusive);
        assert_eq!(judged(Some((50, 51))), Verdict::Violated, "shorter than any deadline");
        assert_eq!(judged(Some((10, 20))), Verdict::Violated, "long before");
    }

    #[test]
    fn only_the_circuit_to_the_faulted_dependency_may_open_and_only_then() {
        assert_eq!(verdict("hub/circuit/opa", 15), Verdict::Held);
        assert_eq!(verdict("hub/circuit/kas", 15), Verdict::Violated);
        assert_eq!(verdict("hub/circuit/opa", 9), Verdict::Violated);
        assert_eq!(verdict("hub/circuit/opa", 5), Verdict::Held, "before anything was to be shown");
        assert_eq!(verdict("hub/circuit/opa", 90), Verdict::Violated);
    }
}
