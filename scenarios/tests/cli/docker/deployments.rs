//! A run dies over a deployment. Minutes: for the night.

use nix::sys::signal::Signal;

use super::{PATIENCE, engine_is_ours, owned_by};
use crate::bench::{Bench, Running, now};

/// What a hub is made of at least while it comes up: containers, volumes, the network.
const SOME: usize = 8;

#[test]
fn sigkill_of_the_run_leaves_nothing_of_a_deployment() {
    if !engine_is_ours() {
        return;
    }
    let bench = Bench::new();
    let mut running = Running::start(&mut bench.chaos(&["run", "deploy/idempotent", "--world=docker"]));
    running.patience = PATIENCE;
    let pid = running.pid();
    running.await_line("hub/deployment/phase: INITIALIZATION → DEPLOYMENT");
    let began = now();
    while owned_by(pid).len() < SOME {
        assert!(began.elapsed() < PATIENCE, "{:?}", owned_by(pid));
    }
    running.signal(Signal::SIGKILL);
    let killed = now();
    while !owned_by(pid).is_empty() {
        assert!(killed.elapsed() < PATIENCE, "after {:?}: {:?}", killed.elapsed(), owned_by(pid));
    }
    println!("nothing left {:?} after SIGKILL", killed.elapsed());
    assert_eq!(running.ended().code, 128 + 9);
    bench.gone_within(PATIENCE);
    bench.run(&["heal"]).code(0);
    bench.assert_clean();
}
