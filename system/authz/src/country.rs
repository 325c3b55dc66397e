//! ISO 3166-1 alpha-3 country codes.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The codes in force, those that the policy reads.
static CODES: LazyLock<BTreeSet<Country>> = LazyLock::new(|| {
    let alpha2 = crate::policies::data()["reference"]["countries"]["alpha2"].as_object();
    let codes = alpha2.expect("the embedded list is keyed by alpha-3 code").keys();
    codes.map(|code| Country(code.as_bytes().try_into().expect("every code has three letters"))).collect()
});

/// An officially assigned ISO 3166-1 alpha-3 code, such as `FRA`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Country([u8; 3]);

/// The text is no officially assigned alpha-3 code. Codes are upper case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no ISO 3166-1 alpha-3 country code")]
pub struct UnknownCountry(pub String);

impl Country {
    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("codes are ASCII")
    }
}

impl FromStr for Country {
    type Err = UnknownCountry;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| UnknownCountry(code.to_owned()))?;
        let country = Self(bytes);
        if CODES.contains(&country) { Ok(country) } else { Err(UnknownCountry(code.to_owned())) }
    }
}

impl TryFrom<String> for Country {
    type Error = UnknownCountry;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        code.parse()
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.as_str().to_owned()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_codes_are_accepted() {
        for code in ["USA", "FRA", "DEU", "GBR", "MNE", "MKD"] {
            assert_eq!(code.parse::<Country>().unwrap().as_str(), code);
        }
        assert_eq!(CODES.len(), 249);
    }

    #[test]
    fn anything_else_is_refused() {
        for wrong in ["", "US", "usa", "XXX", "UK", "USAA", "NATO", "é1"] {
            assert!(wrong.parse::<Country>().is_err(), "{wrong:?}");
        }
    }
}
