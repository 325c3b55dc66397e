//! The policy in a manifest: what the markings say, in the words of the policy engine's input.

use serde::{Deserialize, Serialize};

use super::Digest;
use crate::input::Resource;

/// Everything in a resource's metadata that decides who may have it. What is not listed is refused when read.
///
/// Declared in the order of canonical JSON; the tests hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of `Resource`, with its names and meanings")]
pub struct Policy {
    #[serde(rename = "COI")]
    pub coi: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveats: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coi_operator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_classification: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releasability_to: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releasable_to_industry: Option<bool>,
    pub resource_id: String,
}

impl Policy {
    /// The policy that the metadata of `resource` says, word for word.
    pub fn of(resource: &Resource) -> Self {
        // No `..` here: a field added to the vocabulary is bound to the data or left out on purpose.
        let Resource {
            resource_id,
            classification,
            original_classification,
            original_country,
            releasability_to,
            coi,
            coi_operator,
            caveats,
            creation_date,
            releasable_to_industry,
            encrypted: _,
            ztdf: _,
        } = resource;
        Self {
            coi: coi.clone(),
            caveats: caveats.clone(),
            classification: classification.clone(),
            coi_operator: coi_operator.clone(),
            creation_date: creation_date.clone(),
            original_classification: original_classification.clone(),
            original_country: original_country.clone(),
            releasability_to: releasability_to.clone(),
            releasable_to_industry: *releasable_to_industry,
            resource_id: resource_id.clone(),
        }
    }

    /// SHA-256 of the policy as canonical JSON.
    pub fn digest(&self) -> Digest {
        Digest::of(&[&canonical(self)])
    }
}

/// Canonical JSON (RFC 8785) of a type without numbers whose fields are declared in the order of their names:
/// what serde_json writes has no white space and escapes exactly what the RFC escapes.
pub(super) fn canonical<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, flags and lists always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::input;
    use std::collections::BTreeMap;

    fn resource() -> Resource {
        Resource {
            original_classification: Some("GEHEIM".to_owned()),
            original_country: Some("DEU".to_owned()),
            ..input().resource
        }
    }

    #[test]
    fn the_canonical_text_is_sorted_and_has_no_blanks() {
        let text = canonical(&Policy::of(&resource()));
        let sorted: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text).unwrap();
        assert_eq!(sorted.len(), 10, "every field is there");
        assert_eq!(serde_json::to_vec(&sorted).unwrap(), text);
        let least =
            canonical(&Policy::of(&Resource { resource_id: "é\u{1}\"".into(), ..Resource::default() }));
        assert_eq!(String::from_utf8(least).unwrap(), r#"{"COI":[],"resourceId":"é\u0001\""}"#);
    }

    #[test]
    fn every_field_that_decides_is_part_of_the_digest() {
        let whole = serde_json::to_value(resource()).unwrap();
        let digest = Policy::of(&resource()).digest();
        for field in whole.as_object().unwrap().keys() {
            let mut document = whole.clone();
            let value = &mut document[field];
            *value = match &*value {
                serde_json::Value::String(text) => format!("{text}x").into(),
                serde_json::Value::Bool(flag) => (!flag).into(),
                serde_json::Value::Array(_) => serde_json::json!(["ZZZ"]),
                _ => serde_json::json!({"integrityValidated": false}),
            };
            let changed = Policy::of(&serde_json::from_value(document).unwrap());
            let bound = !["encrypted", "ztdf"].contains(&field.as_str());
            assert_eq!(changed.digest() != digest, bound, "{field}");
        }
    }
}
