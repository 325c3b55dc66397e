//! The documents keep up with the code: every scenario has its page, every command shown parses, every number of
//! states is the one that is asserted.

use std::path::PathBuf;
use std::process::Command;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_scenario_has_its_page() {
    let pages = read("docs/recover.md");
    for entry in scenarios::catalogue::all(&scenarios::binding::vocabulary()).unwrap() {
        let id = entry.scenario.id;
        assert!(pages.contains(&format!("\n## {id}\n")), "docs/recover.md has no page for {id}");
    }
}

#[test]
fn every_command_shown_parses() {
    let mut shown = 0;
    for path in ["README.md", "ARCHITECTURE.md", "docs/scenarios.md", "docs/operate.md", "docs/recover.md"] {
        for command in commands(&read(path)) {
            shown += 1;
            let words = command.split_whitespace().map(|word| word.trim_matches('`'));
            scenarios::chaos::parses(words)
                .unwrap_or_else(|error| panic!("{path}: cargo chaos {command}\n{error}"));
        }
    }
    assert!(shown > 10, "only {shown} commands were found");
}

#[test]
fn every_number_of_states_is_the_one_that_its_test_asserts() {
    let mut rows = 0;
    for row in read("docs/proofs.md").lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        rows += 1;
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, states, test] = cells[..] else { panic!("a row has three cells: {row}") };
        let words: Vec<&str> = test.split('`').collect();
        let [_, file, _, function, _] = words[..] else { panic!("a file and a test: {test}") };
        let code = read(file);
        let body =
            code.split_once(&format!("fn {function}(")).and_then(|(_, after)| after.split_once("\n}\n"));
        let (body, _) = body.unwrap_or_else(|| panic!("{file} has no {function}"));
        assert!(
            body.contains(&format!(", {});", states.replace(',', "_"))),
            "{function} asserts no {states}"
        );
    }
    assert_eq!(rows, 8);
}

/// What follows `cargo chaos` in a text, up to the end of its line, its comment or its code span.
fn commands(text: &str) -> Vec<String> {
    text.match_indices("cargo chaos ")
        .map(|(at, found)| {
            let rest = &text[at + found.len()..];
            let end = rest.find(['\n', '`', '#', '(']).unwrap_or(rest.len());
            rest[..end].replace(['<', '>'], "").trim().to_owned()
        })
        .filter(|command| !command.is_empty())
        .collect()
}

#[test]
fn an_unknown_verb_is_a_usage_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_chaos")).arg("explode").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}
