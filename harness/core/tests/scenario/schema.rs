//! The JSON schema that editors complete and check by.

use std::fs;
use std::path::PathBuf;

use harness_core::scenario::source::File;
use serde_json::Value;

use crate::WHOLE;

fn committed() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema/scenario.schema.json")
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&File::json_schema()).expect("the schema is one")
}

fn as_json(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).expect("YAML that is JSON, too")
}

/// With `UPDATE_SCHEMA` set it writes the file instead.
#[test]
fn the_committed_schema_is_the_one_the_types_make() {
    let made = format!("{:#}\n", File::json_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(committed(), &made).unwrap();
    }
    let committed = fs::read_to_string(committed()).unwrap_or_default();
    assert!(made == committed, "it is out of date: UPDATE_SCHEMA=1 cargo test -p harness-core schema");
}

#[test]
fn a_scenario_that_says_everything_is_valid() {
    let errors: Vec<String> = validator()
        .iter_errors(&as_json(WHOLE))
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn what_the_reader_refuses_for_its_form_the_schema_refuses() {
    let validator = validator();
    for (from, to) in [
        ("topology: hub", "topologie: hub"),
        ("topology: hub\n", ""),
        ("not-before: 500ms", "not-befor: 500ms"),
        ("- wait: 1s", "- sleep: 1s"),
        ("{stop: opa}", "{stopp: opa}"),
        ("{stop: opa}", "{stop: opa, kill: opa}"),
        ("delay: 300ms", "delay: 300ms, loss: 3"),
        ("[virtual, local]", "[virtual, moon]"),
        ("within: 30s", "within: -30s"),
        ("wait: 1s", "wait: soon"),
        ("wait: 1s", "wait: 1s.."),
        ("every: 500ms", "every: 500"),
        ("{refuse: hub -> opa}", "{refuse: hub}"),
        ("count: 200", "count: 0"),
        ("topology: hub", "topology: [hub]"),
        ("  for: 5s", "  fore: 5s"),
        ("- {caller: first, count: 10,", "- {Caller: first, count: 10,"),
        ("wait: <pause>", "wait: <PAUSE>"),
        ("count: <count>", "count: <0>"),
        ("      of:\n", "      off:\n"),
    ] {
        assert!(WHOLE.contains(from), "{from}");
        let text = WHOLE.replacen(from, to, 1);
        assert!(!validator.is_valid(&as_json(&text)), "`{to}` is not valid");
        assert!(crate::read(&text).is_err(), "`{to}` is refused");
    }
}
