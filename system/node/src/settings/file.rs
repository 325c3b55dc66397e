//! The settings that stand in a TOML file, with their lines.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::SettingError;
use super::value::Raw;
use super::{Origin, TomlFile};

/// Every leaf of the file by its dotted key.
pub(super) fn read(file: TomlFile<'_>) -> Result<BTreeMap<String, (Raw, Origin)>, SettingError> {
    let document = DeTable::parse(file.text)
        .map_err(|error| SettingError::Syntax { file: file.name.to_owned(), message: error.to_string() })?;
    let mut leaves = BTreeMap::new();
    collect(file, "", document.get_ref(), &mut leaves);
    Ok(leaves)
}

fn collect(
    file: TomlFile<'_>,
    prefix: &str,
    table: &DeTable<'_>,
    leaves: &mut BTreeMap<String, (Raw, Origin)>,
) {
    for (name, value) in table {
        let key = if prefix.is_empty() {
            name.get_ref().to_string()
        } else {
            format!("{prefix}.{}", name.get_ref())
        };
        match value.get_ref() {
            DeValue::Table(table) => collect(file, &key, table, leaves),
            leaf => {
                let origin = Origin::File { name: file.name.to_owned(), line: line_of(file.text, value) };
                leaves.insert(key, (raw(leaf), origin));
            }
        }
    }
}

fn raw(leaf: &DeValue<'_>) -> Raw {
    match leaf {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Raw::Integer(number.as_str().replace('_', "")),
        DeValue::Integer(number) => Raw::Integer(number.to_string()),
        DeValue::Float(number) => Raw::Integer(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Raw::Integer(flag.to_string()),
        DeValue::Datetime(date) => Raw::Integer(date.to_string()),
        DeValue::Array(_) => Raw::Integer("[…]".to_owned()),
        DeValue::Table(_) => Raw::Integer("{…}".to_owned()),
    }
}

fn line_of(text: &str, value: &Spanned<DeValue<'_>>) -> usize {
    let before = text.as_bytes().iter().take(value.span().start);
    1 + before.filter(|byte| **byte == b'\n').count()
}
