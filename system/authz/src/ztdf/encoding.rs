//! Bytes in JSON: base64 (RFC 4648 §4, padded), in the one spelling that each value has.

use base64ct::{Base64, Encoding};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// For `#[serde(with = …)]` on a `Vec<u8>`.
pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Base64::encode_string(bytes))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Base64::decode_vec(&text).map_err(|_| D::Error::custom("not base64"))
}

/// For a newtype of exactly `N` bytes.
pub(super) fn deserialize_exactly<'de, const N: usize, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<[u8; N], D::Error> {
    let bytes = deserialize(deserializer)?;
    bytes.try_into().map_err(|_| D::Error::custom(format_args!("not {N} bytes in base64")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
        deserialize_exactly(serde_json::Value::from(text)).ok()
    }

    #[test]
    fn a_value_has_one_spelling_and_one_length() {
        assert_eq!(read("AQI="), Some([1, 2]));
        assert_eq!(read::<2>("AQI"), None, "without padding");
        assert_eq!(read::<2>("AQJ="), None, "with bits left over");
        assert_eq!(read::<2>("AQ I="), None, "with a blank");
        assert_eq!(read::<3>("AQI="), None, "too short");
        assert_eq!(read::<1>("AQI="), None, "too long");
    }
}
