//! A file and the builder say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_core::fault::{Edge, Fault, Flap, Latency, Strike};
use harness_core::record::{FORMAT, Header, Record};
use harness_core::scenario::{Anchor, Answers, Claim, Scenario, ScenarioBuilder, Step, Until, Window};
use harness_core::world::WorldKind;

use crate::{WHOLE, read};

fn built() -> Scenario {
    let (s, ms) = (Duration::from_secs, Duration::from_millis);
    let edge = || Edge::new("hub", "opa");
    let in_effect = |name: &str| Anchor::InEffect(name.into());
    let healed = |name: &str| Anchor::Healed(name.into());
    let met = |name: &str| Anchor::Met(name.into());
    let circuit = || "hub/circuit/opa".to_owned();
    let becomes = |value: &str, after, not_before, within| Claim::Becomes {
        signal: circuit(),
        value: value.into(),
        after,
        not_before,
        within,
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();

    ScenarioBuilder::new("circuit/opa-outage", "hub")
        .title("The policy engine stops and comes back")
        .why("Everything is denied at once, and the node finds back by itself.")
        .tags(["circuit-breaker"])
        .worlds([WorldKind::Virtual, WorldKind::Local])
        .setting("breaker.opa.threshold", "3")
        .load("reads", "read", ms(500))
        .steady("hub/status", "healthy")
        .steady("hub/circuit/opa", "CLOSED")
        .steady_for(s(5))
        .steady_within(s(60))
        .always("fail-closed")
        .fault("outage", Fault::Stop("opa".into()))
        .expect_as("opened", becomes("OPEN", in_effect("outage"), ms(500), s(30)))
        .until("sick", "hub/status", "unhealthy", s(10))
        .send("herd", "read", 200)
        .heal("outage")
        .expect(becomes("CLOSED", healed("outage"), s(0), s(90)))
        .fault(
            "slow",
            Fault::Latency(Latency { edge: edge(), delay: ms(300).into(), jitter: ms(100).into() }),
        )
        .expect(Claim::Stays {
            signal: circuit(),
            values: words(&["CLOSED", "HALF_OPEN"]),
            window: Window { from: in_effect("slow"), until: Until::Lasting(s(20)) },
        })
        .heal("slow")
        .strike("cut", Strike::Cut(edge()))
        .fault(
            "flapping",
            Fault::Flap(Box::new(Flap { fault: Fault::Refuse(edge()), down: s(3).into(), up: s(3).into() })),
        )
        .expect(Claim::Turns {
            signal: circuit(),
            value: "OPEN".into(),
            at_least: 0,
            at_most: 3,
            window: Window { from: in_effect("flapping"), until: Until::Lasting(s(120)) },
        })
        .wait(s(1))
        .step(Step::Fault("outage".into()))
        .expect(Claim::Measures {
            measure: "in-flight".into(),
            at_least: f64::MIN,
            at_most: 1.5,
            window: Window { from: Anchor::Struck("cut".into()), until: Until::Anchor(healed("outage")) },
        })
        .heal("outage")
        .expect(Claim::Requests {
            load: "reads".into(),
            answers: Answers::All(words(&["denied", "unavailable"])),
            at_least: 20,
            answered_within: Some(s(2)),
            window: Window { from: met("opened"), until: Until::Anchor(healed("outage")) },
        })
        .expect(Claim::Requests {
            load: "herd".into(),
            answers: Answers::None(words(&["allowed"])),
            at_least: 1,
            answered_within: None,
            window: Window { from: met("sick"), until: Until::Anchor(Anchor::End) },
        })
        .expect(Claim::Pace {
            load: "reads".into(),
            percent: 95.0,
            within: ms(200),
            at_least: 1,
            window: Window { from: Anchor::Answered("herd".into()), until: Until::Anchor(Anchor::End) },
        })
        .each([("first", 10), ("second", 20)], |scenario, (caller, count)| {
            let scenario = scenario.send(caller, "read", count);
            let scenario =
                if caller == "first" { scenario.wait(s(1)) } else { scenario.wait_between(s(1), s(3)) };
            scenario.expect(Claim::Requests {
                load: caller.into(),
                answers: Answers::All(words(&["allowed"])),
                at_least: count,
                answered_within: None,
                window: Window { from: Anchor::Start, until: Until::Anchor(Anchor::End) },
            })
        })
        .recovery_within(s(120))
        .build()
}

#[test]
fn the_builder_says_the_same_as_a_file() {
    assert_eq!(read(WHOLE).unwrap(), built());
}

#[test]
fn a_record_keeps_the_scenario_whole() {
    let header = Header {
        format: FORMAT.into(),
        run: "r".into(),
        scenario: built(),
        world: WorldKind::Virtual,
        seed: u64::MAX,
        speed: 1.0,
        started: String::new(),
        settings: BTreeMap::new(),
        versions: BTreeMap::new(),
        replay: "chaos run circuit/opa-outage".into(),
    };
    let mut line = serde_json::to_vec(&header).unwrap();
    line.push(b'\n');
    assert_eq!(Record::parse(line.as_slice(), "r").unwrap().header, header);
}

#[test]
fn every_claim_is_a_sentence() {
    let claims: Vec<String> =
        built().expectations().map(|expectation| expectation.claim.to_string()).collect();
    insta::assert_snapshot!(claims.join("\n"));
}
