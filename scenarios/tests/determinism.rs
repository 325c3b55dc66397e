//! The same seed gives the same log, byte for byte; another seed may give another.

use harness_core::history::History;
use harness_core::recorder::Recorder;
use scenarios::execute::Plan;
use scenarios::worlds::virtual_world::{self, Parts};
use scenarios::{binding, catalogue};

/// Breakers, races, every dependency away and back, revocations told by publication, keys released; operators at work.
const IDS: [&str; 11] = [
    "circuit/opa-outage",
    "circuit/flap",
    "circuit/half-open-herd",
    "circuit/late-results",
    "circuit/blacklist-outage",
    "recovery/all",
    "auth/revoked-while-redis-away",
    "journey/logout",
    "lock/five-contenders",
    "lock/holder-paused",
    "deploy/soak-100",
];

/// The timeline of a run as the lines of its record.
fn lines(id: &str, seed: u64) -> String {
    let entry = catalogue::select(id, &binding::vocabulary()).expect("it is in the catalogue").remove(0);
    let plan = Plan::simulated(entry.scenario, seed);
    let recorder = Recorder::new(Vec::new());
    virtual_world::run(&plan, &recorder, Parts::default()).expect("the run can be made");
    let events = recorder.into_events();
    assert!(!History::of(events.clone()).events().is_empty());
    events.iter().map(|event| serde_json::to_string(event).expect("an event has a line") + "\n").collect()
}

#[test]
fn the_same_seed_gives_the_same_log_byte_for_byte() {
    for id in IDS {
        let first = lines(id, 7);
        assert_eq!(first, lines(id, 7), "{id}");
        let elsewhere = std::thread::spawn(move || lines(id, 7)).join().unwrap();
        assert_eq!(first, elsewhere, "{id} on another thread");
    }
}
