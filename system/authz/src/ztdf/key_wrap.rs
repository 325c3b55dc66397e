//! Data keys on their way: wrapped for one reader and one purpose.
//!
//! The construction is HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. It
//! is used twice. Who seals an object wraps its key for a key access service, whose public key anybody may
//! know, so sealing needs no secret of the service. The service, once it has authorized a release, wraps the
//! key again for a key pair that the client made for this one request. The [`Purpose`] is authenticated: what
//! was wrapped for one does not unwrap for another.
//!
//! The text of a wrapped key is the base64 of the 32 bytes of the encapsulated key and the 48 of the
//! encrypted one; that of a public key the base64 of its 32 bytes (RFC 7748).

use std::fmt;

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::{Kem, X25519HkdfSha256};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{Dek, Digest, encoding};

type X25519 = X25519HkdfSha256;

const ENCAPSULATED: usize = 32;
const WRAPPED: usize = ENCAPSULATED + 32 + 16;

/// What a key is wrapped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To be kept in a manifest until a key access service unwraps it.
    KeyAccess {
        /// The key access object that holds it.
        kao_id: &'a str,
        /// The policy under which it may be released.
        policy_hash: &'a Digest,
    },
    /// To be handed to the client of one request.
    Release {
        /// The resource that was asked for.
        resource_id: &'a str,
        /// The key access object that was asked for.
        kao_id: &'a str,
        /// The request's own nonce, so that an answer serves the request it answers.
        nonce: &'a str,
    },
}

impl Purpose<'_> {
    const fn name(&self) -> &'static [u8] {
        match self {
            Self::KeyAccess { .. } => b"dive ztdf key access 1",
            Self::Release { .. } => b"dive ztdf release 1",
        }
    }

    /// The parts, each preceded by its length: two different purposes have two different texts.
    fn authenticated(&self) -> Vec<u8> {
        let parts: &[&[u8]] = match self {
            Self::KeyAccess { kao_id, policy_hash } => &[kao_id.as_bytes(), policy_hash.as_bytes()],
            Self::Release { resource_id, kao_id, nonce } => {
                &[resource_id.as_bytes(), kao_id.as_bytes(), nonce.as_bytes()]
            }
        };
        let mut text = Vec::new();
        for part in parts {
            text.extend((part.len() as u64).to_be_bytes());
            text.extend(*part);
        }
        text
    }
}

/// The key to wrap for somebody with. Not every 32 bytes are a useful one; [`wrap`] refuses the others.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The 32 bytes of RFC 7748.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of RFC 7748.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", base16ct::lower::encode_string(&self.0))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encoding::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        encoding::deserialize_exactly(deserializer).map(Self)
    }
}

/// The key to unwrap with: a key access service's own, or the one a client made for one request. Wiped when
/// dropped, never printed, not serialisable by accident.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKey([u8; 32]);

impl PrivateKey {
    /// A fresh key.
    pub fn generate<R: CryptoRng + RngCore>(rng: &mut R) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// A key that was kept. Any 32 bytes are one.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key itself, for the file that keeps it.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key that others wrap with.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(X25519::sk_to_pk(&self.kem_key()).to_bytes().into())
    }

    fn kem_key(&self) -> <X25519 as Kem>::PrivateKey {
        Deserializable::from_bytes(&self.0).expect("any 32 bytes are an X25519 private key")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// A data key that only the holder of one private key can read, for one purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey([u8; WRAPPED]);

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

impl Serialize for WrappedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        encoding::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for WrappedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        encoding::deserialize_exactly(deserializer).map(Self)
    }
}

/// The public key is one of the few with which everybody would share the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the public key is not one that a key can be wrapped for")]
pub struct UnusableKey;

/// Another private key, another purpose, or a change on the way: which of them cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the wrapped key does not belong to this private key and this purpose, or it was changed")]
pub struct UnwrapError;

/// Wraps `dek` so that the holder of `reader`'s private key can read it, for `purpose` only.
pub fn wrap<R: CryptoRng + RngCore>(
    dek: &Dek,
    reader: &PublicKey,
    purpose: &Purpose<'_>,
    rng: &mut R,
) -> Result<WrappedKey, UnusableKey> {
    let reader = Deserializable::from_bytes(&reader.0).map_err(|_| UnusableKey)?;
    let (encapsulated, encrypted) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, X25519, R>(
        &OpModeS::Base,
        &reader,
        purpose.name(),
        dek.expose(),
        &purpose.authenticated(),
        rng,
    )
    .map_err(|_| UnusableKey)?;
    let mut wrapped = [0; WRAPPED];
    let (first, second) = wrapped.split_at_mut(ENCAPSULATED);
    first.copy_from_slice(&encapsulated.to_bytes());
    second.copy_from_slice(&encrypted);
    Ok(WrappedKey(wrapped))
}

/// The data key in `wrapped`.
pub fn unwrap(wrapped: &WrappedKey, key: &PrivateKey, purpose: &Purpose<'_>) -> Result<Dek, UnwrapError> {
    let (encapsulated, encrypted) = wrapped.0.split_at(ENCAPSULATED);
    let encapsulated = Deserializable::from_bytes(encapsulated).map_err(|_| UnwrapError)?;
    let opened = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519>(
        &OpModeR::Base,
        &key.kem_key(),
        &encapsulated,
        purpose.name(),
        encrypted,
        &purpose.authenticated(),
    )
    .map_err(|_| UnwrapError)?;
    let opened = Zeroizing::new(opened);
    opened.as_slice().try_into().map(Dek::from_bytes).map_err(|_| UnwrapError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const RELEASE: Purpose<'_> = Purpose::Release { resource_id: "r", kao_id: "kao-r", nonce: "n" };

    #[test]
    fn each_purpose_is_its_own() {
        let mut rng = StdRng::seed_from_u64(1);
        let key = PrivateKey::generate(&mut rng);
        let dek = Dek::generate(&mut rng);
        let (hash, other) = (Digest::of(&[b"policy"]), Digest::of(&[b"policz"]));
        let purposes = [
            RELEASE,
            Purpose::Release { resource_id: "rk", kao_id: "ao-r", nonce: "n" },
            Purpose::Release { resource_id: "r", kao_id: "kao-r", nonce: "m" },
            Purpose::Release { resource_id: "r", kao_id: "kao-s", nonce: "n" },
            Purpose::KeyAccess { kao_id: "kao-r", policy_hash: &hash },
            Purpose::KeyAccess { kao_id: "kao-s", policy_hash: &hash },
            Purpose::KeyAccess { kao_id: "kao-r", policy_hash: &other },
        ];
        for made_for in &purposes {
            let wrapped = wrap(&dek, &key.public_key(), made_for, &mut rng).unwrap();
            for asked_for in &purposes {
                let read = unwrap(&wrapped, &key, asked_for);
                let expected = if made_for == asked_for { Ok(dek.clone()) } else { Err(UnwrapError) };
                assert_eq!(read, expected, "{made_for:?} read as {asked_for:?}");
            }
        }
    }

    #[test]
    fn a_key_that_everybody_shares_is_refused() {
        let mut rng = StdRng::seed_from_u64(1);
        let dek = Dek::generate(&mut rng);
        let mut one = [0; 32];
        one[0] = 1;
        for low_order in [[0; 32], one] {
            let reader = PublicKey::from_bytes(low_order);
            assert_eq!(wrap(&dek, &reader, &RELEASE, &mut rng), Err(UnusableKey));
        }
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut rng = StdRng::seed_from_u64(2);
        let key = PrivateKey::generate(&mut rng);
        let wrapped = wrap(&Dek::generate(&mut rng), &key.public_key(), &RELEASE, &mut rng).unwrap();
        // The highest bit of the encapsulated key, too, which X25519 itself ignores.
        for bit in 0..WRAPPED * 8 {
            let mut changed = wrapped.clone();
            changed.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unwrap(&changed, &key, &RELEASE), Err(UnwrapError), "bit {bit}");
        }
    }

    #[test]
    fn no_key_is_ever_printed() {
        let secret = [0xabu8; 32];
        for printed in
            [format!("{:?}", Dek::from_bytes(secret)), format!("{:?}", PrivateKey::from_bytes(secret))]
        {
            assert!(!printed.contains("171") && !printed.to_lowercase().contains("ab"), "{printed}");
        }
    }

    #[test]
    fn keys_are_those_of_rfc_7748() {
        let bytes =
            |text: &str| -> [u8; 32] { base16ct::lower::decode_vec(text).unwrap().try_into().unwrap() };
        let alice =
            PrivateKey::from_bytes(bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));
        assert_eq!(
            alice.public_key().as_bytes(),
            &bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn only_the_reader_reads(seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            let (key, other) = (PrivateKey::generate(&mut rng), PrivateKey::generate(&mut rng));
            let dek = Dek::generate(&mut rng);
            let wrapped = wrap(&dek, &key.public_key(), &RELEASE, &mut rng).unwrap();
            prop_assert_eq!(unwrap(&wrapped, &key, &RELEASE), Ok(dek.clone()));
            prop_assert_eq!(unwrap(&wrapped, &other, &RELEASE), Err(UnwrapError));
            prop_assert!(!wrapped.0.windows(8).any(|part| dek.expose().starts_with(part)));
        }

        #[test]
        fn texts_are_read_back(seed: u64) {
            let mut rng = StdRng::seed_from_u64(seed);
            let reader = PrivateKey::generate(&mut rng).public_key();
            let wrapped = wrap(&Dek::generate(&mut rng), &reader, &RELEASE, &mut rng).unwrap();
            let texts = (serde_json::to_string(&reader).unwrap(), serde_json::to_string(&wrapped).unwrap());
            prop_assert_eq!(serde_json::from_str::<PublicKey>(&texts.0).unwrap(), reader);
            prop_assert_eq!(serde_json::from_str::<WrappedKey>(&texts.1).unwrap(), wrapped);
        }
    }
}
