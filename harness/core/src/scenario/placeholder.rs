//! Placeholders: `<phase>` stands for what the row of an `each` has in its column `phase`.
//!
//! Written in angle brackets because braces and dollar signs mean something to YAML or to shells, and these mean
//! nothing to either within a word.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_saphyr::Spanned;

/// What a placeholder's name reads like.
const NAME_PATTERN: &str = "[a-z][a-z0-9-]*";

/// One row of a table: what each of its columns has, in the order in which they are written.
#[derive(Clone, Debug)]
pub struct Row(Vec<(String, Spanned<String>)>);

impl Row {
    /// Its columns, in the order in which they are written.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(column, _)| column.as_str())
    }

    /// What it has in a column.
    pub(super) fn value(&self, column: &str) -> Option<&Spanned<String>> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }

    /// Its columns and what it has in them.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&str, &Spanned<String>)> {
        self.0.iter().map(|(column, value)| (column.as_str(), value))
    }

    /// The text with this row's values in the place of its placeholders. Those it doesn't know stay, and what a
    /// value says is not looked into.
    pub(super) fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        for part in parts(text) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Placeholder { name, whole } => {
                    filled.push_str(self.value(name).map_or(whole, |value| value.value.as_str()));
                }
            }
        }
        filled
    }
}

enum Part<'a> {
    Text(&'a str),
    Placeholder { name: &'a str, whole: &'a str },
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = if let Some((name, after)) = opening(rest) {
            (Part::Placeholder { name, whole: &rest[..name.len() + 2] }, after)
        } else {
            // The next placeholder can't begin before the next bracket.
            let past = usize::from(rest.starts_with('<'));
            let end = rest[past..].find('<').map_or(rest.len(), |at| past + at);
            (Part::Text(&rest[..end]), &rest[end..])
        };
        rest = after;
        Some(part)
    })
}

/// The name of the placeholder that a text begins with, and what follows it.
fn opening(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('<')?;
    let (name, after) = inside.split_at(inside.find(|c| !in_name(c))?);
    is_name(name).then_some((name, after.strip_prefix('>')?))
}

/// The names of the placeholders in a text, in order.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    parts(text).filter_map(|part| match part {
        Part::Text(_) => None,
        Part::Placeholder { name, .. } => Some(name),
    })
}

/// Whether a placeholder can be called so.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.chars().all(in_name)
}

fn in_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

/// The pattern of a text with a placeholder in it.
pub(super) fn pattern() -> String {
    format!("<{NAME_PATTERN}>")
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row, `{column: value, …}`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut cells = Vec::new();
                while let Some(cell) = map.next_entry()? {
                    cells.push(cell);
                }
                Ok(Row(cells))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

impl JsonSchema for Row {
    fn schema_name() -> Cow<'static, str> {
        "Row".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "A row: what each `<column>` stands for in its turn.",
            "minProperties": 1,
            "propertyNames": { "pattern": format!("^{NAME_PATTERN}$") },
            "additionalProperties": { "type": ["string", "number"] },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(cells: &[(&str, &str)]) -> Row {
        let cells: Vec<String> = cells.iter().map(|(column, value)| format!("{column}: '{value}'")).collect();
        serde_saphyr::from_str(&cells.join("\n")).expect("a row")
    }

    proptest! {
        /// Cut into parts and put together again, a text is itself; so one without placeholders stays as it is.
        #[test]
        fn what_a_row_does_not_know_stays(text in "[<>a-c é-]{0,20}") {
            prop_assert_eq!(row(&[("z", "never")]).fill(&text), text);
        }

        #[test]
        fn every_placeholder_is_filled_wherever_it_stands(
            before in "[<a-z -]{0,6}", between in "[>a-z -]{0,6}", value in "[a-z<>. ]{0,6}",
        ) {
            let text = format!("{before}<x>{between}<x>");
            let filled = format!("{before}{value}{between}{value}");
            prop_assert_eq!(row(&[("x", &value)]).fill(&text), filled);
        }
    }

    #[test]
    fn only_a_name_in_brackets_is_a_placeholder() {
        let found = |text| names(text).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(found("healed error-<code> of <a-1>"), ["code", "a-1"]);
        assert_eq!(found("<<a>>"), ["a"]);
        for none in ["", "<", "<>", "a < b > c", "hub -> opa", "<A>", "<1>", "<a b>", "<a", "<é>"] {
            assert_eq!(found(none), Vec::<String>::new(), "{none}");
        }
    }

    #[test]
    fn the_columns_keep_their_order() {
        let row = row(&[("phase", "SEEDING"), ("after", "1")]);
        assert_eq!(row.columns().collect::<Vec<_>>(), ["phase", "after"]);
        assert_eq!(row.value("after").map(|value| value.value.as_str()), Some("1"));
    }
}
