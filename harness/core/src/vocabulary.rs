//! What a system under test can be asked about: the words its scenarios may use.
//!
//! A binding declares them once. `check` holds every scenario against them before anything starts,
//! so a misspelt signal or a value that can't occur is an error with a suggestion, not a time-out.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Edge, ServiceName};

/// Whether a setting, named first, may have a value; why not, otherwise.
pub type TakesSetting = fn(&str, &str) -> Result<(), String>;

/// The words of a system.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The topologies by name.
    pub topologies: BTreeMap<String, Topology>,
    /// The kinds of requests by name, each with the classes its answers can have.
    pub requests: BTreeMap<String, BTreeSet<String>>,
    /// The named invariants with a sentence each.
    pub invariants: BTreeMap<String, String>,
    /// The settings that scenarios may override, with a sentence each.
    pub settings: BTreeMap<String, String>,
    /// Which values settings may have. Without it every value is taken.
    pub setting_takes: Option<TakesSetting>,
}

/// The parts of a topology and what can be seen of them.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// A sentence about it.
    pub about: String,
    /// Its services.
    pub services: BTreeSet<ServiceName>,
    /// Its edges.
    pub edges: BTreeSet<Edge>,
    /// Its signals by name, each with the values it can have.
    pub signals: BTreeMap<String, BTreeSet<String>>,
    /// The signals by which it is seen to be at rest, each with its value then: part of the steady state of
    /// every scenario that does not ask otherwise of them.
    pub at_rest: BTreeMap<String, String>,
    /// Its measures by name, each with its unit.
    pub measures: BTreeMap<String, String>,
}

/// The known word nearest to an unknown one, if any is near enough to be what was meant.
pub fn suggest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(unknown, word), word))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

/// The set of these words.
pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        let known = ["hub/circuit/opa", "hub/status"];
        assert_eq!(suggest("hub/circuit/opaa", known), Some("hub/circuit/opa"));
        assert_eq!(suggest("hub/circit/opa", known), Some("hub/circuit/opa"));
        assert_eq!(suggest("xyz", known), None);
    }
}
