//! Inputs for this crate's tests.

use proptest::prelude::*;
use serde_json::Value;

use crate::input::{Acr, Action, Context, Input, Resource, Subject, Ztdf};

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// A complete input with every field filled.
pub(crate) fn input() -> Input {
    let text = |value: &str| Some(value.to_owned());
    Input {
        subject: Subject {
            authenticated: true,
            unique_id: text("user-0"),
            clearance: text("SECRET"),
            clearance_original: text("S"),
            clearance_country: text("USA"),
            country_of_affiliation: text("USA"),
            acp_coi: strings(&["FVEY", "NATO"]),
            organization_type: text("GOV"),
            issuer: text("https://idp.usa.example"),
            auth_time: Some(1_750_000_000),
            mfa_used: Some(true),
        },
        action: Action { operation: "read".to_owned() },
        resource: Resource {
            resource_id: "doc-1".to_owned(),
            classification: text("SECRET"),
            original_classification: None,
            original_country: None,
            releasability_to: Some(strings(&["USA", "GBR"])),
            coi: strings(&["FVEY"]),
            coi_operator: text("ALL"),
            caveats: Some(strings(&["ORCON"])),
            creation_date: text("2025-01-01T00:00:00Z"),
            encrypted: Some(true),
            releasable_to_industry: Some(true),
            ztdf: Some(Ztdf { integrity_validated: true, policy_hash: text("p"), payload_hash: text("q") }),
        },
        context: Context {
            current_time: "2025-06-01T00:00:00Z".to_owned(),
            acr: Some(Acr::Text("2".to_owned())),
            amr: Some(strings(&["pwd", "otp"])),
            tenant: text("USA"),
            source_ip: text("10.0.0.1"),
            request_id: "req-1".to_owned(),
            strict_coi_coherence: Some(false),
        },
    }
}

fn any_list() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[A-Z\",\\[\\]]{0,4}", 0..3)
}

/// Inputs whose texts hold the characters that a careless join would confuse.
pub(crate) fn any_input() -> impl Strategy<Value = Input> {
    let text = || prop::option::of("[a-zA-Z:,\"{}_ ]{0,6}");
    (
        (text(), text(), text(), text(), any_list()),
        (text(), text(), prop::option::of(any_list()), any_list()),
        (prop::option::of(0..4u8), prop::option::of(any_list()), text(), any::<bool>()),
    )
        .prop_map(|(subject, resource, context)| {
            let mut input = input();
            let acp_coi;
            (
                input.subject.unique_id,
                input.subject.clearance,
                input.subject.clearance_original,
                input.subject.issuer,
                acp_coi,
            ) = subject;
            input.subject.acp_coi = acp_coi;
            let (classification, operator, releasability_to, coi) = resource;
            input.resource.classification = classification;
            input.resource.coi_operator = operator;
            input.resource.releasability_to = releasability_to;
            input.resource.coi = coi;
            let (acr, amr, tenant, numeric) = context;
            input.context.acr =
                acr.map(|acr| if numeric { Acr::Number(acr.into()) } else { Acr::Text(acr.to_string()) });
            input.context.amr = amr;
            input.context.tenant = tenant;
            input
        })
}

/// `input` with one field changed, for every field but currentTime and requestId, found by walking its
/// JSON: the test needs no list of fields that could be forgotten.
pub(crate) fn mutations(input: &Input) -> Vec<(String, Input)> {
    const LEFT_OUT: [&str; 2] = ["/context/currentTime", "/context/requestId"];
    let whole = serde_json::to_value(input).expect("an input is JSON");
    let mut places = Vec::new();
    leaves(&whole, String::new(), &mut places);
    let mut mutated = Vec::new();
    for place in places {
        if LEFT_OUT.contains(&place.as_str()) {
            continue;
        }
        let mut document = whole.clone();
        let leaf = document.pointer_mut(&place).expect("the place was just found");
        *leaf = changed(leaf);
        mutated.push((place.clone(), serde_json::from_value(document).expect("types are kept")));
        let (parent, field) = place.rsplit_once('/').expect("every leaf has a parent");
        let mut document = whole.clone();
        if let Some(fields) = document.pointer_mut(parent).and_then(Value::as_object_mut) {
            let absent_equals_empty = fields[field].as_array().is_some_and(Vec::is_empty);
            fields.remove(field);
            if let (Ok(without), false) = (serde_json::from_value(document), absent_equals_empty) {
                mutated.push((format!("without {place}"), without));
            }
        }
    }
    mutated
}

fn leaves(value: &Value, place: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                leaves(field, format!("{place}/{name}"), found);
            }
        }
        _ => found.push(place),
    }
}

fn changed(leaf: &Value) -> Value {
    match leaf {
        Value::Bool(flag) => (!flag).into(),
        Value::Number(number) => (number.as_i64().unwrap_or(0) + 1).into(),
        Value::String(text) => format!("{text}x").into(),
        Value::Array(items) => items.iter().cloned().chain(["x".into()]).collect(),
        Value::Null | Value::Object(_) => unreachable!("absent fields are not sent, objects are walked"),
    }
}
