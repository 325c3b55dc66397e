//! The steps of a request for authorization, one by one: a token verified, a decision remembered, an entry put on
//! the audit trail.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use benches::asking::{hub, kit};
use benches::hub::Embedded;
use benches::race::{Race, brief, micros, race};
use benches::summary::{Goal, seen, summary};
use criterion::{Criterion, criterion_group, criterion_main};
use dive_authz::{CacheSettings, Decision, DecisionCache, PolicyRevision};
use dive_node::adapters::AuditFile;
use dive_node::audit::{AUTHORIZATION_DECISION, AuditEntry};
use dive_node::ports::Audit as _;
use dive_node::{Ask, Settings};
use tokio::runtime::{Builder, Runtime};

const NEW: &str = "a token never seen before";
const KNOWN: &str = "a token verified before";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Tells the median of a race's every contestant.
fn tell(race: Option<&Race<'_>>, what: &str) {
    for standing in race.iter().flat_map(|race| race.standings()) {
        seen(&format!("{what}: {}", standing.name), micros(standing.p50), "µs", Goal::None);
    }
}

/// A node that remembers one token only, so that of two callers in turn each is new.
fn tokens(criterion: &mut Criterion) {
    let raced = race(criterion, "steps/token", || {
        let (kit, runtime) = (kit(), Arc::new(runtime()));
        let node = {
            let _inside = runtime.enter();
            let settings =
                Settings::default().with("token.cache_entries", "1").expect("a setting of the node");
            hub(&kit, settings, Arc::new(Embedded::new(kit.engine())), None)
        };
        let arm = |callers: &'static [&'static str]| {
            let (kit, node, runtime, mut turn) = (kit.clone(), node.clone(), runtime.clone(), 0);
            move || {
                turn += 1;
                let token = kit.callers().token(callers[turn % callers.len()]);
                let ask = Ask { request_id: "bench", token, resource_id: "", operation: "", source_ip: None };
                runtime.block_on(node.verify(&ask)).expect("a good token");
            }
        };
        Race::new().with(NEW, arm(&["alice-usa", "dave-usa"])).with(KNOWN, arm(&["erin-usa"]))
    });
    tell(raced.as_ref(), "verification");
}

fn cache(criterion: &mut Criterion) {
    let raced = race(criterion, "steps/decision cache", || {
        let kit = kit();
        let coalition = kit.coalition();
        let question = |resource| {
            coalition.input("alice-usa", resource, "read", "2026-01-01T00:00:00Z").expect("both exist")
        };
        let asked = question("doc-secret-usa");
        let answer = Decision::from_engine(kit.engine().answer(&asked).as_bytes()).expect("a decision");
        let settings =
            CacheSettings { capacity: NonZeroUsize::MIN.saturating_add(99), ..CacheSettings::default() };
        let mut cache = DecisionCache::new(settings, PolicyRevision::from("bench"));
        let key = cache.key(&asked);
        assert!(cache.insert(&key, &asked, Arc::new(answer), Duration::ZERO));
        Race::new().with("a hit, the question hashed", move || {
            let key = cache.key(&asked);
            assert!(cache.get(&key, Duration::from_millis(1)).is_some());
        })
    });
    tell(raced.as_ref(), "decision cache");
}

/// An entry in a file of `durability`.
fn audit(criterion: &mut Criterion, durability: &'static str, name: &'static str) {
    let raced = race(criterion, &format!("steps/audit, {durability}"), || {
        let (folder, runtime) = (tempfile::tempdir().expect("a temporary folder"), runtime());
        let path = folder.path().join("audit.jsonl");
        let settings = [("audit.path", path.display().to_string()), ("audit.durability", durability.into())]
            .into_iter()
            .fold(Settings::default(), |settings, (key, value): (_, String)| {
                settings.with(key, &value).expect("a setting of the node")
            });
        let file = AuditFile::open(&settings.audit).expect("the folder can be written");
        let mut number = 0_u64;
        Race::new().with(name, move || {
            let _lives = &folder;
            number += 1;
            let entry = AuditEntry {
                id: format!("hub-a-{number}").into(),
                time: "2026-01-01T00:00:00.000Z".into(),
                event_type: AUTHORIZATION_DECISION.into(),
                instance: "HUB".into(),
                subject: Some("alice-usa".into()),
                resource: "doc-secret-usa".into(),
                action: "read".into(),
                decision: "allow".into(),
                reason: "allow".into(),
                correlation_id: "bench".into(),
                offline: false,
            };
            runtime.block_on(file.record(&entry)).expect("it is kept");
        })
    });
    tell(raced.as_ref(), "audit");
}

fn trail(criterion: &mut Criterion) {
    audit(criterion, "write", "an entry that survives the process");
    audit(criterion, "sync", "an entry that survives the machine");
}

criterion_group!(name = benches; config = brief(); targets = tokens, cache, trail, summary);
criterion_main!(benches);
