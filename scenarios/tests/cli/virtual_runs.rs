//! Runs in the virtual world: told in lines, repeated, interrupted.

use nix::sys::signal::Signal;

use crate::bench::{Bench, OUTAGE, Running};

/// Simulated days, which take minutes: time enough to interrupt it.
const LONG: &str = "\
id: edge/long
title: Nothing happens for long
worlds: [virtual]
topology: hub-and-opa
load:
  reads: {request: read, every: 500ms}
steady:
  signals: {hub/status: healthy, hub/circuit/opa: CLOSED}
steps:
  - wait: 500h
";

#[test]
fn the_exit_code_is_the_verdict() {
    let bench = Bench::new();
    let held = bench.file("held.yaml", OUTAGE);
    bench.run(&["run", held, "--world=virtual"]).code(0);
    let violated = bench.file("violated.yaml", OUTAGE.replace("within: 60s", "within: 10ms"));
    bench.run(&["run", violated, "--world=virtual"]).code(1);
    bench.assert_clean();
}

#[test]
fn without_a_terminal_there_are_plain_lines_and_the_report_is_named_last() {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", OUTAGE);
    let ended = bench.run(&["run", file, "--world=virtual"]).code(0);
    assert!(!ended.err.contains('\x1b') && !ended.out.contains('\x1b'));
    assert!(
        ended.err.contains("✗ outage: opa stopped") && ended.err.contains("hub/circuit/opa: CLOSED → OPEN"),
        "{}",
        ended.err
    );
    let last = ended.out.lines().next_back().unwrap();
    let report = last.strip_prefix("report: ").unwrap_or_else(|| panic!("{last}"));
    assert!(std::fs::read_to_string(bench.path(report)).unwrap().contains("</html>"));
}

#[test]
fn json_is_one_line_a_run_and_nothing_else() {
    let bench = Bench::new();
    let ended = bench
        .run(&["run", "circuit/steady", "circuit/idle", "--world=virtual", "--json", "--repeat=3"])
        .code(0);
    let lines: Vec<serde_json::Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seeds: Vec<_> = lines
        .iter()
        .map(|line| (line["scenario"].as_str().unwrap(), line["seed"].as_u64().unwrap()))
        .collect();
    let both = |seed| [("circuit/steady", seed), ("circuit/idle", seed)];
    assert_eq!(seeds, [both(1), both(2), both(3)].concat());
    for line in &lines {
        assert_eq!(line["verdict"], "held");
        let folder = std::path::Path::new(line["folder"].as_str().unwrap());
        assert!(folder.join("run.jsonl").is_file());
    }
    assert_eq!(bench.runs().len(), 6, "each has a folder of its own");
    assert_eq!(ended.err, "");
}

#[test]
fn several_runs_are_counted_and_each_report_is_named() {
    let bench = Bench::new();
    let ended = bench.run(&["run", "circuit/steady", "circuit/idle", "--world=virtual"]).code(0);
    assert!(ended.out.contains("2 held, 0 violated, 0 inconclusive"), "{}", ended.out);
    let named = ended.out.lines().filter(|line| line.starts_with("  out/"));
    assert_eq!(named.inspect(|line| assert!(bench.path(line.trim()).is_file())).count(), 2);
}

#[test]
fn an_interrupted_run_is_reported_and_those_after_it_are_left_out() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let bench = Bench::new();
        let (first, long, last) = (
            bench.file("first.yaml", OUTAGE),
            bench.file("long.yaml", LONG),
            bench.file("last.yaml", OUTAGE),
        );
        let mut running = bench.start(&["run", first, long, last, "--world=virtual"]);
        running.await_line("edge/long [virtual]");
        running.await_line("breaking things");
        running.signal(signal);
        let ended = running.ended().code(2);
        let name = if signal == Signal::SIGINT { "Ctrl-C" } else { "SIGTERM" };
        assert!(ended.out.contains(&format!("it was interrupted ({name})")), "{}", ended.out);
        let ended = ended.says(&["ended early", "1 run was left out"]);
        assert!(ended.out.contains("1 held, 0 violated, 1 inconclusive"), "{}", ended.out);
        assert_eq!(bench.runs().len(), 2);
        bench.assert_clean();
    }
}

#[test]
fn asked_twice_it_gives_up_at_once_and_what_it_recorded_can_be_rendered() {
    let bench = Bench::new();
    let file = bench.file("long.yaml", LONG);
    let mut running = bench.start(&["run", file, "--world=virtual"]);
    running.await_line("breaking things");
    // The first is answered before the second: two at the same moment are one to the kernel.
    running.signal(Signal::SIGINT);
    running.await_line("once more to give up at once");
    running.signal(Signal::SIGINT);
    let ended = running.ended();
    // Between the two the run may have come to its end.
    assert!(ended.code == 70 || ended.code == 2, "{}\n{}", ended.code, ended.err);
    assert_eq!(bench.left(), Vec::<String>::new());
    bench.run(&["report", crate::bench::text(&bench.the_run())]).code(2);
}

/// A reader that leaves must not make a run leave things broken.
#[test]
fn a_run_whose_reader_has_gone_goes_on_to_its_end() {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", OUTAGE);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = bench.chaos(&["run", file, "--world=virtual"]);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    Running::start(&mut command).ended().code(0);
    let record = std::fs::read_to_string(bench.the_run().join("run.jsonl")).unwrap();
    assert!(record.lines().next_back().unwrap().contains("end"));
    bench.assert_clean();
}
