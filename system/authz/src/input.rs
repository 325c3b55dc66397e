//! The question put to the policy engine.
//!
//! These types say what this system *sends*: names and JSON types are exactly those that the policy
//! reads, and a field that is not listed is refused. What an attribute may *contain* is the policy's
//! business: a missing clearance or an unknown country travels as it is and is denied there, with the
//! reason that belongs to it.

use serde::{Deserialize, Serialize};

/// The whole input document of one decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Who asks.
    pub subject: Subject,
    /// What they want to do.
    pub action: Action,
    /// With what.
    pub resource: Resource,
    /// When, where from, and how strongly authenticated.
    pub context: Context,
}

/// Who asks, as told by a verified token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Subject {
    /// Whether the token was verified.
    pub authenticated: bool,
    /// Unique over the whole coalition.
    #[serde(rename = "uniqueID", default, skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// A canonical level, or a national term when `clearance_country` asks for mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
    /// The clearance as the home country wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance_original: Option<String>,
    /// The country (alpha-3) or `NATO` whose terms the clearance is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance_country: Option<String>,
    /// ISO 3166-1 alpha-3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_of_affiliation: Option<String>,
    /// Communities of interest that the subject is a member of.
    #[serde(rename = "acpCOI", default)]
    pub acp_coi: Vec<String>,
    /// `GOV`, `MIL` or `INDUSTRY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_type: Option<String>,
    /// The token's `iss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// When the subject logged in, seconds since the Unix epoch. Decides nothing.
    #[serde(rename = "auth_time", default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Decides nothing.
    #[serde(rename = "mfa_used", default, skip_serializing_if = "Option::is_none")]
    pub mfa_used: Option<bool>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The operation's name, case-sensitive; `upload` has a rule of its own.
    pub operation: String,
}

/// What is asked for, as told by its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resource {
    /// The resource's id.
    pub resource_id: String,
    /// A canonical level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// The marking as the originating country wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_classification: Option<String>,
    /// The country (alpha-3) that wrote the marking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_country: Option<String>,
    /// The countries (alpha-3) it may be released to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releasability_to: Option<Vec<String>>,
    /// Communities of interest that it is limited to.
    #[serde(rename = "COI", default)]
    pub coi: Vec<String>,
    /// `ALL` (the default) or `ANY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coi_operator: Option<String>,
    /// Handling caveats, such as `NOFORN`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveats: Option<Vec<String>>,
    /// RFC 3339; it is under embargo before this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_date: Option<String>,
    /// Whether opening it needs a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Whether industry may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releasable_to_industry: Option<bool>,
    /// What the enforcement point found out about the ZTDF object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ztdf: Option<Ztdf>,
}

/// The integrity of a ZTDF object, computed by the enforcement point, never read from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ztdf {
    /// Whether both hashes matched what they are hashes of.
    pub integrity_validated: bool,
    /// Hash of the policy in the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_hash: Option<String>,
    /// Hash of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_hash: Option<String>,
}

/// The circumstances of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Context {
    /// RFC 3339.
    pub current_time: String,
    /// How strongly the subject was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Acr>,
    /// The factors used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    /// This node's own tenant, never one taken from a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Where the request came from.
    #[serde(rename = "sourceIP", default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// Names the request in logs and audit.
    pub request_id: String,
    /// Whether release countries outside the communities' members are a coherence violation.
    #[serde(rename = "strict_coi_coherence", default, skip_serializing_if = "Option::is_none")]
    pub strict_coi_coherence: Option<bool>,
}

/// Authentication context class: identity providers send a word or a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Acr {
    /// A word such as `aal2`, or a digit in quotes.
    Text(String),
    /// A JSON number.
    Number(serde_json::Number),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> serde_json::Value {
        serde_json::json!({
            "subject": {
                "authenticated": true, "uniqueID": "u1", "clearance": "SECRET", "clearanceOriginal": "S",
                "clearanceCountry": "USA", "countryOfAffiliation": "USA", "acpCOI": ["FVEY"],
                "organizationType": "GOV", "issuer": "https://idp", "auth_time": 1, "mfa_used": true
            },
            "action": {"operation": "read"},
            "resource": {
                "resourceId": "r1", "classification": "SECRET", "originalClassification": "S",
                "originalCountry": "USA", "releasabilityTo": ["USA"], "COI": ["FVEY"], "coiOperator": "ANY",
                "caveats": [], "creationDate": "2025-01-01T00:00:00Z", "encrypted": true,
                "releasableToIndustry": false,
                "ztdf": {"integrityValidated": true, "policyHash": "a", "payloadHash": "b"}
            },
            "context": {
                "currentTime": "2025-01-01T00:00:00Z", "acr": "aal2", "amr": ["pwd", "otp"], "tenant": "USA",
                "sourceIP": "10.0.0.1", "requestId": "q1", "strict_coi_coherence": true
            }
        })
    }

    #[test]
    fn names_are_exactly_those_the_policy_reads() {
        let input: Input = serde_json::from_value(full()).unwrap();
        assert_eq!(serde_json::to_value(&input).unwrap(), full());
    }

    #[test]
    fn a_field_that_is_not_listed_is_refused_everywhere() {
        for object in ["/subject", "/action", "/resource", "/resource/ztdf", "/context", ""] {
            let mut document = full();
            let fields = document.pointer_mut(object).unwrap().as_object_mut().unwrap();
            fields.insert("surprise".to_owned(), true.into());
            assert!(serde_json::from_value::<Input>(document).is_err(), "{object}");
        }
    }

    #[test]
    fn types_are_not_coerced() {
        let wrong = [
            ("/subject/authenticated", serde_json::json!("true")),
            ("/subject/acpCOI", serde_json::json!("FVEY")),
            ("/resource/releasabilityTo", serde_json::json!("USA")),
            ("/context/amr", serde_json::json!("pwd")),
            ("/context/acr", serde_json::json!(true)),
            ("/resource/encrypted", serde_json::json!(1)),
        ];
        for (place, value) in wrong {
            let mut document = full();
            *document.pointer_mut(place).unwrap() = value;
            assert!(serde_json::from_value::<Input>(document).is_err(), "{place}");
        }
    }

    #[test]
    fn what_is_absent_is_not_sent() {
        let resource = serde_json::to_value(Resource { resource_id: "r".to_owned(), ..Resource::default() });
        assert_eq!(resource.unwrap(), serde_json::json!({"resourceId": "r", "COI": []}));
    }
}
