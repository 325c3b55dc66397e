//! Two runs of the same scenario at the same moment, and strangers beside a run.

use std::net::TcpListener;

use crate::bench::{Bench, Ended, OUTAGE, Running, held, long_outage};

#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    let bench = Bench::new();
    let file = bench.file("edge.yaml", OUTAGE);
    let start = || bench.start(&["run", file, "--world=local", "--speed=10"]);
    let mut runs = 0;
    let ended = held(|| {
        runs += 2;
        let both = [start(), start()].map(Running::ended);
        let worst = |ended: &Ended| match ended.code {
            0 => 0,
            2 => 1,
            _ => 2,
        };
        both.into_iter().max_by_key(worst).unwrap()
    });
    assert_eq!(bench.runs().len(), runs);
    assert!(ended.out.contains("HELD"), "{}", ended.out);
    bench.assert_clean();
}

/// Healing while a run goes on is left to the run.
#[test]
fn heal_beside_a_run_leaves_it_alone() {
    let bench = Bench::new();
    let file = bench.file("long.yaml", long_outage());
    held(|| {
        let mut running = bench.start(&["run", file, "--world=local", "--speed=10"]);
        running.await_line("✗ outage: opa stopped");
        let healed = bench.run(&["heal"]).code(0);
        assert!(!healed.out.contains("outage"), "{}", healed.out);
        running.ended()
    });
    bench.assert_clean();
}

/// While the engine is stopped a stranger takes its port: it can't come back, and that is told, not waited for.
#[test]
fn a_port_that_a_stranger_took_is_named() {
    let bench = Bench::new();
    let file = bench.file("long.yaml", long_outage());
    let mut running = bench.start(&["run", file, "--world=local", "--speed=20"]);
    let stopped = running.await_line("✗ outage: opa stopped");
    let address = stopped.split("; ").nth(1).and_then(|rest| rest.split(": ").next()).unwrap().to_owned();
    let _stranger = TcpListener::bind(&address).unwrap();
    let ended = running.ended().code(2).says(&[&address, "is taken by pid", "next: "]);
    assert!(
        ended.out.contains("✓ nothing is left behind"),
        "what the stranger has is not ours: {}",
        ended.out
    );
    bench.assert_clean();
}
