//! The list of known defects keeps up with what sees them.

use std::collections::BTreeSet;
use std::path::PathBuf;

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tables of controls.
fn controls() -> String {
    ["controls", "process_controls"].map(|of| read(&format!("scenarios/tests/{of}/table.rs"))).concat()
}

/// One place where a defect is said to be seen.
struct Place<'a> {
    kind: &'a str,
    of: &'a str,
    name: &'a str,
}

/// The places in a cell: ``control `scenario` `defect`, test `file` `function` ``.
fn places(cell: &str) -> Vec<Place<'_>> {
    let mut words = cell.split('`').map(|word| word.trim_matches([' ', ',']));
    let mut places = Vec::new();
    while let (Some(kind), Some(of), Some(_), Some(name)) =
        (words.next(), words.next(), words.next(), words.next())
    {
        places.push(Place { kind, of, name });
    }
    places
}

/// Why a place is none, if it is none.
fn missing(place: &Place<'_>, controls: &str) -> Option<String> {
    let Place { kind, of, name } = place;
    let there = match *kind {
        "control" => controls
            .split("control(")
            .any(|control| control.contains(&format!("\"{of}\"")) && control.contains(name)),
        "test" => read(of).contains(&format!("fn {name}(")),
        _ => false,
    };
    (!there).then(|| format!("{kind} `{of}` `{name}`"))
}

#[test]
fn every_defect_is_seen_where_the_list_says() {
    let (list, controls) = (read("docs/known-defects.md"), controls());
    let rows = list.lines().filter_map(|line| line.strip_prefix("| ")).filter(|row| row.contains('`'));
    let (mut listed, mut wrong) = (BTreeSet::new(), Vec::new());
    for row in rows {
        let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").collect();
        let [id, _, seen] = cells[..] else { panic!("a row has three cells: {row}") };
        listed.insert(id.trim().to_owned());
        let places = places(seen);
        if places.is_empty() {
            wrong.push(format!("{id} is seen nowhere"));
        }
        wrong.extend(places.iter().filter_map(|place| missing(place, &controls)));
    }
    for (letter, last) in [("A", 10), ("R", 4), ("B", 11), ("H", 6), ("D", 11)] {
        for number in 1..=last {
            assert!(listed.contains(&format!("{letter}{number}")), "{letter}{number} is not listed");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_place_that_does_not_exist_is_found_out() {
    let controls = controls();
    for (cell, wrong) in [
        ("control `circuit/idle` `OnlyTraffic`", 0),
        ("control `circuit/idle` `NoProbeLimit`", 1),
        ("control `circuit/nowhere` `OnlyTraffic`", 1),
        ("control `circuit/tls-untrusted` `CertificatesUnseen`", 0),
        ("test `scenarios/tests/docs.rs` `every_scenario_has_its_page`", 0),
        ("test `scenarios/tests/docs.rs` `every_scenario`", 1),
        ("hope `circuit/idle` `OnlyTraffic`, control `circuit/idle` `OnlyTraffic`", 1),
    ] {
        let found = places(cell);
        assert_eq!(found.iter().filter_map(|place| missing(place, &controls)).count(), wrong, "{cell}");
    }
}
