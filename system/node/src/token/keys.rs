//! An issuer's public keys, as far as they may vouch for tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, RSAKeyParameters};

use super::verifying_key::VerifyingKey;

/// A smaller modulus can be factored; a greater one takes too long to verify with.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 2048 / 8..=8192 / 8;

/// Keys looked at, the first of the set.
const MOST: usize = 64;

/// The keys that may vouch for an RS256 token, by id.
#[derive(Clone, Default)]
pub(super) struct Keys(BTreeMap<String, (Jwk, Arc<VerifyingKey>)>);

impl Keys {
    /// The usable ones of `published`. An id that stands for two keys stands for none. A key that was there
    /// `before` stays the same value.
    pub(super) fn usable(published: &JwkSet, before: &Self) -> Self {
        let mut by_id: BTreeMap<String, Option<(Jwk, Arc<VerifyingKey>)>> = BTreeMap::new();
        for jwk in published.keys.iter().take(MOST) {
            let (Some(rsa), Some(kid)) = (may_vouch(jwk), jwk.common.key_id.clone()) else { continue };
            let same = before.0.get(&kid).filter(|(known, _)| known == jwk);
            let key = match same {
                Some((_, key)) => Some(Arc::clone(key)),
                None => VerifyingKey::from_jwk(rsa).map(Arc::new),
            };
            let key = key.map(|key| (jwk.clone(), key));
            by_id
                .entry(kid)
                .and_modify(|held| {
                    if held.as_ref().is_some_and(|(known, _)| known != jwk) {
                        *held = None;
                    }
                })
                .or_insert(key);
        }
        Self(by_id.into_iter().filter_map(|(kid, key)| Some((kid, key?))).collect())
    }

    pub(super) fn get(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.0.get(kid).map(|(_, key)| key)
    }
}

/// The numbers of a key that is of the right kind, made for this, and of bearable size.
fn may_vouch(jwk: &Jwk) -> Option<&RSAKeyParameters> {
    let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else { return None };
    let for_signing =
        jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let for_rs256 = jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::RS256);
    // Base64 carries six bits a character.
    let modulus = rsa.n.trim_end_matches('=').len() * 6 / 8;
    (for_signing && for_rs256 && MODULUS_BYTES.contains(&modulus)).then_some(rsa)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{KEY, OTHER_KEY};

    fn set(keys: &[&Jwk]) -> JwkSet {
        JwkSet { keys: keys.iter().map(|key| (*key).clone()).collect() }
    }

    #[test]
    fn keys_not_meant_for_this_vouch_for_nothing() {
        let changes: [fn(&mut Jwk); 6] = [
            |jwk| jwk.common.public_key_use = Some(PublicKeyUse::Encryption),
            |jwk| jwk.common.key_algorithm = Some(KeyAlgorithm::RS512),
            |jwk| jwk.common.key_algorithm = Some(KeyAlgorithm::RSA_OAEP),
            |jwk| jwk.common.key_id = None,
            |jwk| {
                let AlgorithmParameters::RSA(rsa) = &mut jwk.algorithm else { return };
                rsa.n.truncate(200);
            },
            |jwk| {
                let AlgorithmParameters::RSA(rsa) = &mut jwk.algorithm else { return };
                rsa.n = rsa.n.repeat(5);
            },
        ];
        assert!(Keys::usable(&set(&[&KEY.public]), &Keys::default()).get("key-1").is_some());
        for (number, change) in changes.into_iter().enumerate() {
            let mut jwk = KEY.public.clone();
            change(&mut jwk);
            assert!(Keys::usable(&set(&[&jwk]), &Keys::default()).0.is_empty(), "{number}");
        }
    }

    #[test]
    fn an_id_that_stands_for_two_keys_stands_for_none() {
        let mut other = OTHER_KEY.public.clone();
        other.common.key_id = KEY.public.common.key_id.clone();
        for order in [[&KEY.public, &other], [&other, &KEY.public]] {
            assert!(Keys::usable(&set(&order), &Keys::default()).get("key-1").is_none());
        }
        let thrice = [&KEY.public, &other, &KEY.public];
        assert!(Keys::usable(&set(&thrice), &Keys::default()).get("key-1").is_none());
        let twice_the_same = [&KEY.public, &KEY.public];
        assert!(Keys::usable(&set(&twice_the_same), &Keys::default()).get("key-1").is_some());
    }

    #[test]
    fn a_key_that_stays_is_the_same_value_and_a_new_one_under_its_id_is_not() {
        let first = Keys::usable(&set(&[&KEY.public]), &Keys::default());
        let again = Keys::usable(&set(&[&KEY.public, &OTHER_KEY.public]), &first);
        assert!(Arc::ptr_eq(first.get("key-1").unwrap(), again.get("key-1").unwrap()));
        let mut other = OTHER_KEY.public.clone();
        other.common.key_id = KEY.public.common.key_id.clone();
        let changed = Keys::usable(&set(&[&other]), &again);
        assert!(!Arc::ptr_eq(first.get("key-1").unwrap(), changed.get("key-1").unwrap()));
    }

    #[test]
    fn no_more_than_so_many_are_looked_at() {
        let many: Vec<Jwk> = (0..=MOST)
            .map(|number| {
                let mut jwk = KEY.public.clone();
                jwk.common.key_id = Some(format!("key-{number}"));
                jwk
            })
            .collect();
        let keys = Keys::usable(&JwkSet { keys: many }, &Keys::default());
        assert!(keys.get("key-63").is_some() && keys.get("key-64").is_none());
    }
}
