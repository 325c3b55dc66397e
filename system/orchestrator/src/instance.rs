//! What is deployed: the hub, or a spoke by its code.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The code of a spoke: `[a-z][a-z0-9]{1,7}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceCode(String);

/// A text that is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no instance code: a letter a-z, then one to seven letters or digits, such as `fra`")]
pub struct NoCode(pub String);

impl InstanceCode {
    /// A code as an operator types it: in either case. Stored codes are lower case only.
    ///
    /// # Errors
    /// [`NoCode`] when it isn't one in lower case either.
    pub fn from_operator(text: &str) -> Result<Self, NoCode> {
        text.to_ascii_lowercase().parse().map_err(|_| NoCode(text.to_owned()))
    }

    /// The code, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceCode {
    type Err = NoCode;

    fn from_str(text: &str) -> Result<Self, NoCode> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if first && rest && (2..=8).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoCode(text.to_owned()))
        }
    }
}

impl TryFrom<String> for InstanceCode {
    type Error = NoCode;

    fn try_from(text: String) -> Result<Self, NoCode> {
        text.parse()
    }
}

impl From<InstanceCode> for String {
    fn from(code: InstanceCode) -> Self {
        code.0
    }
}

impl fmt::Display for InstanceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One deployment: what a lock, a state and a checkpoint belong to. Written `hub` or `spoke-<code>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Instance {
    /// The one hub.
    Hub,
    /// The spoke with this code.
    Spoke(InstanceCode),
}

/// A text that names no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no instance: it is `hub` or `spoke-<code>`")]
pub struct NoInstance(pub String);

impl FromStr for Instance {
    type Err = NoInstance;

    fn from_str(text: &str) -> Result<Self, NoInstance> {
        match text.strip_prefix("spoke-") {
            None if text == "hub" => Ok(Self::Hub),
            Some(code) => code.parse().map(Self::Spoke).map_err(|_| NoInstance(text.to_owned())),
            None => Err(NoInstance(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Instance {
    type Error = NoInstance;

    fn try_from(text: String) -> Result<Self, NoInstance> {
        text.parse()
    }
}

impl From<Instance> for String {
    fn from(instance: Instance) -> Self {
        instance.to_string()
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub => f.write_str("hub"),
            Self::Spoke(code) => write!(f, "spoke-{code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_matches_the_pattern_is_a_code_and_reads_back(text in "[a-z][a-z0-9]{1,7}") {
            let code: InstanceCode = text.parse().unwrap();
            prop_assert_eq!(code.as_str(), &text);
            prop_assert_eq!(&InstanceCode::from_operator(&text.to_uppercase()).unwrap(), &code);
            let spoke = Instance::Spoke(code);
            prop_assert_eq!(spoke.to_string().parse::<Instance>().unwrap(), spoke);
        }

        #[test]
        fn nothing_else_is_a_code(text in "\\PC{0,10}") {
            let matches = text.chars().next().is_some_and(|c| c.is_ascii_lowercase())
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
                && (2..=8).contains(&text.chars().count());
            prop_assert_eq!(text.parse::<InstanceCode>().is_ok(), matches);
        }
    }

    #[test]
    fn names_that_lead_out_of_a_folder_or_a_label_are_no_codes() {
        for text in ["", "f", "9fr", "fr-a", "fr_a", "../x", "abcdefghi", "FRA", "fr a", "frå"] {
            assert_eq!(text.parse::<InstanceCode>(), Err(NoCode(text.to_owned())));
        }
        for text in ["", "Hub", "spoke-", "spoke-FRA", "fra"] {
            assert_eq!(text.parse::<Instance>(), Err(NoInstance(text.to_owned())));
        }
    }
}
