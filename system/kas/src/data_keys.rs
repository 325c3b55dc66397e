//! Data keys unwrapped lately.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use dive_authz::ztdf::key_wrap::WrappedKey;
use dive_authz::ztdf::{Dek, Digest, KeyAccess};
use dive_runtime::Monotonic;

/// A bounded memory of data keys. It spares the unwrapping, never the authorization.
///
/// # Rules
/// - A key is given back only for the resource, key access object, wrapped key and policy it was unwrapped from,
///   and only before its time to live has passed.
/// - At most `capacity` keys are kept; the one kept longest makes room.
/// - A key that goes is wiped.
#[derive(Debug)]
pub struct DataKeys {
    ttl: Duration,
    capacity: NonZeroUsize,
    keys: BTreeMap<Place, Kept>,
    /// The same keys in the order in which they expire.
    order: BTreeMap<(Monotonic, u64), Place>,
    kept_so_far: u64,
}

/// Resource and key access object.
type Place = (Box<str>, Box<str>);

#[derive(Debug)]
struct Kept {
    wrapped: WrappedKey,
    policy: Digest,
    dek: Dek,
    turn: (Monotonic, u64),
}

impl DataKeys {
    /// An empty memory.
    pub const fn new(ttl: Duration, capacity: NonZeroUsize) -> Self {
        Self { ttl, capacity, keys: BTreeMap::new(), order: BTreeMap::new(), kept_so_far: 0 }
    }

    /// The key in `access`, an object of `resource` under the policy of that digest, if it is remembered.
    pub fn get(
        &mut self,
        now: Monotonic,
        resource: &str,
        access: &KeyAccess,
        policy: &Digest,
    ) -> Option<Dek> {
        self.expire(now);
        let kept = self.keys.get(&place(resource, access))?;
        (kept.wrapped == access.wrapped_key && kept.policy == *policy).then(|| kept.dek.clone())
    }

    /// Remembers `dek` as the key in `access`.
    pub fn keep(&mut self, now: Monotonic, resource: &str, access: &KeyAccess, policy: &Digest, dek: Dek) {
        self.expire(now);
        let place = place(resource, access);
        if let Some(replaced) = self.keys.remove(&place) {
            self.order.remove(&replaced.turn);
        } else if self.keys.len() >= self.capacity.get()
            && let Some((_, first)) = self.order.pop_first()
        {
            self.keys.remove(&first);
        }
        self.kept_so_far += 1;
        let turn = (now + self.ttl, self.kept_so_far);
        self.order.insert(turn, place.clone());
        self.keys.insert(place, Kept { wrapped: access.wrapped_key.clone(), policy: *policy, dek, turn });
    }

    /// Forgets every key whose time has passed.
    pub fn expire(&mut self, now: Monotonic) {
        while let Some(first) = self.order.first_entry() {
            if now < first.key().0 {
                return;
            }
            self.keys.remove(&first.remove());
        }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn place(resource: &str, access: &KeyAccess) -> Place {
    (resource.into(), access.kao_id.as_str().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use dive_authz::Resource;
    use dive_authz::ztdf::Policy;
    use dive_authz::ztdf::key_wrap::PrivateKey;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const TTL: u64 = 3600;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::from_start(Duration::from_secs(seconds))
    }

    fn policy(resource: &str) -> Policy {
        Policy::of(&Resource { resource_id: resource.to_owned(), ..Resource::default() })
    }

    fn access(resource: &str, seed: u64) -> (KeyAccess, Dek) {
        let mut rng = StdRng::seed_from_u64(seed);
        let (kas, dek) = (PrivateKey::generate(&mut rng).public_key(), Dek::generate(&mut rng));
        let kao_id = format!("kao-{resource}");
        (KeyAccess::wrap(kao_id, "http://kas", &dek, &policy(resource), &kas, &mut rng).unwrap(), dek)
    }

    fn keys(capacity: usize) -> DataKeys {
        DataKeys::new(Duration::from_secs(TTL), NonZeroUsize::new(capacity).unwrap())
    }

    #[test]
    fn a_key_is_remembered_for_its_time_and_no_longer() {
        let mut keys = keys(4);
        let (access, dek) = access("r", 1);
        let digest = policy("r").digest();
        keys.keep(at(10), "r", &access, &digest, dek.clone());
        assert_eq!(keys.get(at(10 + TTL - 1), "r", &access, &digest), Some(dek));
        assert_eq!(keys.get(at(10 + TTL), "r", &access, &digest), None);
        assert!(keys.is_empty() && keys.order.is_empty(), "it is gone, not only hidden");
    }

    #[test]
    fn a_key_is_given_only_for_what_it_was_unwrapped_from() {
        let mut keys = keys(4);
        let (first, dek) = access("r", 1);
        let (rewrapped, _) = access("r", 2);
        let (digest, changed) = (policy("r").digest(), policy("s").digest());
        keys.keep(at(0), "r", &first, &digest, dek.clone());
        assert_eq!(keys.get(at(1), "r", &rewrapped, &digest), None, "another wrapped key");
        assert_eq!(keys.get(at(1), "r", &first, &changed), None, "another policy");
        assert_eq!(keys.get(at(1), "s", &first, &digest), None, "another resource");
        let renamed = KeyAccess { kao_id: "kao-s".to_owned(), ..first.clone() };
        assert_eq!(keys.get(at(1), "r", &renamed, &digest), None, "another key access object");
        assert_eq!(keys.get(at(1), "r", &first, &digest), Some(dek));
    }

    #[test]
    fn the_one_kept_longest_makes_room() {
        let mut keys = keys(2);
        let three =
            ["a", "b", "c"].map(|resource| (resource, access(resource, 1), policy(resource).digest()));
        for (second, (resource, (access, dek), digest)) in three.iter().enumerate() {
            keys.keep(at(second as u64), resource, access, digest, dek.clone());
        }
        let found =
            three.each_ref().map(|(r, (access, _), digest)| keys.get(at(3), r, access, digest).is_some());
        assert_eq!(found, [false, true, true]);
    }

    proptest! {
        #[test]
        fn both_indexes_hold_the_same_keys_and_no_more_than_there_is_room_for(
            steps in proptest::collection::vec((0..2000u64, 0..5u8), 1..40), capacity in 1..4usize,
        ) {
            let mut keys = keys(capacity);
            let objects: Vec<_> = (0..5u64).map(|n| (n.to_string(), access(&n.to_string(), n))).collect();
            let mut now = 0;
            for (later, which) in steps {
                now += later;
                let (resource, (access, dek)) = &objects[usize::from(which)];
                keys.keep(at(now), resource, access, &policy(resource).digest(), dek.clone());
                prop_assert!(keys.len() <= capacity);
                prop_assert_eq!(keys.keys.len(), keys.order.len());
                prop_assert!(keys.order.values().all(|place| keys.keys.contains_key(place)));
                prop_assert!(keys.keys.values().all(|kept| kept.turn.0 > at(now)));
            }
        }
    }
}
