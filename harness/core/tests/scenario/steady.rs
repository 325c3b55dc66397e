//! What the steady state is when a file says less than all of it.

use std::collections::BTreeMap;

use harness_core::scenario::check;
use harness_core::scenario::source::File;

use crate::{WHOLE, read, vocabulary};

const STEADY: &str =
    "steady:\n  signals: {hub/status: healthy, hub/circuit/opa: CLOSED}\n  for: 5s\n  within: 1m\n";

fn steady(instead: &str) -> BTreeMap<String, String> {
    assert!(WHOLE.contains(STEADY));
    read(&WHOLE.replace(STEADY, instead)).expect("a scenario").steady.signals
}

fn signals<const N: usize>(signals: [(&str, &str); N]) -> BTreeMap<String, String> {
    signals.map(|(signal, value)| (signal.to_owned(), value.to_owned())).into()
}

#[test]
fn a_file_that_says_nothing_means_the_topology_at_rest() {
    assert_eq!(steady(""), signals([("hub/status", "healthy")]));
    assert_eq!(steady("steady: {for: 5s}\n"), signals([("hub/status", "healthy")]));
}

#[test]
fn what_a_file_says_comes_beside_the_topology_at_rest_or_in_its_place() {
    let more = signals([("hub/status", "healthy"), ("hub/circuit/opa", "CLOSED")]);
    assert_eq!(steady("steady: {signals: {hub/circuit/opa: CLOSED}}\n"), more);
    let otherwise = steady("steady: {signals: {hub/status: degraded}}\n");
    assert_eq!(otherwise, signals([("hub/status", "degraded")]));
}

#[test]
fn where_nobody_says_when_the_system_is_at_rest_the_file_must() {
    let mut vocabulary = vocabulary();
    for topology in vocabulary.topologies.values_mut() {
        topology.at_rest.clear();
    }
    let (path, text) = ("circuit/opa-outage.yaml", WHOLE.replace(STEADY, ""));
    let refused = check(&File::parse(&text, path).unwrap(), &vocabulary, path, &text).unwrap_err();
    assert!(refused.problems().iter().any(|problem| problem.message.contains("names no signal")));
}
