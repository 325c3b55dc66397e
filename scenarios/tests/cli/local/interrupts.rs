//! Ctrl-C and SIGTERM in every phase: healed, cleaned up, reported; twice: given up at once.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::bench::{Bench, Ended, LATE, OUTAGE, now};

/// Stays in its phases long enough to be met there: every phase that waits does so for three seconds of real time.
const SLOW: [&str; 3] = ["--world=local", "--speed=10", "slow.yaml"];

fn slow(bench: &Bench) {
    let slow = OUTAGE
        .replace("for: 2s", "for: 30s")
        .replace("  - heal: outage\n", "  - wait: 30s\n  - heal: outage\n")
        .replace("open_for: 10s", "open_for: 1s");
    bench.file("slow.yaml", slow);
}

fn interrupted_at(words: &str, signal: Signal) -> (Bench, Ended) {
    let bench = Bench::new();
    slow(&bench);
    let mut running = bench.start(&["run", SLOW[0], SLOW[1], SLOW[2]]);
    running.await_line(words);
    running.signal(signal);
    let asked = now();
    let ended = running.ended().code(2);
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    bench.assert_clean();
    let page = ended.out.lines().find_map(|line| line.strip_prefix("report: ")).unwrap();
    assert!(std::fs::read_to_string(bench.path(page)).unwrap().contains("</html>"));
    assert!(ended.out.contains("INCONCLUSIVE"), "{}", ended.out);
    assert!(ended.out.contains("✓ nothing is left behind"), "{}", ended.out);
    (bench, ended)
}

#[test]
fn while_setting_up() {
    let (_, ended) = interrupted_at("setting up", Signal::SIGINT);
    assert!(!ended.err.contains("breaking things"), "{}", ended.err);
}

#[test]
fn while_the_steady_state_is_shown() {
    let (_, ended) = interrupted_at("showing the steady state", Signal::SIGINT);
    assert!(!ended.err.contains("breaking things"), "{}", ended.err);
}

#[test]
fn while_a_fault_is_in_effect() {
    let (bench, ended) = interrupted_at("✗ outage: opa stopped", Signal::SIGINT);
    assert!(ended.err.contains("✓ outage healed (opa is ready again"), "{}", ended.err);
    // The record tells the same as the screen did.
    let record = std::fs::read_to_string(bench.the_run().join("run.jsonl")).unwrap();
    assert!(record.contains("\"healed\"") && record.lines().next_back().unwrap().contains("Ctrl-C"));
}

#[test]
fn while_it_recovers_and_by_sigterm() {
    let (_, ended) = interrupted_at("waiting for recovery", Signal::SIGTERM);
    assert!(ended.out.contains("interrupted (SIGTERM)"), "{}", ended.out);
}

#[test]
fn twice_gives_up_at_once_and_nothing_is_left() {
    for words in ["setting up", "✗ outage: opa stopped"] {
        let bench = Bench::new();
        slow(&bench);
        let mut running = bench.start(&["run", SLOW[0], SLOW[1], SLOW[2]]);
        running.await_line(words);
        running.signal(Signal::SIGINT);
        running.await_line("once more to give up at once");
        running.signal(Signal::SIGINT);
        let asked = now();
        let ended = running.ended();
        // Between the two the run may have come to its end in good order.
        assert!(ended.code == 70 || ended.code == 2, "{}\n{}", ended.code, ended.err);
        assert!(asked.elapsed() < LATE, "{:?}", asked.elapsed());
        bench.gone_within(LATE);
        bench.run(&["heal"]).code(0);
        bench.assert_clean();
    }
}
