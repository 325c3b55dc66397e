//! What one timer, one task and one call over a link cost: `cargo run --release -p harness-sim --example speed`.

use std::time::{Duration, Instant};

use harness_core::fault::Edge;
use harness_sim::links::Latency;
use harness_sim::{Links, Sim, SimSettings, Slot};

const ROUNDS: u32 = 1_000_000;

#[expect(clippy::disallowed_methods, reason = "measures real time")]
fn measure(what: &str, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    let each = began.elapsed().as_secs_f64() / f64::from(ROUNDS);
    println!("{what:<44} {:>7.0} ns", each * 1e9);
}

fn sim() -> Sim {
    Sim::new(SimSettings { polls_per_instant: u64::MAX, ..SimSettings::seeded(1) })
}

fn main() {
    measure("timer in the root (one task, one timer)", || {
        let mut sim = sim();
        let handle = sim.handle();
        let work = async {
            for _ in 0..ROUNDS {
                handle.sleep(Duration::from_micros(1)).await;
            }
        };
        sim.run(work).expect("nothing is broken");
    });
    measure("timer among a hundred tasks", || {
        let mut sim = sim();
        let handle = sim.handle();
        let node = handle.node("n");
        for _ in 0..100 {
            let clock = handle.clone();
            let work = async move {
                for _ in 0..ROUNDS / 100 {
                    clock.sleep(Duration::from_micros(10)).await;
                }
            };
            node.spawn("tick", Box::pin(work));
        }
        sim.run(handle.sleep(Duration::from_secs(1))).expect("nothing is broken");
    });
    measure("task: spawn, poll, end", || {
        let mut sim = sim();
        let handle = sim.handle();
        let node = handle.node("n");
        let work = async {
            for _ in 0..ROUNDS {
                node.spawn("task", Box::pin(async {}));
                tokio::task::yield_now().await;
            }
        };
        sim.run(work).expect("nothing is broken");
    });
    for (what, latency) in [
        ("call: handler spawned, no latency", Latency { up: Duration::ZERO, down: Duration::ZERO }),
        ("call: handler spawned, latency both ways", Latency::default()),
    ] {
        measure(what, || {
            let mut sim = sim();
            let handle = sim.handle();
            let callee = handle.node("callee");
            let slot = Slot::new();
            slot.occupy(&callee, 7_u32);
            let link = Links::with_latency(&handle, latency).link(&Edge::new("caller", "callee"), &slot);
            let work = async {
                for _ in 0..ROUNDS {
                    link.call(|service| async move { service }).await.expect("nothing is broken");
                }
            };
            sim.run(work).expect("nothing is broken");
        });
    }
}
