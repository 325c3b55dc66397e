//! A time or a number of a step, which a placeholder may stand for.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::Error as _;

use super::placeholder;
use super::wait::Wait;
use crate::time::HumanDuration;

/// A value, or a text that becomes one once its placeholders are filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot<T> {
    /// The value.
    Given(T),
    /// The text.
    Text(String),
}

/// What can be read from a text, or is refused in words.
pub trait Written: Copy {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn read(text: &str) -> Result<Self, String>;
}

impl<T: Written> Slot<T> {
    /// The value.
    ///
    /// # Errors
    /// What is wrong with the text it is to be read from.
    pub fn get(&self) -> Result<T, String> {
        match self {
            Self::Given(value) => Ok(*value),
            Self::Text(text) => T::read(text),
        }
    }
}

impl Written for HumanDuration {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: <Self as FromStr>::Err| error.to_string())
    }
}

impl Written for Wait {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: <Self as FromStr>::Err| error.to_string())
    }
}

impl Written for f64 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not a number"))
    }
}

impl Written for u32 {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not a whole number from 0 on"))
    }
}

impl<'de, T: Written> Deserialize<'de> for Slot<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if placeholder::names(&text).next().is_some() {
            return Ok(Self::Text(text));
        }
        T::read(&text).map(Self::Given).map_err(D::Error::custom)
    }
}

impl<T: JsonSchema> JsonSchema for Slot<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("SlotOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                generator.subschema_for::<T>(),
                { "type": "string", "pattern": placeholder::pattern() },
            ],
        })
    }
}
