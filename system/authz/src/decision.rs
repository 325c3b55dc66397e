//! The engine's answer, read strictly.
//!
//! A [`Decision`] can only be made from the outcome of every check, so "allow although a check failed"
//! cannot be expressed; an engine that says so has given a malformed answer, and a malformed answer is
//! an error of the engine, never a permit.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::check::{Check, Checks};

/// Why a request was answered as it was. The names are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Every check held.
    Allow,
    /// The first check that failed.
    Failed(Check),
    /// No decision of the policy engine was to be had. Never said by the engine itself.
    PolicyEngineUnavailable,
    /// The last verified policy is too old to decide with. Never said by the engine itself.
    PolicyCacheExpired,
}

impl Reason {
    /// The exact name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Failed(check) => check.name(),
            Self::PolicyEngineUnavailable => "policy engine unavailable",
            Self::PolicyCacheExpired => "policy cache expired",
        }
    }

    /// The reason with exactly this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Allow, Self::PolicyEngineUnavailable, Self::PolicyCacheExpired]
            .into_iter()
            .find(|reason| reason.name() == name)
            .or_else(|| Check::from_name(name).map(Self::Failed))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| serde::de::Error::custom(format_args!("{name:?} is no reason")))
    }
}

/// Something the enforcement point must do before it lets an allowed request through. One it does not
/// know makes the whole answer malformed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Obligation {
    /// Something to be done with the key access service.
    Kas {
        /// What to do.
        action: KasAction,
        /// Which key access object of the resource.
        #[serde(rename = "kaoId")]
        kao_id: String,
    },
}

/// What an obligation asks of the key access service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KasAction {
    /// Ask for the data key.
    RequestKey,
}

/// What the engine decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Document", try_from = "Document")]
pub struct Decision {
    checks: Checks,
    obligations: Vec<Obligation>,
}

/// The engine's answer is none. The caller denies: the engine counts as failed.
#[derive(Debug, thiserror::Error)]
pub enum MalformedDecision {
    /// Not JSON, or JSON of another shape.
    #[error("the engine's answer has the wrong shape: {0}")]
    Shape(#[from] serde_json::Error),
    /// `{}`: the policy defines no decision, which is what an engine without policies says.
    #[error("the engine's answer has no result: no policy decides this path")]
    Undefined,
    /// `allow`, `reason` and `checks` do not agree.
    #[error("the engine contradicts itself: allow is {allow}, reason is `{reason}`, first failed check is {}",
        .first_failed.map_or("none", Check::name))]
    Contradiction {
        /// What `allow` said.
        allow: bool,
        /// What `reason` said.
        reason: Reason,
        /// What follows from `checks`.
        first_failed: Option<Check>,
    },
    /// A denial came with obligations.
    #[error("the engine denies, yet obliges")]
    ObligedDenial,
}

/// The decision document as it stands at `data.dive.authz`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    allow: bool,
    reason: Reason,
    obligations: Vec<Obligation>,
    evaluation_details: EvaluationDetails,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvaluationDetails {
    checks: Checks,
}

/// What the engine's data API wraps a result in. Other members are its own commentary.
#[derive(Deserialize)]
struct Answer {
    result: Option<Document>,
}

impl Decision {
    /// The decision that follows from the checks. Obligations of a denial are dropped.
    pub fn new(checks: Checks, obligations: Vec<Obligation>) -> Self {
        let obligations = if checks.first_failed().is_none() { obligations } else { Vec::new() };
        Self { checks, obligations }
    }

    /// Reads the body of the engine's data API, `{"result": {…}}`.
    ///
    /// # Errors
    /// When the body is anything but one complete, consistent decision. Nothing is coerced: `allow` must
    /// be a JSON boolean, every check must be there, and all of them must agree.
    pub fn from_engine(body: &[u8]) -> Result<Self, MalformedDecision> {
        let answer: Answer = serde_json::from_slice(body)?;
        answer.result.ok_or(MalformedDecision::Undefined)?.try_into()
    }

    /// Whether the request is allowed.
    pub fn allow(&self) -> bool {
        self.checks.first_failed().is_none()
    }

    /// [`Reason::Allow`], or the first check that failed.
    pub fn reason(&self) -> Reason {
        self.checks.first_failed().map_or(Reason::Allow, Reason::Failed)
    }

    /// What must be done before the request is let through; empty for a denial.
    pub fn obligations(&self) -> &[Obligation] {
        &self.obligations
    }

    /// The outcome of every check.
    pub fn checks(&self) -> &Checks {
        &self.checks
    }
}

impl TryFrom<Document> for Decision {
    type Error = MalformedDecision;

    fn try_from(document: Document) -> Result<Self, MalformedDecision> {
        let Document { allow, reason, obligations, evaluation_details: EvaluationDetails { checks } } =
            document;
        let first_failed = checks.first_failed();
        let consistent = match first_failed {
            None => allow && reason == Reason::Allow,
            Some(check) => !allow && reason == Reason::Failed(check),
        };
        if !consistent {
            return Err(MalformedDecision::Contradiction { allow, reason, first_failed });
        }
        if !allow && !obligations.is_empty() {
            return Err(MalformedDecision::ObligedDenial);
        }
        Ok(Self { checks, obligations })
    }
}

impl From<Decision> for Document {
    fn from(decision: Decision) -> Self {
        Self {
            allow: decision.allow(),
            reason: decision.reason(),
            evaluation_details: EvaluationDetails { checks: decision.checks },
            obligations: decision.obligations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answer(decision: &Decision) -> Value {
        json!({ "result": decision })
    }

    fn parse(body: &Value) -> Result<Decision, MalformedDecision> {
        Decision::from_engine(body.to_string().as_bytes())
    }

    fn kas() -> Obligation {
        Obligation::Kas { action: KasAction::RequestKey, kao_id: "kao-r1".to_owned() }
    }

    #[test]
    fn every_decision_survives_the_way_over_the_wire() {
        let allow = Decision::new(Checks::all_held(), vec![kas()]);
        assert!(allow.allow());
        assert_eq!(parse(&answer(&allow)).unwrap(), allow);
        for check in Check::ALL {
            let deny = Decision::new(Checks::all_held().failing(check), vec![]);
            assert!(!deny.allow());
            assert_eq!(deny.reason(), Reason::Failed(check));
            assert_eq!(parse(&answer(&deny)).unwrap(), deny);
        }
    }

    #[test]
    fn the_engines_commentary_beside_the_result_is_ignored() {
        let allow = Decision::new(Checks::all_held(), vec![]);
        let mut body = answer(&allow);
        body["decision_id"] = "x".into();
        assert_eq!(parse(&body).unwrap(), allow);
    }

    #[test]
    fn obligations_have_the_documented_shape() {
        assert_eq!(
            serde_json::to_value(kas()).unwrap(),
            json!({"type": "kas", "action": "request_key", "kaoId": "kao-r1"})
        );
    }

    #[test]
    fn a_missing_or_empty_result_is_undefined() {
        for body in [json!({}), json!({"result": null}), json!({"decision_id": "x"})] {
            assert!(matches!(parse(&body), Err(MalformedDecision::Undefined)), "{body}");
        }
    }

    #[test]
    fn booleans_strings_and_numbers_are_never_taken_for_a_permit() {
        let whole = answer(&Decision::new(Checks::all_held(), vec![]));
        let bare = ["true", "\"allow\"", "1", "[]", "null", "", "{\"result\"", "{\"result\":true}x"];
        for body in bare {
            assert!(Decision::from_engine(body.as_bytes()).is_err(), "{body}");
        }
        for result in [json!(true), json!("true"), json!(1), json!([]), json!({}), json!({"allow": true})] {
            assert!(parse(&json!({ "result": result })).is_err());
        }
        for allow in [json!("true"), json!(1), json!(null), json!([true]), json!({"allow": true})] {
            let mut body = whole.clone();
            body["result"]["allow"] = allow;
            assert!(matches!(parse(&body), Err(MalformedDecision::Shape(_))), "{body}");
        }
    }

    #[test]
    fn an_unknown_shape_is_refused() {
        let whole = answer(&Decision::new(Checks::all_held(), vec![kas()]));
        let changes: [fn(&mut Value); 7] = [
            |result| result["surprise"] = true.into(),
            |result| result["evaluation_details"]["surprise"] = true.into(),
            |result| result["reason"] = "because".into(),
            |result| result["obligations"] = Value::Null,
            |result| result["obligations"][0]["type"] = "watermark".into(),
            |result| result["obligations"][0]["more"] = 1.into(),
            |result| drop(result.as_object_mut().unwrap().remove("evaluation_details")),
        ];
        for change in changes {
            let mut body = whole.clone();
            change(&mut body["result"]);
            assert!(matches!(parse(&body), Err(MalformedDecision::Shape(_))), "{body}");
        }
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_refused() {
        let deny = answer(&Decision::new(Checks::all_held().failing(Check::Coi), vec![]));
        let mut permit = deny.clone();
        permit["result"]["allow"] = true.into();
        let mut other_reason = deny.clone();
        other_reason["result"]["reason"] = "clearance".into();
        let mut engine_away = deny.clone();
        engine_away["result"]["reason"] = "policy engine unavailable".into();
        let mut denied_without_cause = answer(&Decision::new(Checks::all_held(), vec![]));
        denied_without_cause["result"]["allow"] = false.into();
        for body in [permit, other_reason, engine_away, denied_without_cause] {
            assert!(matches!(parse(&body), Err(MalformedDecision::Contradiction { .. })), "{body}");
        }
        let mut obliged = deny;
        obliged["result"]["obligations"] = json!([kas()]);
        assert!(matches!(parse(&obliged), Err(MalformedDecision::ObligedDenial)));
    }
}
