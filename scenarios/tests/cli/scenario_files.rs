//! Files that are no scenarios: each is refused with its place and a remedy, before anything is made.

use insta::assert_snapshot;

use crate::bench::{Bench, OUTAGE};

/// What is said about a file with this content, by `check` and by `run` alike.
fn refused(content: impl AsRef<[u8]>) -> String {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", content);
    let checked = bench.run(&["check", file]).code(64).silent();
    let ran = bench.run(&["run", file, "--world", "virtual"]).code(64).silent();
    assert_eq!(checked.err, ran.err);
    assert!(!bench.reports().exists());
    bench.assert_clean();
    checked.err
}

fn with(from: &str, to: &str) -> String {
    assert!(OUTAGE.contains(from), "{from}");
    OUTAGE.replacen(from, to, 1)
}

#[test]
fn unknown_key() {
    assert_snapshot!(refused(with("topology:", "topologie:")));
}

#[test]
fn unknown_service() {
    assert_snapshot!(refused(with("stop: opa", "stop: oppa")));
}

#[test]
fn negative_duration() {
    assert_snapshot!(refused(with("within: 60s", "within: -60s")));
}

#[test]
fn expectation_before_its_fault() {
    let fault = "  - fault: outage\n";
    assert_snapshot!(refused(with(fault, "").replacen("  - heal", &format!("{fault}  - heal"), 1)));
}

#[test]
fn setting_out_of_range() {
    assert_snapshot!(refused(with("open_for: 10s", "open_for: 10y")));
}

#[test]
fn empty() {
    assert_snapshot!(refused(""));
}

#[test]
fn ten_megabytes() {
    assert_snapshot!(refused(format!("{OUTAGE}# {}\n", "x".repeat(10_000_000 - OUTAGE.len() - 3))));
}

#[test]
fn binary_junk() {
    assert_snapshot!(refused([b"id: edge/junk\ntitle: \xff\xfe".as_slice(), &[0; 64]].concat()));
}

#[test]
fn missing() {
    let bench = Bench::new();
    assert_snapshot!(bench.run(&["check", "nosuch.yaml"]).code(64).silent().err);
}

#[test]
fn a_folder() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("folder.yaml")).unwrap();
    assert_snapshot!(bench.run(&["run", "folder.yaml"]).code(64).silent().err);
}

#[test]
fn a_device_without_end() {
    let bench = Bench::new();
    assert_snapshot!(bench.run(&["check", "/dev/zero"]).code(64).silent().err);
}

#[test]
fn one_bad_file_among_good_ones_is_told_and_the_good_ones_too() {
    let bench = Bench::new();
    let (good, bad) =
        (bench.file("good.yaml", OUTAGE), bench.file("bad.yaml", with("stop: opa", "stop: oppa")));
    let ended = bench.run(&["check", bad, good]).code(64).says(&["bad.yaml:12:11"]);
    assert_eq!(ended.out, "good.yaml: The policy engine is away for a while\n");
}
