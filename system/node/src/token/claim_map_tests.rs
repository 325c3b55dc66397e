//! Which maps are accepted, and what an accepted one can and cannot do to a token.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn french() -> Value {
    json!({
        "claims": {
            "login": "uniqueID", "habilitation": "clearance", "pays": "countryOfAffiliation", "coi": "acpCOI",
        },
        "countries": {"FR": "FRA", "GF": "GUF"},
        "clearances": {"SECRET DÉFENSE": "SECRET", "Non Protégé": "UNCLASSIFIED", "SECRET": "CONFIDENTIAL"},
    })
}

fn accepted(map: &Value) -> Result<ClaimMap, String> {
    serde_json::from_str(&map.to_string()).map_err(|error| error.to_string())
}

fn applied(map: &Value, claims: &Value) -> Result<Value, Unmapped> {
    let mut claims = claims.as_object().unwrap().clone();
    accepted(map).unwrap().apply(&mut claims).map(|()| Value::Object(claims))
}

#[test]
fn a_partners_claims_become_this_houses() {
    let theirs = json!({
        "login": "hugo", "habilitation": "secret défense", "pays": "FR", "coi": ["NATO"], "acr": "2",
    });
    let ours = json!({
        "uniqueID": "hugo", "clearance": "SECRET", "countryOfAffiliation": "FRA", "acpCOI": ["NATO"],
        "acr": "2",
    });
    assert_eq!(applied(&french(), &theirs), Ok(ours));
}

#[test]
fn what_is_unmapped_or_ambiguous_is_refused() {
    let good = json!({"login": "hugo", "habilitation": "SECRET DÉFENSE", "pays": "FR", "coi": []});
    let cases = [
        ("pays", json!("DE"), "a country that is not listed"),
        ("pays", json!("DEU"), "the same spelled out"),
        ("pays", json!("fr"), "another spelling"),
        ("pays", json!(["FR"]), "a list"),
        ("habilitation", json!("TOP_SECRET"), "a term that is not listed"),
        ("habilitation", json!(""), "no term"),
        ("habilitation", json!(3), "a number"),
        ("login", json!(7), "a number"),
        ("coi", json!("NATO"), "a string where a list belongs"),
        ("clearance", json!("TOP_SECRET"), "an attribute's own claim besides"),
        ("uniqueID", json!("hugo"), "even one that says the same"),
        ("acpCOI", json!(null), "even one that says nothing"),
    ];
    assert!(applied(&french(), &good).is_ok());
    for (claim, value, why) in cases {
        let mut claims = good.clone();
        claims[claim] = value;
        assert_eq!(applied(&french(), &claims), Err(Unmapped), "{why}");
    }
}

#[test]
fn what_is_not_claimed_is_missing_and_no_more() {
    assert_eq!(
        applied(&french(), &json!({"login": "hugo", "pays": null})),
        Ok(json!({
            "uniqueID": "hugo", "countryOfAffiliation": null,
        }))
    );
    assert_eq!(applied(&french(), &json!({"pays": "FRA"})), Ok(json!({"countryOfAffiliation": "FRA"})));
    let mut without_coi = french();
    without_coi["claims"].as_object_mut().unwrap().remove("coi");
    assert_eq!(applied(&without_coi, &json!({"acpCOI": ["FVEY"]})), Err(Unmapped), "nobody maps it");
}

#[test]
fn a_map_is_validated_before_it_is_accepted() {
    type Change = fn(&mut Value);
    let changed = |change: Change| {
        let mut map = french();
        change(&mut map);
        accepted(&map).unwrap_err()
    };
    let cases: [(Change, &str); 13] = [
        (|map| map["claims"]["other"] = "clearance".into(), "two claims are mapped to `clearance`"),
        (|map| map["claims"]["login"] = "acpCOI".into(), "no claim is mapped to `uniqueID`"),
        (|map| map["claims"]["login"] = "roles".into(), "unknown variant"),
        (|map| map["claims"]["acr"] = "acpCOI".into(), "`acr` cannot be"),
        (|map| map["claims"][" "] = "acpCOI".into(), "` ` cannot be"),
        (|map| map["countries"]["fr"] = "FRA".into(), "`fr` is no alpha-2 code"),
        (|map| map["countries"]["FRA"] = "FRA".into(), "`FRA` is no alpha-2 code"),
        (|map| map["countries"]["ZZ"] = "ZZZ".into(), "ZZZ"),
        (|map| map["clearances"]["secret défense"] = "UNCLASSIFIED".into(), "ambiguous"),
        (|map| map["clearances"][""] = "SECRET".into(), "blank"),
        (|map| map["clearances"]["RESTRICTED"] = "SECRET".into(), "must not be raised"),
        (|map| map["clearances"]["X"] = "GEHEIM".into(), "unknown variant"),
        (|map| map["extra"] = true.into(), "unknown field"),
    ];
    for (change, why) in cases {
        let error = changed(change);
        assert!(error.contains(why), "{error} should say {why}");
    }
    let twice = r#"{"claims": {"a": "clearance", "a": "uniqueID"}}"#;
    assert!(serde_json::from_str::<ClaimMap>(twice).unwrap_err().to_string().contains("twice"));
    assert!(accepted(&json!({})).is_err());
}

#[test]
fn a_map_is_written_as_it_is_read() {
    let map = accepted(&french()).unwrap();
    assert_eq!(accepted(&serde_json::to_value(&map).unwrap()).unwrap(), map);
}

fn any_claims() -> impl Strategy<Value = Map<String, Value>> {
    let name = prop_oneof![
        Just("login"),
        Just("habilitation"),
        Just("pays"),
        Just("coi"),
        Just("uniqueID"),
        Just("clearance"),
        Just("countryOfAffiliation"),
        Just("acpCOI"),
        Just("acr"),
        Just("other"),
    ];
    let text = prop_oneof![
        Just("FR"),
        Just("FRA"),
        Just("DEU"),
        Just("GF"),
        Just("SECRET DÉFENSE"),
        Just("secret"),
        Just("TOP_SECRET"),
        Just("non protégé"),
        Just("hugo"),
        Just(""),
    ];
    let value = prop_oneof![
        8 => text.clone().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i32>().prop_map(Value::from),
        2 => prop::collection::vec(text.prop_map(Value::from), 0..3).prop_map(Value::from),
    ];
    prop::collection::btree_map(name.prop_map(str::to_owned), value, 0..6)
        .prop_map(|claims| claims.into_iter().collect())
}

proptest! {
    /// Whatever a token claims: what comes out is one of the listed meanings, or nothing.
    #[test]
    fn nothing_comes_out_but_what_is_listed(claims in any_claims()) {
        let map = accepted(&french()).unwrap();
        let mut mapped = claims.clone();
        if map.apply(&mut mapped).is_err() {
            return Ok(());
        }
        for name in ["uniqueID", "clearance", "countryOfAffiliation", "acpCOI"] {
            prop_assert!(!claims.contains_key(name), "ambiguous: {name}");
        }
        for name in ["login", "habilitation", "pays", "coi"] {
            prop_assert!(!mapped.contains_key(name), "{name} is left");
        }
        let one_of = |name: &str, listed: &[&str]| {
            mapped.get(name).is_none_or(|value| {
                value.is_null() || value.as_str().is_some_and(|value| listed.contains(&value))
            })
        };
        prop_assert!(one_of("clearance", &["SECRET", "UNCLASSIFIED", "CONFIDENTIAL"]));
        prop_assert!(one_of("countryOfAffiliation", &["FRA", "GUF"]));
        prop_assert_eq!(mapped.get("acr"), claims.get("acr"));
        prop_assert_eq!(mapped.get("other"), claims.get("other"));
        let attributes = |claims: &Map<String, Value>, names: [&str; 4]| {
            names.iter().filter(|name| claims.contains_key(**name)).count()
        };
        prop_assert_eq!(
            attributes(&mapped, ["uniqueID", "clearance", "countryOfAffiliation", "acpCOI"]),
            attributes(&claims, ["login", "habilitation", "pays", "coi"])
        );
    }
}
