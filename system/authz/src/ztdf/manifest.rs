//! The manifest: the policy, its hash and the payload's, and where the key can be had.

use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};

use super::key_wrap::{self, PrivateKey, PublicKey, Purpose, UnusableKey, UnwrapError, WrappedKey};
use super::policy::canonical;
use super::{Dek, Digest, Policy};

/// What stands before the payload. Unknown fields are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    /// Who may have the payload.
    pub policy: Policy,
    /// As claimed; [`check`](super::check) compares it with what the policy hashes to.
    pub policy_hash: Digest,
    /// As claimed, over the binding and the payload.
    pub payload_hash: Digest,
    /// Where the key can be had; any one will do.
    pub key_access: Vec<KeyAccess>,
}

impl Manifest {
    /// The key access object of that id.
    pub fn key_access(&self, kao_id: &str) -> Option<&KeyAccess> {
        self.key_access.iter().find(|access| access.kao_id == kao_id)
    }

    /// What the payload's encryption is bound to.
    pub(super) fn binding(&self) -> Vec<u8> {
        binding(&self.policy_hash, &self.key_access)
    }
}

/// The canonical JSON that is the payload's associated data.
pub(super) fn binding(policy_hash: &Digest, key_access: &[KeyAccess]) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Binding<'a> {
        key_access: &'a [KeyAccess],
        policy_hash: &'a Digest,
    }
    canonical(&Binding { key_access, policy_hash })
}

/// A key access object: which service releases the key, and the key as only that service can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyAccess {
    /// By convention `kao-<resource id>`, as in the decision's obligation.
    pub kao_id: String,
    /// The service's base URL.
    pub kas_url: String,
    /// The data key, wrapped for the service, for this object and this policy.
    pub wrapped_key: WrappedKey,
}

impl KeyAccess {
    /// Wraps `dek` for the service with the public key `kas`, to be released under `policy` only.
    pub fn wrap<R: CryptoRng + RngCore>(
        kao_id: impl Into<String>,
        kas_url: impl Into<String>,
        dek: &Dek,
        policy: &Policy,
        kas: &PublicKey,
        rng: &mut R,
    ) -> Result<Self, UnusableKey> {
        let (kao_id, kas_url) = (kao_id.into(), kas_url.into());
        let policy_hash = policy.digest();
        let purpose = Purpose::KeyAccess { kao_id: &kao_id, policy_hash: &policy_hash };
        let wrapped_key = key_wrap::wrap(dek, kas, &purpose, rng)?;
        Ok(Self { kao_id, kas_url, wrapped_key })
    }

    /// The data key, for the service that it was wrapped for. Fails, too, when `policy` is not the one under
    /// which it may be released: the hash is computed here, never taken from the manifest.
    pub fn unwrap(&self, policy: &Policy, kas: &PrivateKey) -> Result<Dek, UnwrapError> {
        let purpose = Purpose::KeyAccess { kao_id: &self.kao_id, policy_hash: &policy.digest() };
        key_wrap::unwrap(&self.wrapped_key, kas, &purpose)
    }
}
