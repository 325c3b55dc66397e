//! Why settings were refused.

use std::fmt;

use super::Origin;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The file is no TOML.
    #[error("{file}: {message}")]
    Syntax {
        /// The file's name.
        file: String,
        /// What the parser said, with line and column.
        message: String,
    },
    /// There is no such setting.
    #[error("{origin}: unknown setting `{key}`{}", Suggestion(suggestion.as_deref()))]
    Unknown {
        /// What was written.
        key: String,
        /// Where.
        origin: Origin,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// The value is of the wrong kind or out of range.
    #[error("{origin}: `{key}` cannot be {value:?}: {expected}")]
    Invalid {
        /// The setting.
        key: String,
        /// What was written, masked where it is a secret.
        value: String,
        /// Where.
        origin: Origin,
        /// What is allowed.
        expected: String,
    },
    /// Two values that do not go together.
    #[error("`{key}` must be less than `{bound}`: {why}")]
    Order {
        /// The setting that is too great.
        key: String,
        /// The setting that bounds it.
        bound: String,
        /// What would go wrong.
        why: &'static str,
    },
}

struct Suggestion<'a>(Option<&'a str>);

impl fmt::Display for Suggestion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |meant| write!(f, "; did you mean `{meant}`?"))
    }
}

/// Everything that is wrong with the settings, so that it can be mended in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(pub Vec<SettingError>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.iter();
        if let Some(first) = lines.next() {
            write!(f, "{first}")?;
        }
        lines.try_for_each(|error| write!(f, "\n{error}"))
    }
}

impl std::error::Error for SettingsError {}
