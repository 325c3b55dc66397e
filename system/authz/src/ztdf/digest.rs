//! SHA-256 digests, compared in constant time and written as hex.

use std::fmt;

use base16ct::lower as hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;
use subtle::ConstantTimeEq;

/// A SHA-256 digest. Its text is 64 hexadecimal digits in lower case, and no other spelling is read: a
/// digest has one text.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these parts, one after the other.
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_string(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        match hex::decode(&text, &mut bytes) {
            Ok(read) if read.len() == 32 => Ok(Self(bytes)),
            _ => Err(serde::de::Error::custom("a SHA-256 digest is 64 hexadecimal digits in lower case")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_known_digest() {
        let digest = Digest::of(&[b"a", b"bc"]);
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest, Digest::of(&[b"abc"]));
        assert_ne!(digest, Digest::of(&[b"abd"]));
    }

    #[test]
    fn only_its_own_text_is_read() {
        let text = Digest::of(&[b"abc"]).to_string();
        let read = |text: &str| serde_json::from_value::<Digest>(text.into());
        assert_eq!(read(&text).unwrap(), Digest::of(&[b"abc"]));
        for other in [text.to_uppercase(), text[..62].to_owned(), format!("{text}00"), format!("{text} ")] {
            assert!(read(&other).is_err(), "{other}");
        }
    }
}
