//! The policies' own test suite, run twice: by an embedded engine, always, and by the real one when the
//! `opa` command is there. A test counts only when it ran, so the number of tests is compared, too.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regorus::{Engine, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

fn rego_files(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    let files =
        entries.into_iter().flat_map(|path| if path.is_dir() { rego_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rego")).collect()
}

/// An engine with everything loaded, and the paths of all rules named `test_…`.
fn loaded() -> (Engine, Vec<String>) {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    let mut tests = Vec::new();
    for file in rego_files(&root()) {
        let source = std::fs::read_to_string(&file).unwrap();
        let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let package = engine.add_policy(name, source.clone()).unwrap();
        let rules = source.lines().filter(|line| line.starts_with("test_"));
        tests.extend(rules.map(|line| format!("{package}.{}", line.split_whitespace().next().unwrap())));
    }
    engine.add_data(Value::from_json_str(&dive_authz::policies::data().to_string()).unwrap()).unwrap();
    (engine, tests)
}

#[test]
fn every_test_passes_in_the_embedded_engine() {
    let (mut engine, tests) = loaded();
    assert!(tests.len() > 100, "only {} tests were found", tests.len());
    let failed: Vec<String> = tests
        .iter()
        .filter_map(|test| match engine.eval_rule(test.clone()) {
            Ok(Value::Bool(true)) => None,
            outcome => Some(format!("{test}: {outcome:?}")),
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Runs `opa`, or says why not.
fn opa(arguments: &[&str]) -> Option<Output> {
    match Command::new("opa").args(arguments).arg(root()).output() {
        Ok(output) => Some(output),
        Err(reason) => {
            eprintln!("SKIPPED: opa {} could not be run: {reason}", arguments.join(" "));
            None
        }
    }
}

#[test]
fn every_test_passes_in_the_real_engine() {
    let Some(output) = opa(&["test", "--format=json"]) else { return };
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    let results: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(results.as_array().unwrap().len(), loaded().1.len(), "both engines ran the same tests");
}

/// Every expression of every rule was evaluated by some test.
#[test]
fn the_tests_cover_every_rule() {
    let Some(output) = opa(&["test", "--coverage", "--format=json"]) else { return };
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = report["files"].as_object().unwrap();
    let mut uncovered = Vec::new();
    for module in dive_authz::policies::modules() {
        let path = root().join(module.path);
        let Some(found) = files.iter().find(|(file, _)| path.ends_with(file) || path.to_str() == Some(file))
        else {
            uncovered.push(format!("{}: not loaded", module.path));
            continue;
        };
        let lines = module.source.lines().collect::<Vec<_>>();
        for place in found.1["not_covered"].as_array().into_iter().flatten() {
            let row =
                |end: &str| place[end]["row"].as_u64().and_then(|row| usize::try_from(row).ok()).unwrap();
            for row in row("start")..=row("end") {
                uncovered.push(format!("{}:{row}: {}", module.path, lines[row - 1]));
            }
        }
    }
    assert!(uncovered.is_empty(), "no test evaluates\n{}", uncovered.join("\n"));
}

#[test]
fn the_real_engine_finds_nothing_to_complain_about() {
    for arguments in [&["check", "--strict"][..], &["fmt", "--list", "--fail"]] {
        let Some(output) = opa(arguments) else { return };
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "opa {arguments:?}: {}", String::from_utf8_lossy(&said));
    }
}
