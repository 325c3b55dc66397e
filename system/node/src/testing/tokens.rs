//! Tokens, and the keys that vouch for them.

use std::sync::LazyLock;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use rsa::{BigUint, RsaPrivateKey};
use serde_json::{Value, json};

use super::{EPOCH, ISSUER};

/// A signing key. Its primes are the greatest below 2¹⁰²⁴, so it protects nothing and need not be secret.
pub(crate) struct TestKey {
    pub(crate) kid: &'static str,
    pub(crate) private: EncodingKey,
    pub(crate) public: Jwk,
}

impl TestKey {
    /// From the distances of two primes to 2¹⁰²⁴.
    fn new(kid: &'static str, p: u16, q: u16) -> Self {
        let prime = |distance: u16| {
            let mut bytes = [0xff; 128];
            bytes[126..].copy_from_slice(&(u16::MAX - (distance - 1)).to_be_bytes());
            BigUint::from_bytes_be(&bytes)
        };
        let key = RsaPrivateKey::from_p_q(prime(p), prime(q), BigUint::from(65_537u32)).unwrap();
        let private = EncodingKey::from_rsa_der(key.to_pkcs1_der().unwrap().as_bytes());
        let mut public = Jwk::from_encoding_key(&private, Algorithm::RS256).unwrap();
        public.common.key_id = Some(kid.to_owned());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Self { kid, private, public }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.kid, claims)
    }

    /// Signs, but names another key.
    pub(crate) fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
        encode(&header, claims, &self.private).unwrap()
    }
}

pub(crate) static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::new("key-1", 105, 179));
pub(crate) static OTHER_KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::new("key-2", 1397, 3177));

/// Good claims, issued as the tests' clock starts, good for an hour.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "jti": "t1", "iat": EPOCH, "nbf": EPOCH, "exp": EPOCH + 3600,
        "uniqueID": "alice", "clearance": "SECRET", "countryOfAffiliation": "USA", "acpCOI": [],
        "acr": "2", "amr": ["pwd", "otp"],
    })
}

pub(crate) fn token() -> String {
    KEY.sign(&claims())
}
