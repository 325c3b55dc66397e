//! An interruption at any instant: everything that was broken is healed, the world is taken down, and
//! the record says why it ended.

use harness_core::event::{Stage, What};
use harness_core::fault::{Edge, Fault, Flap};
use harness_core::scenario::Scenario;
use harness_core::verdict::{Axis, Verdict};
use proptest::prelude::*;
use tokio::time::sleep_until;

use crate::toy::{Habits, becomes, healed, in_effect, ms, run, run_until, s, scenario, stopped};

/// Two faults that overlap, one of them flapping, and a load.
fn eventful() -> Scenario {
    let flap =
        Flap { fault: Fault::Refuse(Edge::new("hub", "opa")), down: ms(300).into(), up: ms(200).into() };
    scenario()
        .load("reads", "read", ms(50))
        .fault("outage", stopped())
        .expect(becomes("OPEN", in_effect("outage"), s(5)))
        .fault("flapping", Fault::Flap(Box::new(flap)))
        .wait(s(1))
        .heal("outage")
        .wait(ms(700))
        .heal("flapping")
        .expect(becomes("CLOSED", healed("flapping"), s(5)))
        .build()
}

#[test]
fn uninterrupted_it_is_held() {
    let ran = run(Habits::default(), &eventful());
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
    let length = ran.events.last().unwrap().at.hi;
    assert!(length.since_start() < ms(LENGTH), "{length}");
}

/// The run's length at most, in milliseconds.
const LENGTH: u64 = 13_000;

/// Instants at which the runner was in the middle of something, or about to be.
fn busy_instants() -> Vec<u64> {
    let ran = run(Habits::default(), &eventful());
    let calls = ran.toy.calls.borrow();
    let busy = calls.iter().filter(|(_, call)| !call.starts_with("send"));
    busy.map(|(at, _)| at.since_start().as_millis() as u64).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whenever_it_is_interrupted_everything_is_healed(
        instant in prop_oneof![
            0..LENGTH,
            (proptest::sample::select(busy_instants()), 0u64..90).prop_map(|(busy, more)| busy + more),
        ],
    ) {
        let after = ms(instant);
        let ran = run_until(Habits::default(), &eventful(), |began| async move {
            sleep_until(began + after).await;
            "Ctrl-C".to_owned()
        });
        let calls = ran.toy.asked();
        let last = |call: &str| calls.iter().rposition(|known| known == call);
        for name in ["outage", "flapping"] {
            if let Some(injected) = last(&format!("inject {name}")) {
                prop_assert!(last(&format!("heal {name}")) > Some(injected), "{name} in {calls:?}");
                let history = ran.history();
                prop_assert_eq!(history.fault_times(name, Stage::Healed).len(), history.outages(name).len());
            }
        }
        prop_assert_eq!(calls.iter().filter(|call| *call == "stop").count(), 1);
        prop_assert_eq!(calls.last().map(String::as_str), Some("stop"));
        prop_assert_eq!(ran.judgement.of(Axis::CleanUp), Verdict::Held, "nothing is left behind");

        let What::End { interrupted } = &ran.events.last().unwrap().what else {
            return Err(TestCaseError::fail("the record has no end"));
        };
        if let Some(reason) = interrupted {
            prop_assert_eq!(reason, "Ctrl-C");
            prop_assert_eq!(ran.judgement.overall(), Verdict::Inconclusive, "{:?}", ran.whys());
        } else {
            prop_assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
        }
    }
}
