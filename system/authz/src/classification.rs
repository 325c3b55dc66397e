//! The five canonical classification levels.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A canonical classification level, ordered from least to most protected.
///
/// National and NATO terms are not levels: the policy maps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Classification {
    /// Level 0.
    Unclassified,
    /// Level 1.
    Restricted,
    /// Level 2.
    Confidential,
    /// Level 3.
    Secret,
    /// Level 4.
    TopSecret,
}

/// The text is none of the five canonical terms. Terms are case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no classification; one of UNCLASSIFIED, RESTRICTED, CONFIDENTIAL, SECRET, TOP_SECRET is needed"
)]
pub struct UnknownClassification(pub String);

impl Classification {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] =
        [Self::Unclassified, Self::Restricted, Self::Confidential, Self::Secret, Self::TopSecret];

    /// The canonical term, as it stands in inputs and tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unclassified => "UNCLASSIFIED",
            Self::Restricted => "RESTRICTED",
            Self::Confidential => "CONFIDENTIAL",
            Self::Secret => "SECRET",
            Self::TopSecret => "TOP_SECRET",
        }
    }

    /// The numeric level, 0 to 4.
    pub const fn level(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Classification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Classification {
    type Err = UnknownClassification;

    fn from_str(term: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == term)
            .ok_or_else(|| UnknownClassification(term.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_run_from_zero_to_four_in_order() {
        let levels: Vec<u8> = Classification::ALL.into_iter().map(Classification::level).collect();
        assert_eq!(levels, [0, 1, 2, 3, 4]);
        assert!(Classification::ALL.is_sorted());
    }

    #[test]
    fn text_and_json_use_the_same_case_sensitive_terms() {
        for level in Classification::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(serde_json::to_value(level).unwrap(), serde_json::json!(level.as_str()));
        }
        for wrong in ["secret", "TOP SECRET", "Secret", "", " SECRET"] {
            assert!(wrong.parse::<Classification>().is_err(), "{wrong:?}");
            assert!(serde_json::from_value::<Classification>(wrong.into()).is_err(), "{wrong:?}");
        }
    }
}
