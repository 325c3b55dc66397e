//! The same ten minutes as a scenario, in the virtual world of the `chaos` command.

use harness_core::event::{Event, What};
use harness_core::recorder::Recorder;
use harness_core::scenario::check;
use harness_core::scenario::source::File;
use scenarios::binding::vocabulary;
use scenarios::execute::Plan;
use scenarios::worlds::virtual_world::{self, Parts};

use super::LIFE;

const SCENARIO: &str = "
id: bench/outage
title: Ten minutes with one outage
why: To be measured.
worlds: [virtual]
topology: hub-and-opa
load:
  reads: {request: read, every: 1s}
steady:
  signals: {hub/status: healthy, hub/circuit/opa: CLOSED}
faults:
  outage: {stop: opa}
steps:
  - wait: 2m
  - fault: outage
  - expect: {signal: hub/circuit/opa, becomes: OPEN, after: outage, within: 30s}
  - wait: 30s
  - heal: outage
  - expect: {signal: hub/circuit/opa, becomes: CLOSED, after: healed outage, within: 90s, as: closed}
  - wait: 6m45s
  - expect: {requests: reads, all: [allowed], from: closed, at-least: 60}
";

/// The scenario, checked once.
pub(crate) struct Outage {
    plan: Plan,
}

impl Outage {
    pub(crate) fn new() -> Self {
        let file = File::parse(SCENARIO, "bench").expect("it is well formed");
        let scenario = check(&file, &vocabulary(), "bench", SCENARIO).expect("it says what can be");
        let outage = Self { plan: Plan::simulated(scenario, 0) };
        let (one, other) = (outage.run(7), outage.run(7));
        assert!(one == other, "the same events, one by one");
        let requests = one.iter().filter(|event| matches!(event.what, What::Request { .. })).count();
        let life = one.last().map(|event| event.at.hi.since_start()).unwrap_or_default();
        assert!(requests >= 595 && life >= LIFE, "{requests} requests in {life:?}");
        outage
    }

    /// Runs it; its events.
    pub(crate) fn run(&self, seed: u64) -> Vec<Event> {
        let recorder = Recorder::new(Vec::new());
        let plan = Plan { seed, ..self.plan.clone() };
        virtual_world::run(&plan, &recorder, Parts::default()).expect("the world can be made");
        recorder.into_events()
    }
}
