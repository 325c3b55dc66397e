//! Looking whether what is written down agrees with what is there. Nothing is changed, nothing repaired.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;

use super::consistency::{Difference, Recorded, Seen, dangling, differences, made};
use super::{Done, Engine, Failure, Site, Thing};
use crate::store::Answer;
use crate::{DeploymentState, ErrorCode, Instance, ResourceKind, StoreError, ports};

/// How long one look may take.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// How many looks are under way at once.
const AT_ONCE: usize = 8;

/// What came of comparing one deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// Which.
    pub instance: Instance,
    /// What does not agree.
    pub differences: Vec<Difference>,
}

impl Engine {
    /// Compares what is written down of every deployment there ever was, and of the hub, with itself and with what
    /// is there; and names what is there of deployments of which nothing is written down. It takes no lock and changes
    /// nothing.
    ///
    /// # Errors
    /// When the store can't be read. What else can't be looked at is a difference.
    pub async fn check(&self) -> Answer<Vec<Compared>> {
        let slots = self.store.slots().await?;
        let instances: BTreeSet<_> =
            self.store.instances().await?.into_iter().chain([Instance::Hub]).collect();
        let mut deployed = BTreeSet::new();
        let unknown = self.look(self.platform.unknown(&instances)).await;
        let mut all = Vec::new();
        for instance in instances {
            let recorded = self.recorded(&instance).await?;
            if recorded.state != DeploymentState::Unknown {
                deployed.insert(instance.clone());
            }
            let given = |code: &_| slots.iter().find(|(known, _)| known == code).map(|(_, slot)| *slot);
            let seen = match ports::slot_of(&instance, given) {
                Some(slot) if recorded.holder.is_none() => {
                    let site = Site { instance: instance.clone(), slot };
                    self.seen(&site, made(&recorded)).await
                }
                _ => Seen::default(),
            };
            all.push(Compared { differences: differences(&recorded, &seen), instance });
        }
        match unknown {
            Ok(unknown) => {
                for (instance, thing) in unknown {
                    add(&mut all, &instance, Difference::Unknown(thing));
                }
            }
            // Of no instance of its own: it is told with the hub.
            Err(failure) => add(&mut all, &Instance::Hub, Difference::Unseen(failure.to_string())),
        }
        for lost in dangling(&self.store.links().await?, &deployed) {
            let Difference::Dangling { from, .. } = lost.clone() else { continue };
            add(&mut all, &from, lost);
        }
        Ok(all)
    }

    async fn recorded(&self, instance: &Instance) -> Answer<Recorded> {
        let checkpoints = match self.store.checkpoints(instance).await {
            Err(StoreError::Corrupt { corrupt, .. }) => Err(corrupt),
            other => Ok(other?),
        };
        Ok(Recorded {
            state: self.store.state(instance).await?,
            holder: self.store.holder(instance).await?.map(|held| held.by),
            checkpoints,
            intents: self.store.intents(instance).await?,
        })
    }

    async fn seen(&self, site: &Site, made: BTreeSet<Thing>) -> Seen {
        let mut seen = Seen::default();
        match self.look(self.platform.existing(site)).await {
            Ok(existing) => seen.existing = existing,
            Err(failure) => {
                // Where the engine does not answer, nothing can be found.
                seen.unseen.push(failure.to_string());
                return seen;
            }
        }
        let mut by_kind: BTreeMap<ResourceKind, Vec<Thing>> = BTreeMap::new();
        for thing in made {
            by_kind.entry(thing.kind).or_default().push(thing);
        }
        for things in by_kind.values() {
            for some in things.chunks(AT_ONCE) {
                let found =
                    join_all(some.iter().map(|thing| self.look(self.platform.find(site, thing)))).await;
                let mut failed = None;
                for (thing, found) in some.iter().zip(found) {
                    match found {
                        Ok(found) => drop(seen.named.insert(thing.clone(), found)),
                        Err(failure) => failed = failed.or(Some(format!("{thing}: {failure}"))),
                    }
                }
                if let Some(failed) = failed {
                    // Others of its kind are in the same place.
                    seen.unseen.push(failed);
                    break;
                }
            }
        }
        seen
    }

    async fn look<T>(&self, call: impl Future<Output = Done<T>>) -> Done<T> {
        let done = self.runtime.timeout(LOOK_LIMIT, call).await;
        done.unwrap_or_else(|elapsed| Err(Failure::new(ErrorCode::Timeout, elapsed.to_string())))
    }
}

/// Adds what differs to what is known of its instance, once.
fn add(all: &mut Vec<Compared>, instance: &Instance, difference: Difference) {
    match all.iter_mut().find(|compared| compared.instance == *instance) {
        Some(compared) if compared.differences.contains(&difference) => {}
        Some(compared) => compared.differences.push(difference),
        None => all.push(Compared { instance: instance.clone(), differences: vec![difference] }),
    }
}
