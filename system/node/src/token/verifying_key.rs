//! An issuer's public key, ready to verify with.
//!
//! `ring` rather than the crate that reads the key sets: every caller's first token waits for this, and it takes
//! a fifth of the time.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jsonwebtoken::jwk::RSAKeyParameters;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

/// An RSA key for RS256.
pub(crate) struct VerifyingKey(RsaPublicKeyComponents<Vec<u8>>);

impl VerifyingKey {
    /// The key of these parameters; `None` when they are not base64 of whole numbers.
    pub(super) fn from_jwk(rsa: &RSAKeyParameters) -> Option<Self> {
        Some(Self(RsaPublicKeyComponents { n: number(&rsa.n)?, e: number(&rsa.e)? }))
    }

    /// One that verifies nothing.
    pub(super) fn none() -> Self {
        Self(RsaPublicKeyComponents { n: Vec::new(), e: Vec::new() })
    }

    /// Whether `signature` was made of `message` by the holder of the private key.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }
}

/// An unsigned number, most significant byte first. Some issuers write leading zeros, which add nothing.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')).ok()?;
    let first = bytes.iter().position(|byte| *byte != 0)?;
    Some(bytes[first..].to_vec())
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::AlgorithmParameters;
    use jsonwebtoken::{Algorithm, crypto};

    use super::*;
    use crate::testing::{KEY, OTHER_KEY, TestKey};

    fn parameters(key: &TestKey) -> RSAKeyParameters {
        let AlgorithmParameters::RSA(rsa) = &key.public.algorithm else { panic!("an RSA key") };
        rsa.clone()
    }

    fn signature(message: &[u8]) -> Vec<u8> {
        let signature = crypto::sign(message, &KEY.private, Algorithm::RS256).unwrap();
        Base64UrlUnpadded::decode_vec(&signature).unwrap()
    }

    #[test]
    fn a_signature_is_its_keys_and_its_messages() {
        let (own, other) = (&parameters(&KEY), &parameters(&OTHER_KEY));
        let [own, other] = [own, other].map(|rsa| VerifyingKey::from_jwk(rsa).unwrap());
        let signature = signature(b"message");
        assert!(own.verifies(b"message", &signature));
        assert!(!own.verifies(b"massage", &signature));
        assert!(!other.verifies(b"message", &signature));
        assert!(!VerifyingKey::none().verifies(b"message", &signature));
        for place in [0, signature.len() / 2, signature.len() - 1] {
            let mut tampered = signature.clone();
            tampered[place] ^= 1;
            assert!(!own.verifies(b"message", &tampered));
        }
        assert!(!own.verifies(b"message", &signature[1..]) && !own.verifies(b"message", b""));
    }

    #[test]
    fn leading_zeros_and_padding_say_nothing_and_what_is_no_number_is_no_key() {
        let rsa = parameters(&KEY);
        let bytes = Base64UrlUnpadded::decode_vec(&rsa.n).unwrap();
        let zeros = Base64UrlUnpadded::encode_string(&[&[0; 3][..], &bytes].concat());
        let signature = signature(b"message");
        for n in [zeros, format!("{}=", rsa.n)] {
            let key = VerifyingKey::from_jwk(&RSAKeyParameters { n, ..rsa.clone() }).unwrap();
            assert!(key.verifies(b"message", &signature));
        }
        for e in ["", "AAAA", "not base64!"] {
            assert!(VerifyingKey::from_jwk(&RSAKeyParameters { e: e.to_owned(), ..rsa.clone() }).is_none());
        }
    }
}
