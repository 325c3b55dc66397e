//! That the measured world is the one described, and that it is deterministic.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use dive_node::event::NodeEvent;
use dive_node::ports::EventSink;
use harness_sim::{LinkError, Sim, SimHandle, SimSettings};
use parking_lot::Mutex;
use scenarios::binding::kit::Kit;
use scenarios::binding::requests::Kind;
use scenarios::binding::topology::Shape;

use super::bare::{Asking, Outcome, World, ask};

/// Everything the hub tells, with its instant.
struct Log {
    clock: SimHandle,
    text: Arc<Mutex<String>>,
}

impl EventSink for Log {
    fn emit(&self, event: &NodeEvent<'_>) {
        writeln!(self.text.lock(), "{} {event:?}", self.clock.now()).expect("a string takes everything");
    }
}

fn logged(seed: u64, asking: Asking) -> (Outcome, String) {
    let text = Arc::<Mutex<String>>::default();
    let sink = text.clone();
    let mut world = World::watched(seed, asking, |clock| Arc::new(Log { clock: clock.clone(), text: sink }));
    let outcome = world.run();
    drop(world);
    let text = std::mem::take(&mut *text.lock());
    (outcome, text)
}

/// The circuit went its way, requests were answered before and after the outage and refused during it, the
/// decision cache answered exactly where it should, and a crash of the hub ends what it is doing.
pub(crate) fn world() {
    for asking in [Asking::New, Asking::Again] {
        let (Outcome { statuses, .. }, log) = logged(1, asking);
        assert_eq!(statuses.values().sum::<u32>(), 600, "{statuses:?}");
        assert!(
            statuses[&200] > 400 && statuses.keys().all(|status| [200, 503].contains(status)),
            "{statuses:?}"
        );
        let moves = ["CLOSED", "OPEN", "HALF_OPEN", "CLOSED"].windows(2).map(|pair| pair.join(" → "));
        let moved = log.lines().filter(|line| line.contains("BreakerMoved") && line.contains("\"opa\""));
        assert_eq!(moved.count(), moves.count(), "opened once, probed once, closed once");
        let (refused, cached) = (statuses[&503], log.matches("cached: true").count());
        match asking {
            Asking::Again => assert!(cached > 200 && refused > 20, "{cached} of 600 cached, {statuses:?}"),
            Asking::New | Asking::Nothing => {
                assert!(cached == 0 && refused > 60, "{cached} cached, {statuses:?}");
            }
        }
    }
    crash();
}

/// A request is under way in the hub when the hub crashes.
fn crash() {
    let World { mut sim, hub, client, .. } = World::new(1, Asking::Nothing);
    let clock = sim.handle();
    let kit = Kit::at(Shape::HubAndOpa, hub.wall()).expect("policies and coalition fit together");
    let crash = async {
        // The request takes 200 µs to arrive; the engine's answer 400 µs more.
        clock.sleep(Duration::from_micros(300)).await;
        assert!(clock.live_tasks().contains(&"hub/handler".to_owned()), "{:?}", clock.live_tasks());
        hub.crash();
        assert!(!clock.live_tasks().iter().any(|task| task.starts_with("hub/")), "{:?}", clock.live_tasks());
    };
    let session = scenarios::binding::session::Session::new(kit.clone());
    let both = futures_util::future::join(ask(&client, &session, Kind::Read, 1), crash);
    let (asked, ()) = sim.run(both).expect("nothing in it can fail");
    assert_eq!(asked, Err(LinkError::Reset));
}

/// One seed, one log; and the seed decides who comes first among equals.
pub(crate) fn determinism() {
    for asking in [Asking::New, Asking::Again] {
        let (one, other) = (logged(7, asking), logged(7, asking));
        assert_eq!(one.0, other.0, "the same polls at the same instants");
        assert!(one.1 == other.1 && one.1.lines().count() > 3_000, "the same log, byte for byte");
        assert_ne!(one.0.fingerprint, logged(8, asking).0.fingerprint, "another seed, another interleaving");
    }
    assert_eq!(order_of_equals(1), order_of_equals(1));
    let orders: Vec<_> = (0..20).map(order_of_equals).collect();
    assert!(orders.iter().any(|order| *order != orders[0]), "equal deadlines fire in an order of the seed's");
}

/// In which order eight tasks with the same deadline go on.
fn order_of_equals(seed: u64) -> Vec<u8> {
    let mut sim = Sim::new(SimSettings::seeded(seed));
    let clock = sim.handle();
    let node = clock.node("node");
    let order = Arc::<Mutex<Vec<u8>>>::default();
    for number in 0..8 {
        let (clock, order) = (clock.clone(), order.clone());
        let sleeping = async move {
            clock.sleep(Duration::from_secs(1)).await;
            order.lock().push(number);
        };
        node.spawn("sleeping", Box::pin(sleeping));
    }
    sim.run(clock.sleep(Duration::from_secs(2))).expect("nothing in it can fail");
    std::mem::take(&mut *order.lock())
}
