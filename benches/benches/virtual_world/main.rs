//! How fast virtual time runs, with the whole node in it: simulated seconds per real second on one core.
//!
//! The measured world: a hub with its pollers of four dependencies, each dependency a node of its own behind
//! a link with latency, one request a second through the hub's axum router, the policy decided by bytecode,
//! one outage of the policy engine (crash at 2 min, back at 3 min), ten minutes in all. Every request and
//! every poll is a call over a link, run by a handler spawned into the callee, which a crash would end.
//! `bare` is that world with a plain driver; `scenario` is the virtual world of the `chaos` command with
//! runner, recorder, invariants' facts and everything that a report is made of.
//!
//! | bench | shows |
//! |---|---|
//! | `bare, …` | simulated seconds per second; with each question asked once, or a few again and again |
//! | `scenario` | the same as a user gets it |
//! | `request` | what one request costs: a run with requests less the same run without, by their number |
//! | `timer` | what a timer costs that is set, fires and wakes its task, among a hundred tasks |
//!
//! Before anything is measured, the world proves that it is the world described (the circuit's path, the
//! outcomes, a crash that ends a handler under way) and that it is deterministic: the same seed twice gives
//! the same log byte for byte and the same fingerprint of polls, another seed another interleaving.

mod bare;
mod proof;
mod scenario;

use std::time::Duration;

use bare::{Asking, World};
use benches::race::{Race, Spread, brief, micros, race};
use benches::summary::{Goal, seen, summary};
use criterion::{Criterion, criterion_group, criterion_main};
use harness_sim::{Sim, SimSettings};

/// How long the measured world lives.
const LIFE: Duration = Duration::from_secs(600);
/// Requests in it.
const REQUESTS: f64 = 600.0;
/// The goal, simulated seconds per second.
const GOAL: f64 = 150_000.0;

const NEW: &str = "bare, every question asked once";
const AGAIN: &str = "bare, a few questions again and again";
const NOTHING: &str = "bare, no requests";
const SCENARIO: &str = "scenario, with runner and recorder";

fn speed(criterion: &mut Criterion) {
    let raced = race(criterion, "virtual_world/ten minutes", || {
        proof::world();
        proof::determinism();
        let arm = |asking| {
            let mut seed = 0;
            move || {
                seed += 1;
                World::new(seed, asking).run()
            }
        };
        let scenario = scenario::Outage::new();
        let mut seed = 0;
        Race::new()
            .with(AGAIN, arm(Asking::Again))
            .with(NEW, arm(Asking::New))
            .with(NOTHING, arm(Asking::Nothing))
            .with(SCENARIO, move || {
                seed += 1;
                scenario.run(seed)
            })
    });
    let Some(race) = raced else { return };
    for standing in race.standings() {
        let goal = if [AGAIN, NEW].contains(&standing.name) { Goal::AtLeast(GOAL) } else { Goal::None };
        let speed = LIFE.as_secs_f64() / standing.p50.as_secs_f64();
        seen(&format!("virtual world, {}", standing.name), speed, "× real time", goal);
    }
    for name in [AGAIN, NEW] {
        let Some(Spread { median, .. }) = race.added(name, NOTHING) else { continue };
        let what = format!("virtual world, {name}: a request");
        seen(&what, median / REQUESTS, "µs", Goal::Under(10.0));
    }
}

/// Timers set and fired in one turn of the timer bench.
const TIMERS: u32 = 10_000;
const TASKS: u32 = 100;

/// A hundred tasks, each with a timer at all times, a hundred deadlines in common: every tie is drawn.
fn timers(seed: u64) {
    let mut sim = Sim::new(SimSettings::seeded(seed));
    let clock = sim.handle();
    let node = clock.node("node");
    for _ in 0..TASKS {
        let clock = clock.clone();
        let ticking = async move {
            for _ in 0..TIMERS / TASKS {
                clock.sleep(Duration::from_millis(1)).await;
            }
        };
        node.spawn("ticking", Box::pin(ticking));
    }
    sim.run(clock.sleep(Duration::from_secs(1))).expect("nothing in it can fail");
}

fn timer(criterion: &mut Criterion) {
    let mut seed = 0;
    let raced = race(criterion, "virtual_world/10,000 timers of 100 tasks", || {
        Race::new().with("10,000 timers", move || {
            seed += 1;
            timers(seed);
        })
    });
    if let Some(standing) = raced.as_ref().and_then(|race| race.standing("10,000 timers")) {
        let timer = micros(standing.p50) / f64::from(TIMERS);
        seen("virtual world: a timer set, fired, its task polled", timer, "µs", Goal::Under(0.5));
    }
}

criterion_group!(name = benches; config = brief(); targets = speed, timer, summary);
criterion_main!(benches);
