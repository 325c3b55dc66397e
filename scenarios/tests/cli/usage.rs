//! Command lines that ask for what is not: exit code 64, what is wrong, what there is instead. Nothing is made.

use crate::bench::{Bench, Ended, OUTAGE};

fn refused(arguments: &[&str]) -> Ended {
    let bench = Bench::new();
    bench.file("edge.yaml", OUTAGE);
    let ended = bench.run(arguments).code(64).silent();
    assert!(!bench.reports().exists(), "{arguments:?} made a folder");
    bench.assert_clean();
    ended
}

#[test]
fn unknown_words_are_told_with_the_nearest_known_one() {
    refused(&["explode"]).says(&["unrecognized subcommand 'explode'", "Usage: chaos"]);
    refused(&["lst"]).says(&["'list'"]);
    refused(&["run", "circuit/opa-outrage"])
        .says(&["`circuit/opa-outrage`", "did you mean `circuit/opa-outage`?"]);
    refused(&["run", "nosuch"]).says(&["`nosuch`", "`chaos list`"]);
    refused(&["run", "--world", "mars"]).says(&["`mars` is not a world: virtual, local or docker"]);
    refused(&["run", "--wrld", "local"]).says(&["'--world'"]);
    refused(&["run", "edge.yaml", "--world", "virtual", "--set", "breaker.opa.treshold=1"])
        .says(&["unknown setting `breaker.opa.treshold`", "--set"]);
}

#[test]
fn values_out_of_range_are_told_with_the_range() {
    for speed in ["0", "-3", "101", "nan", "fast"] {
        refused(&["run", "edge.yaml", &format!("--speed={speed}")]).says(&["a number from 0.1 to 100"]);
    }
    refused(&["run", "--repeat", "0"]).says(&["1..=1000"]);
    refused(&["run", "--seed=-1"]).says(&["--seed"]);
    refused(&["run", "edge.yaml", "--world", "virtual", "--set", "breaker.opa.failures=0"]).says(&[
        "`breaker.opa.failures`",
        "from 1 to 1000000",
        "--set",
    ]);
}

#[test]
fn a_setting_without_a_key_or_a_value() {
    refused(&["run", "--set"]).says(&["--set"]);
    refused(&["run", "--set", "breaker.opa.failures"]).says(&["write key=value", "breaker.opa.failures=8"]);
    refused(&["run", "--set", "=3"]).says(&["write key=value"]);
}

#[test]
fn a_scenario_that_is_not_of_that_world() {
    refused(&["run", "circuit/clock-step", "--world", "local"])
        .says(&["circuit/clock-step does not run in the local world", "it runs in: virtual"]);
}

#[test]
fn a_scenario_named_without_its_extension_is_told_what_is_missing() {
    let bench = Bench::new();
    bench.file("edge", OUTAGE);
    bench.run(&["run", "./edge"]).code(64).silent().says(&["a scenario file ends in .yaml"]);
}

/// Programs read standard output; what is wrong must not look like a verdict there.
#[test]
fn with_json_too() {
    for arguments in [
        ["run", "nosuch", "--json"].as_slice(),
        &["run", "edge.yaml", "--json", "--speed=0"],
        &["run", "edge.yaml", "--json", "--world=virtual", "--set=foo=1"],
        &["run", "circuit/clock-step", "--json"],
        &["list", "nosuch", "--json"],
    ] {
        refused(arguments);
    }
}
