//! The whole object: made, checked without the key, opened with it.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::manifest::binding;
use super::{Dek, Digest, KeyAccess, Manifest, Policy, encoding};
use crate::input::{Resource, Ztdf};

/// Bytes of the nonce before the ciphertext.
const NONCE: usize = 12;

/// A ZTDF object as it is stored: `{"manifest": {…}, "payload": "base64"}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// The policy, the hashes, where the key can be had.
    pub manifest: Manifest,
    /// Nonce (12 bytes), ciphertext, tag (16 bytes).
    #[serde(with = "encoding")]
    pub payload: Vec<u8>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("manifest", &self.manifest)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .finish()
    }
}

/// What an object looks like without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Both hashes are those of what they are hashes of.
    Intact,
    /// The policy is not the one that was hashed.
    PolicyChanged,
    /// The payload, a key access object or one of the hashes is not what was hashed.
    PayloadChanged,
    /// The object is intact, but the metadata beside it say something else than its policy.
    Mislabelled,
}

/// The payload does not belong to this key and this manifest, or it was changed: which cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the payload does not belong to this key and this manifest, or it was changed")]
pub struct OpenError;

/// Encrypts `plaintext` under `policy` with `dek`, which must be a fresh key, already wrapped in each of
/// `key_access`.
///
/// ```
/// use dive_authz::input::Resource;
/// use dive_authz::ztdf::{self, Dek, KeyAccess, Policy, key_wrap::PrivateKey};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let mut rng = StdRng::seed_from_u64(7);
/// let kas = PrivateKey::generate(&mut rng);
/// let policy = Policy::of(&Resource { resource_id: "r1".into(), ..Resource::default() });
/// let dek = Dek::generate(&mut rng);
/// let access = KeyAccess::wrap("kao-r1", "https://kas", &dek, &policy, &kas.public_key(), &mut rng)?;
/// let object = ztdf::seal(b"plain", policy, &dek, vec![access], &mut rng);
///
/// // The key access service, after it authorized the release:
/// let access = object.manifest.key_access("kao-r1").expect("it was put there");
/// let released = access.unwrap(&object.manifest.policy, &kas)?;
/// assert_eq!(ztdf::open(&object, &released)?, b"plain");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn seal<R: CryptoRng + RngCore>(
    plaintext: &[u8],
    policy: Policy,
    dek: &Dek,
    key_access: Vec<KeyAccess>,
    rng: &mut R,
) -> Object {
    let policy_hash = policy.digest();
    let binding = binding(&policy_hash, &key_access);
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let encrypted = Aes256Gcm::new(dek.expose().into())
        .encrypt(&nonce.into(), Payload { msg: plaintext, aad: &binding })
        .expect("a payload in memory is shorter than the 64 GiB that one key encrypts");
    let payload = [nonce.as_slice(), &encrypted].concat();
    let payload_hash = payload_digest(&binding, &payload);
    Object { manifest: Manifest { policy, policy_hash, payload_hash, key_access }, payload }
}

/// Recomputes both hashes. No key is needed, and nothing that the object claims is believed.
pub fn check(object: &Object) -> Integrity {
    let Object { manifest, payload } = object;
    if manifest.policy.digest() != manifest.policy_hash {
        Integrity::PolicyChanged
    } else if payload_digest(&manifest.binding(), payload) != manifest.payload_hash {
        Integrity::PayloadChanged
    } else {
        Integrity::Intact
    }
}

/// [`check`], and whether the metadata say what the object's policy says. It is the metadata that are
/// decided upon, so this is the check to make before deciding.
pub fn check_against(object: &Object, metadata: &Resource) -> Integrity {
    match check(object) {
        Integrity::Intact if object.manifest.policy != Policy::of(metadata) => Integrity::Mislabelled,
        integrity => integrity,
    }
}

/// What the policy engine is told about `object`, found out by [`check_against`]. For an object that is there
/// but cannot be read, tell it `Ztdf::default()`: not validated.
pub fn evidence(object: &Object, metadata: &Resource) -> Ztdf {
    Ztdf {
        integrity_validated: check_against(object, metadata) == Integrity::Intact,
        policy_hash: Some(object.manifest.policy_hash.to_string()),
        payload_hash: Some(object.manifest.payload_hash.to_string()),
    }
}

/// Decrypts the payload. Fails unless `dek` is the key, and the policy, the key access objects and the
/// payload are those it was sealed with.
pub fn open(object: &Object, dek: &Dek) -> Result<Vec<u8>, OpenError> {
    if check(object) != Integrity::Intact {
        return Err(OpenError);
    }
    let (nonce, encrypted) = object.payload.split_first_chunk::<NONCE>().ok_or(OpenError)?;
    Aes256Gcm::new(dek.expose().into())
        .decrypt(nonce.into(), Payload { msg: encrypted, aad: &object.manifest.binding() })
        .map_err(|_| OpenError)
}

fn payload_digest(binding: &[u8], payload: &[u8]) -> Digest {
    // The length keeps the end of the one and the beginning of the other from running into each other.
    Digest::of(&[&(binding.len() as u64).to_be_bytes(), binding, payload])
}

#[cfg(test)]
mod tests;
