//! SIGKILL at any instant: all that the run started is gone within a second, and the next run works.

use std::time::Duration;

use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::bench::{Bench, LATE, OUTAGE, SOON, held, long_outage, until};

/// The bench's own run, which must hold, whatever happened there before.
fn works(bench: &Bench) {
    let file = bench.file("edge.yaml", OUTAGE);
    bench.run(&["heal"]).code(0);
    held(|| bench.run(&["run", file, "--world=local", "--speed=20"]));
    bench.assert_clean();
}

#[test]
fn at_random_instants() {
    const SEED: u64 = 20;
    let mut chance = StdRng::seed_from_u64(SEED);
    let bench = Bench::new();
    let file = bench.file("long.yaml", long_outage());
    let mut took = Vec::new();
    for round in 0..12 {
        let running = bench.start(&["run", file, "--world=local", "--speed=10"]);
        let instant = Duration::from_millis(chance.random_range(1..3_000));
        std::thread::sleep(instant);
        running.signal(Signal::SIGKILL);
        // The pipes' end is the end of all that could hold them.
        let code = running.ended().code;
        assert_eq!(code, 128 + 9, "round {round} of seed {SEED}: it ended before {instant:?}");
        took.push(bench.gone_within(LATE));
    }
    took.sort_unstable();
    println!("how long anything stayed: {took:?}");
    assert!(took[took.len() / 2] <= SOON, "{took:?}");
    works(&bench);
}

#[test]
fn while_a_fault_is_in_effect_leaves_an_inverse_that_heal_carries_out() {
    let bench = Bench::new();
    let file = bench.file("frozen.yaml", long_outage().replace("{stop: opa}", "{pause: opa}"));
    let mut running = bench.start(&["run", file, "--world=local", "--speed=10"]);
    running.await_line("✗ outage: opa paused");
    running.signal(Signal::SIGKILL);
    assert_eq!(running.ended().code, 128 + 9);
    bench.gone_within(LATE);
    let journal = bench.the_run().join("undo.jsonl");
    assert!(journal.is_file(), "what was broken stands in the journal");

    let foreseen = bench.run(&["heal", "--dry-run"]).code(0);
    assert!(
        foreseen.out.contains("outage: opa paused: would be undone in the local world"),
        "{}",
        foreseen.out
    );
    assert!(journal.is_file());
    let healed = bench.run(&["heal"]).code(0);
    assert!(healed.out.contains("outage: opa paused: "), "{}", healed.out);
    assert!(!journal.exists());
    // What it recorded until then can be rendered.
    let rendered = bench.run(&["report", crate::bench::text(&bench.the_run())]).code(2);
    assert!(rendered.out.contains("its record was cut short"), "{}", rendered.out);
    works(&bench);
}

/// The out-of-memory killer takes whom it likes: here the run and its reaper.
#[test]
fn together_with_the_reaper_leaves_what_heal_removes() {
    let bench = Bench::new();
    let file = bench.file("long.yaml", long_outage());
    let mut running = bench.start(&["run", file, "--world=local", "--speed=10"]);
    running.await_line("✗ outage: opa stopped");
    let reaper = bench.left().into_iter().find(|line| line.contains("serve reaper")).unwrap();
    let reaper = nix::unistd::Pid::from_raw(reaper.split(' ').nth(1).unwrap().parse().unwrap());
    // Stopped first, so that it has no instant between the two deaths.
    nix::sys::signal::kill(reaper, Signal::SIGSTOP).unwrap();
    running.signal(Signal::SIGKILL);
    nix::sys::signal::kill(reaper, Signal::SIGKILL).unwrap();
    assert_eq!(running.ended().code, 128 + 9);
    until(|| !bench.left().iter().any(|line| line.contains("serve reaper")));
    let left = bench.left();
    assert!(left.iter().any(|line| line.contains("serve node")), "{left:?}");
    assert!(left.iter().any(|line| line.contains("tmp/chaos-")), "{left:?}");

    let foreseen = bench.run(&["heal", "--dry-run"]).code(0);
    assert!(
        foreseen.out.contains("serve node --config") || foreseen.out.contains("serve node)"),
        "{}",
        foreseen.out
    );
    assert_eq!(bench.left(), left, "a dry run removes nothing");
    let healed = bench.run(&["heal"]).code(0);
    assert!(healed.out.contains("folder ") && healed.out.contains(": removed"), "{}", healed.out);
    bench.gone_within(LATE);
    works(&bench);
}
