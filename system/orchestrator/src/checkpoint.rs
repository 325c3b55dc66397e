//! What a deployment made, and the points it can be taken back to.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{FencingToken, Phase, Stamp};

/// A kind of thing that a deployment makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// A file: configuration, a certificate, a secret.
    File,
    /// A network of the container engine.
    Network,
    /// A volume of the container engine.
    Volume,
    /// A container.
    Container,
    /// A realm, a client, an identity provider, a mapper, a user.
    RealmObject,
    /// A document of the registry or the resource store.
    Document,
}

/// One thing that a deployment makes, and how to undo it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Which one: a path, a container's name, a document's id.
    pub name: String,
    /// What stood there before, to be put back; `None` when nothing did, and it is to be removed. Never a
    /// secret's value: a secret's file is versioned, and this is its earlier version.
    pub before: Option<String>,
}

/// That a phase is about to make something: written before it is made, so that a crash at any instant leaves
/// nothing behind that the store doesn't know of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intent {
    /// Greater than that of every earlier intent of its instance.
    pub seq: u64,
    /// Which phase makes it.
    pub phase: Phase,
    /// What it makes.
    pub resource: Resource,
}

/// A finished phase.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Greater than that of every earlier checkpoint of its instance, so that two of one second differ.
    pub seq: u64,
    /// Which phase was finished.
    pub phase: Phase,
    /// When, by the store's clock.
    pub at: Stamp,
    /// Under which lock.
    pub token: FencingToken,
    /// All that undoing the phase needs, in the order it was made.
    pub resources: Vec<Resource>,
    /// The SHA-256 over phase and resources, in hexadecimal digits.
    pub digest: String,
}

/// A checkpoint whose content is not what was saved. It is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("checkpoint {seq} of {phase} is corrupt: its content doesn't match its digest")]
pub struct Corrupt {
    /// Which one.
    pub seq: u64,
    /// Of which phase.
    pub phase: Phase,
}

impl Checkpoint {
    /// A checkpoint over what the phase made.
    pub fn seal(seq: u64, phase: Phase, at: Stamp, token: FencingToken, resources: Vec<Resource>) -> Self {
        let digest = digest(phase, &resources);
        Self { seq, phase, at, token, resources, digest }
    }

    /// Whether it holds what was saved.
    ///
    /// # Errors
    /// [`Corrupt`], when it doesn't.
    pub fn verify(&self) -> Result<(), Corrupt> {
        if digest(self.phase, &self.resources) == self.digest {
            Ok(())
        } else {
            Err(Corrupt { seq: self.seq, phase: self.phase })
        }
    }
}

fn digest(phase: Phase, resources: &[Resource]) -> String {
    let content = serde_json::to_vec(&(phase, resources)).expect("phases and resources are plain data");
    format!("{:x}", Sha256::digest(content))
}

/// What a deployment has made or is about to make, in the order it began to.
///
/// # Rules
/// - Something intended twice by one phase is one entry, and keeps what stood there before the *first* time:
///   the second time, what stands there is the deployment's own.
/// - What was undone is no longer in it; undoing it again changes nothing.
/// - The undoing of a deployment down to a phase is every later phase's entry: what later phases made first, since it
///   stands on what earlier ones did, and of a phase the newest first. A thing is made by one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    entries: Vec<Intent>,
    issued: u64,
}

impl Ledger {
    /// The ledger with these entries, oldest first, of which `issued` were ever made.
    pub(crate) fn from_stored(entries: Vec<Intent>, issued: u64) -> Self {
        Self { entries, issued }
    }

    /// Writes down what a phase is about to make. True when it was not yet written.
    pub fn intend(&mut self, phase: Phase, resource: &Resource) -> bool {
        let known = self.entries.iter().any(|entry| same(entry, phase, resource));
        if !known {
            self.issued += 1;
            self.entries.push(Intent { seq: self.issued, phase, resource: resource.clone() });
        }
        !known
    }

    /// Strikes out what was undone. True when it was there.
    pub fn undone(&mut self, phase: Phase, resource: &Resource) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| !same(entry, phase, resource));
        self.entries.len() < before
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[Intent] {
        &self.entries
    }

    /// What a phase made, in order.
    pub fn of(&self, phase: Phase) -> Vec<Resource> {
        self.entries.iter().filter(|e| e.phase == phase).map(|e| e.resource.clone()).collect()
    }
}

fn same(entry: &Intent, phase: Phase, resource: &Resource) -> bool {
    entry.phase == phase && entry.resource.kind == resource.kind && entry.resource.name == resource.name
}

/// What must be undone to get back to the end of `keep` (to nothing, without one), in the order to do it.
/// Once it is all undone the plan is empty: rolling back twice is rolling back once.
pub fn undo_plan(intents: &[Intent], keep: Option<Phase>) -> Vec<Intent> {
    let mut plan: Vec<_> =
        intents.iter().filter(|intent| keep.is_none_or(|keep| intent.phase > keep)).cloned().collect();
    plan.sort_by_key(|intent| std::cmp::Reverse((intent.phase, intent.seq)));
    plan
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn resource() -> impl Strategy<Value = Resource> {
        let kind = prop::sample::select(vec![
            ResourceKind::File,
            ResourceKind::Network,
            ResourceKind::Container,
            ResourceKind::Document,
        ]);
        (kind, "[a-c]").prop_map(|(kind, name)| Resource { kind, name, before: None })
    }

    fn phase() -> impl Strategy<Value = Phase> {
        prop::sample::select(Phase::ALL.to_vec())
    }

    /// Each thing is made by a phase of its own.
    fn by_one_phase_each(made: Vec<(Resource, String)>) -> Vec<(Phase, Resource, String)> {
        let phase = |resource: &Resource| {
            let letter = usize::from(resource.name.as_bytes()[0]) + resource.kind as usize;
            Phase::ALL[letter % Phase::ALL.len()]
        };
        made.into_iter().map(|(resource, content)| (phase(&resource), resource, content)).collect()
    }

    type Ground = BTreeMap<(ResourceKind, String), String>;

    /// Makes a thing: intent first, then the thing.
    fn make(ledger: &mut Ledger, ground: &mut Ground, phase: Phase, resource: &Resource, content: &str) {
        let key = (resource.kind, resource.name.clone());
        let before = ground.get(&key).cloned();
        ledger.intend(phase, &Resource { before, ..resource.clone() });
        ground.insert(key, content.to_owned());
    }

    /// Rolls back, at most `steps` steps far; each undoing is struck out after it was done.
    fn roll_back(ledger: &mut Ledger, ground: &mut Ground, keep: Option<Phase>, steps: usize) {
        for intent in undo_plan(ledger.entries(), keep).into_iter().take(steps) {
            let key = (intent.resource.kind, intent.resource.name.clone());
            match &intent.resource.before {
                Some(content) => ground.insert(key, content.clone()),
                None => ground.remove(&key),
            };
            ledger.undone(intent.phase, &intent.resource);
        }
    }

    proptest! {
        #[test]
        fn rolling_back_restores_exactly_the_point_even_when_interrupted_and_done_twice(
            standing in prop::collection::btree_map("[a-c]", "[x-z]", 0..3),
            mut made in prop::collection::vec((resource(), "[p-r]"), 0..30).prop_map(by_one_phase_each),
            keep in prop::option::of(phase()),
            interrupted in 0usize..12,
        ) {
            if keep.is_some() {
                made.sort_by_key(|(phase, ..)| *phase);
            }
            let mut ground: Ground =
                standing.into_iter().map(|(name, was)| ((ResourceKind::File, name), was)).collect();
            let mut ledger = Ledger::default();
            let mut at_the_point = (ground.clone(), ledger.entries().to_vec());
            for (phase, resource, content) in &made {
                make(&mut ledger, &mut ground, *phase, resource, content);
                if keep.is_some_and(|keep| *phase <= keep) {
                    at_the_point = (ground.clone(), ledger.entries().to_vec());
                }
            }
            roll_back(&mut ledger, &mut ground, keep, interrupted);
            roll_back(&mut ledger, &mut ground, keep, usize::MAX);
            prop_assert_eq!((&ground, ledger.entries()), (&at_the_point.0, at_the_point.1.as_slice()));
            prop_assert!(undo_plan(ledger.entries(), keep).is_empty(), "twice is once");
        }

        #[test]
        fn a_checkpoint_verifies_until_any_of_its_content_changes(
            resources in prop::collection::vec(resource(), 1..6), phase in phase(), other in phase(), index: prop::sample::Index
        ) {
            let sealed = Checkpoint::seal(1, phase, Stamp::default(), FencingToken::FIRST, resources);
            prop_assert_eq!(sealed.verify(), Ok(()));
            let corrupt = Err(Corrupt { seq: 1, phase });

            let mut lost = sealed.clone();
            lost.resources.remove(index.index(lost.resources.len()));
            prop_assert_eq!(lost.verify(), corrupt.clone());

            let mut renamed = sealed.clone();
            renamed.resources[index.index(sealed.resources.len())].name.push('x');
            prop_assert_eq!(renamed.verify(), corrupt);

            let moved = Checkpoint { phase: other, ..sealed };
            prop_assert_eq!(moved.verify().is_ok(), other == phase);
        }
    }

    #[test]
    fn what_stood_there_before_the_first_time_is_what_is_put_back() {
        let mut ledger = Ledger::default();
        let file = |before: &str| Resource {
            kind: ResourceKind::File,
            name: "node.toml".into(),
            before: Some(before.into()),
        };
        assert!(ledger.intend(Phase::Initialization, &file("the operator's")));
        assert!(!ledger.intend(Phase::Initialization, &file("our own")));
        assert_eq!(ledger.of(Phase::Initialization), [file("the operator's")]);
    }
}
