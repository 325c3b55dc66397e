//! Known defects of systems like this one, put back around a node: each breaks a law that the product keeps. What the
//! scenarios can show is among their controls; here is what they can't. `docs/known-defects.md` lists them all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dive_authz::{Decision, Input};
use dive_resilience::{
    Breaker, Caller, CircuitBreaker, Moment, Outcome, Permit, Rejected, Snapshot, State, Transition,
};
use dive_runtime::Runtime;
use serde_json::json;

use crate::ports::{EngineError, PolicyEngine, Probe, ProbeError};
use crate::testing::{KEY, Manner, Switch, World, claims, token};
use crate::{Dependency, Ports, Settings};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An engine whose policy changes without the node being told.
struct NeverSaysWhich(Arc<dyn PolicyEngine>);

#[async_trait]
impl PolicyEngine for NeverSaysWhich {
    async fn decide(&self, input: &Input) -> Result<Decision, EngineError> {
        self.0.decide(input).await
    }

    async fn check(&self) -> Result<(), ProbeError> {
        self.0.check().await
    }
}

/// What an earlier policy decided is not served two polls after another one has come.
async fn another_policy_decides_anew(change: impl FnOnce(&mut Ports)) -> bool {
    let world = World::with(&Settings::default(), change);
    world.engine.set_revision("r1");
    world.node.start();
    tokio::time::sleep(seconds(1)).await;
    assert_eq!(world.authorize(&token(), "secret-1").await.status, 200);
    world.engine.set_revision("r2");
    world.engine.set(Manner::Deny);
    tokio::time::sleep(seconds(10)).await;
    world.authorize(&token(), "secret-1").await.status == 403
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_outlives_its_policy_is_seen() {
    assert!(another_policy_decides_anew(|_| {}).await);
    let unflushed = |ports: &mut Ports| ports.engine = Arc::new(NeverSaysWhich(ports.engine.clone()));
    assert!(!another_policy_decides_anew(unflushed).await);
}

/// Whose token it is decides who is answered, whoever came before.
async fn everybody_is_who_the_token_says(mut remembered_as: impl FnMut(&str) -> String) -> bool {
    let world = World::new();
    let mut bob = claims();
    bob["uniqueID"] = json!("bob");
    let tokens = [(token(), "alice"), (KEY.sign(&bob), "bob")];
    let mut right = true;
    for (token, subject) in tokens.iter().chain(&tokens) {
        world.authorize(&remembered_as(token), "secret-1").await;
        right &= world.audit.entries.lock().last().is_some_and(|entry| entry["subject"] == *subject);
    }
    right
}

#[tokio::test(start_paused = true)]
async fn a_memory_by_the_beginning_of_a_token_is_seen() {
    assert!(everybody_is_who_the_token_says(str::to_owned).await);
    let mut seen = BTreeMap::new();
    let by_beginning =
        |token: &str| seen.entry(token[..16].to_owned()).or_insert_with(|| token.to_owned()).clone();
    assert!(!everybody_is_who_the_token_says(by_beginning).await);
}

struct Hanging;

#[async_trait]
impl Probe for Hanging {
    async fn check(&self) -> Result<(), ProbeError> {
        std::future::pending().await
    }
}

/// An answer about health takes no time, whatever hangs. `before` is what the endpoint does first.
async fn health_answers_at_once(before: impl AsyncFnOnce(&World)) -> bool {
    let world = World::with(&Settings::default(), |ports| {
        ports.probes.insert(Dependency::Mongodb, Arc::new(Hanging));
    });
    world.node.start();
    tokio::time::sleep(seconds(8)).await;
    let asked = world.now();
    before(&world).await;
    assert_eq!(world.get("/health").await.status, 503, "it is seen that something hangs");
    world.now().saturating_since(asked) < Duration::from_millis(100)
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_asks_before_it_answers_is_seen() {
    assert!(health_answers_at_once(async |_| {}).await);
    let asks_first = async |world: &World| {
        let runtime: &dyn Runtime = &*world.runtime;
        runtime.timeout(seconds(2), Hanging.check()).await.unwrap_err();
    };
    assert!(!health_answers_at_once(asks_first).await);
}

/// The gauge of a dependency goes with it, though nobody asks about health.
async fn gauges_move_unasked(begin: impl FnOnce(&World)) -> bool {
    let kas = Switch::on();
    let world = World::with(&Settings::default(), |ports| {
        ports.probes.insert(Dependency::Kas, kas.clone());
    });
    begin(&world);
    let gauge = async || world.metric("dive_v3_service_health{service=\"kas\"}").await;
    tokio::time::sleep(seconds(10)).await;
    let there = gauge().await;
    *kas.0.lock() = false;
    tokio::time::sleep(seconds(10)).await;
    (there, gauge().await) == (Some(1.0), Some(0.0))
}

#[tokio::test(start_paused = true)]
async fn a_node_that_checks_only_when_it_is_asked_is_seen() {
    assert!(gauges_move_unasked(|world| world.node.start()).await);
    assert!(!gauges_move_unasked(|_| {}).await);
}

/// The product's breaker, of whose moves something else is told.
struct Misreported {
    breaker: Breaker,
    report: fn(&mut Vec<Transition>),
}

impl Misreported {
    fn by(report: fn(&mut Vec<Transition>)) -> impl FnOnce(&mut Ports) {
        move |ports| {
            ports.breakers = Box::new(move |name, settings| {
                Box::new(Self { breaker: Breaker::new(name, settings), report })
            });
        }
    }
}

impl CircuitBreaker for Misreported {
    fn name(&self) -> &str {
        self.breaker.name()
    }

    fn admit(&mut self, now: Moment, caller: Caller, log: &mut Vec<Transition>) -> Result<Permit, Rejected> {
        let admitted = self.breaker.admit(now, caller, log);
        (self.report)(log);
        admitted
    }

    fn settle(&mut self, now: Moment, permit: Permit, outcome: Outcome, log: &mut Vec<Transition>) {
        self.breaker.settle(now, permit, outcome, log);
        (self.report)(log);
    }

    fn cancel(&mut self, permit: Permit) {
        self.breaker.cancel(permit);
    }

    fn tick(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.breaker.tick(now, log);
        (self.report)(log);
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.breaker.next_deadline()
    }

    fn force(&mut self, now: Moment, to: State, log: &mut Vec<Transition>) {
        self.breaker.force(now, to, log);
        (self.report)(log);
    }

    fn release(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.breaker.release(now, log);
        (self.report)(log);
    }

    fn reset(&mut self, now: Moment, log: &mut Vec<Transition>) {
        self.breaker.reset(now, log);
        (self.report)(log);
    }

    fn snapshot(&self, now: Moment) -> Snapshot {
        self.breaker.snapshot(now)
    }
}

/// Each move of a circuit is counted once.
async fn moves_are_counted(change: impl FnOnce(&mut Ports)) -> bool {
    let world = World::with(&Settings::default(), change);
    world.engine.set(Manner::Fails);
    for _ in 0..5 {
        world.authorize(&token(), "secret-1").await;
    }
    assert_eq!(world.opa().state, State::Open);
    let moves =
        "dive_v3_circuit_breaker_transitions_total{service=\"opa\",from_state=\"CLOSED\",to_state=\"OPEN\"}";
    world.metric(moves).await == Some(1.0)
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_never_moves_is_seen() {
    assert!(moves_are_counted(|_| {}).await);
    assert!(!moves_are_counted(Misreported::by(Vec::clear)).await);
}

/// The number of the gauge and the word of the health document are the same state: 0 CLOSED, 1 HALF_OPEN, 2 OPEN.
async fn numbers_and_words_agree(change: impl FnOnce(&mut Ports)) -> bool {
    let world = World::with(&Settings::default(), change);
    let mut agree = true;
    for (state, number, word) in
        [(State::Open, 2.0, "OPEN"), (State::HalfOpen, 1.0, "HALF_OPEN"), (State::Closed, 0.0, "CLOSED")]
    {
        world.node.force_breaker(Dependency::Opa, state);
        let shown = world.metric("dive_v3_circuit_breaker_state{service=\"opa\"}").await;
        let health = world.get("/health/detailed").await.json();
        assert_eq!(health["circuitBreakers"]["opa"]["state"], word);
        agree &= shown == Some(number);
    }
    agree
}

#[tokio::test(start_paused = true)]
async fn a_number_that_means_another_state_elsewhere_is_seen() {
    assert!(numbers_and_words_agree(|_| {}).await);
    let other_way_round = |log: &mut Vec<Transition>| {
        for transition in log {
            transition.to = match transition.to {
                State::Open => State::HalfOpen,
                State::HalfOpen => State::Open,
                State::Closed => State::Closed,
            };
        }
    };
    assert!(!numbers_and_words_agree(Misreported::by(other_way_round)).await);
}

/// Metrics that `text` has people look at and that the node does not export.
async fn named_in_vain(text: &str) -> Vec<String> {
    let world = World::new();
    world.authorize(&token(), "secret-1").await;
    let exported = world.get("/metrics").await.text;
    let part_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.split(|c| !part_of_a_name(c)).filter(|word| word.starts_with("dive_v3_"));
    names.filter(|name| !exported.contains(name)).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rule_over_a_metric_that_nobody_exports_is_seen() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut named = 0;
    for path in ["README.md", "docs/operate.md", "docs/recover.md"] {
        let text = std::fs::read_to_string(format!("{root}/{path}")).unwrap();
        named += text.matches("dive_v3_").count();
        assert_eq!(named_in_vain(&text).await, [""; 0], "{path}");
    }
    assert!(named > 0, "nothing was looked at");
    let rule = "alert: rate(dive_v3_opa_errors_per_minute[1m]) > 1";
    assert_eq!(named_in_vain(rule).await, ["dive_v3_opa_errors_per_minute"]);
}
