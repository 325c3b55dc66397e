//! Every exported metric, and what moves it.

use std::sync::Arc;
use std::time::Duration;

use crate::ports::{ConnectionStats, Connections, ProcessStats};
use crate::testing::{FakeDecisions, Manner, Switch, World, claims, token};
use crate::{Dependency, Settings};

/// What happens between two readings.
#[derive(Clone, Copy, Debug)]
enum Cause {
    EngineFails(u32),
    ForcedHalfOpenAndOneProbe,
    Rejected,
    Allowed,
    AllowedFromCache,
    Denied,
    EngineAway,
    TwoQuestionsInACacheOfOne,
    BadToken,
    Checked,
    ADependencyLost(Dependency),
    ASecondPasses,
    Read,
    LoggedOut,
    WrongRoute,
}

/// A node with everything that can be exported, in a world of the test's own.
struct Full {
    world: World,
    switches: Vec<(Dependency, Arc<Switch>)>,
}

/// What changes by itself.
struct Growing(std::sync::atomic::AtomicU64);

impl Growing {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}

impl ProcessStats for Growing {
    fn resident_bytes(&self) -> Option<u64> {
        Some(self.next())
    }

    fn cpu_time(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.next()))
    }

    fn open_files(&self) -> Option<u64> {
        Some(self.next())
    }

    fn most_open_files(&self) -> Option<u64> {
        Some(self.next())
    }
}

impl ConnectionStats for Growing {
    fn connections(&self) -> Connections {
        let active = self.next();
        Connections { active, idle: active + 1, most: active + 2 }
    }
}

fn full() -> Full {
    let switches: Vec<_> = Dependency::ALL
        .into_iter()
        .filter(|dependency| !matches!(dependency, Dependency::Opa | Dependency::Redis))
        .map(|dependency| (dependency, Switch::on()))
        .collect();
    let world = World::with(&small(), |ports| {
        for (dependency, switch) in &switches {
            ports.probes.insert(*dependency, switch.clone());
        }
        ports.connections.insert(Dependency::Mongodb, Arc::new(Growing(1.into())));
        ports.process = Some(Arc::new(Growing(1.into())));
    });
    Full { world, switches }
}

async fn bring_about(full: &Full, cause: Cause) {
    let world = &full.world;
    match cause {
        Cause::EngineFails(times) => {
            world.engine.set(Manner::Fails);
            for _ in 0..times {
                world.authorize(&token(), "secret-1").await;
            }
        }
        Cause::ForcedHalfOpenAndOneProbe => {
            world.node.force_breaker(Dependency::Opa, dive_resilience::State::HalfOpen);
        }
        Cause::Rejected => {
            world.node.force_breaker(Dependency::Opa, dive_resilience::State::Open);
            world.authorize(&token(), "secret-1").await;
        }
        Cause::Allowed => drop(world.authorize(&token(), "secret-1").await),
        Cause::AllowedFromCache => {
            world.authorize(&token(), "secret-1").await;
            world.authorize(&token(), "secret-1").await;
        }
        Cause::Denied => {
            world.engine.set(Manner::Deny);
            world.authorize(&token(), "secret-1").await;
        }
        Cause::EngineAway => {
            world.engine.set(Manner::Unreachable);
            world.authorize(&token(), "secret-1").await;
        }
        Cause::TwoQuestionsInACacheOfOne => {
            world.authorize(&token(), "secret-1").await;
            let mut other = claims();
            other["uniqueID"] = "bob".into();
            world.authorize(&crate::testing::KEY.sign(&other), "secret-2").await;
        }
        Cause::BadToken => drop(world.authorize("x", "secret-1").await),
        Cause::Checked => {
            world.node.start();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Cause::ADependencyLost(lost) => {
            for (dependency, switch) in &full.switches {
                *switch.0.lock() = *dependency != lost;
            }
            world.node.start();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Cause::ASecondPasses => tokio::time::sleep(Duration::from_secs(1)).await,
        Cause::Read => drop(world.get_as(&token(), "/api/resources/secret-1").await),
        Cause::LoggedOut => drop(world.post(&token(), "/api/auth/logout", &serde_json::Value::Null).await),
        Cause::WrongRoute => drop(world.get("/nowhere").await),
    }
}

/// Series, cause, value before (`None`: not there yet), value after.
const MOVES: &[(&str, Cause, Option<f64>, f64)] = &[
    ("dive_v3_circuit_breaker_state{service=\"opa\"}", Cause::EngineFails(5), Some(0.0), 2.0),
    ("dive_v3_circuit_breaker_state{service=\"opa\"}", Cause::ForcedHalfOpenAndOneProbe, Some(0.0), 1.0),
    ("dive_v3_circuit_breaker_failures{service=\"opa\"}", Cause::EngineFails(3), Some(0.0), 3.0),
    ("dive_v3_circuit_breaker_rejects_total{service=\"opa\"}", Cause::Rejected, Some(0.0), 1.0),
    (
        "dive_v3_circuit_breaker_transitions_total{service=\"opa\",from_state=\"CLOSED\",to_state=\"OPEN\"}",
        Cause::EngineFails(5),
        Some(0.0),
        1.0,
    ),
    (
        "dive_v3_authorization_decision_latency_seconds_count{decision=\"allow\",cached=\"false\"}",
        Cause::AllowedFromCache,
        None,
        1.0,
    ),
    (
        "dive_v3_authorization_decision_latency_seconds_count{decision=\"allow\",cached=\"true\"}",
        Cause::AllowedFromCache,
        None,
        1.0,
    ),
    ("dive_v3_authorization_decisions_total{decision=\"allow\"}", Cause::Allowed, Some(0.0), 1.0),
    ("dive_v3_authorization_decisions_total{decision=\"deny\"}", Cause::Denied, Some(0.0), 1.0),
    ("dive_v3_authorization_decisions_total{decision=\"deny\"}", Cause::EngineAway, Some(0.0), 1.0),
    ("dive_v3_authorization_denials_by_reason_total{reason=\"releasability\"}", Cause::Denied, None, 1.0),
    (
        "dive_v3_authorization_denials_by_reason_total{reason=\"policy engine unavailable\"}",
        Cause::EngineAway,
        None,
        1.0,
    ),
    (
        "dive_v3_cache_operations_total{cache_type=\"decision\",hit=\"true\"}",
        Cause::AllowedFromCache,
        Some(0.0),
        1.0,
    ),
    ("dive_v3_cache_operations_total{cache_type=\"decision\",hit=\"false\"}", Cause::Allowed, Some(0.0), 1.0),
    (
        "dive_v3_cache_operations_total{cache_type=\"token\",hit=\"true\"}",
        Cause::AllowedFromCache,
        Some(0.0),
        1.0,
    ),
    ("dive_v3_cache_hit_rate{cache_type=\"decision\"}", Cause::AllowedFromCache, None, 0.5),
    ("dive_v3_cache_size{cache_type=\"decision\"}", Cause::Allowed, Some(0.0), 1.0),
    ("dive_v3_cache_size{cache_type=\"token\"}", Cause::Allowed, Some(0.0), 1.0),
    (
        "dive_v3_cache_evictions_total{cache_type=\"decision\"}",
        Cause::TwoQuestionsInACacheOfOne,
        Some(0.0),
        1.0,
    ),
    ("dive_v3_cache_evictions_total{cache_type=\"token\"}", Cause::TwoQuestionsInACacheOfOne, Some(0.0), 1.0),
    ("dive_v3_audit_entries_total{event_type=\"authorization_decision\"}", Cause::Denied, None, 1.0),
    ("dive_v3_audit_entries_total{event_type=\"resource_access\"}", Cause::Read, None, 1.0),
    ("dive_v3_audit_entries_total{event_type=\"security_event\"}", Cause::LoggedOut, None, 1.0),
    (
        "dive_v3_cache_operations_total{cache_type=\"resource\",hit=\"true\"}",
        Cause::AllowedFromCache,
        Some(0.0),
        1.0,
    ),
    ("dive_v3_cache_hit_rate{cache_type=\"resource\"}", Cause::AllowedFromCache, None, 0.5),
    ("dive_v3_cache_size{cache_type=\"resource\"}", Cause::Allowed, Some(0.0), 1.0),
    (
        "dive_v3_cache_evictions_total{cache_type=\"resource\"}",
        Cause::TwoQuestionsInACacheOfOne,
        Some(0.0),
        1.0,
    ),
    (
        "dive_v3_db_connection_errors_total{db_type=\"mongodb\",error_type=\"error\"}",
        Cause::ADependencyLost(Dependency::Mongodb),
        Some(0.0),
        1.0,
    ),
    (
        "dive_v3_db_connection_errors_total{db_type=\"blacklistRedis\",error_type=\"error\"}",
        Cause::ADependencyLost(Dependency::BlacklistRedis),
        Some(0.0),
        1.0,
    ),
    ("dive_v3_db_connections_active{db_type=\"mongodb\"}", Cause::ASecondPasses, Some(1.0), 2.0),
    ("dive_v3_db_connections_idle{db_type=\"mongodb\"}", Cause::ASecondPasses, Some(2.0), 3.0),
    ("dive_v3_db_connections_total{db_type=\"mongodb\"}", Cause::ASecondPasses, Some(3.0), 4.0),
    ("process_resident_memory_bytes", Cause::ASecondPasses, Some(1.0), 5.0),
    ("process_open_fds", Cause::ASecondPasses, Some(2.0), 6.0),
    ("process_max_fds", Cause::ASecondPasses, Some(3.0), 7.0),
    ("process_cpu_seconds_total", Cause::ASecondPasses, Some(4.0), 8.0),
    ("process_uptime_seconds", Cause::ASecondPasses, Some(0.0), 1.0),
    (
        "dive_v3_circuit_breaker_failures{service=\"kas\"}",
        Cause::ADependencyLost(Dependency::Kas),
        Some(0.0),
        1.0,
    ),
    ("dive_v3_service_health{service=\"opa\"}", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_service_health{service=\"kas\"}", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_service_health{service=\"keycloak\"}", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_service_health{service=\"blacklistRedis\"}", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_mongodb_health", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_opa_health", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_invalid_jwt_total", Cause::BadToken, Some(0.0), 1.0),
    ("dive_v3_http_requests_total{status=\"401\"}", Cause::BadToken, Some(0.0), 1.0),
    ("dive_v3_http_requests_total{status=\"404\"}", Cause::WrongRoute, Some(0.0), 1.0),
    // The first reading of the metrics is a request, too.
    ("dive_v3_http_request_duration_seconds_count", Cause::WrongRoute, Some(0.0), 2.0),
];

fn small() -> Settings {
    let settings = Settings::default().with("cache.decisions", "1").unwrap();
    let settings = settings.with("resources.cache_entries", "1").unwrap();
    settings.with("token.cache_entries", "1").unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_moved_by_what_it_counts() {
    for (series, cause, before, after) in MOVES {
        let full = full();
        assert_eq!(full.world.metric(series).await, *before, "{series} before {cause:?}");
        bring_about(&full, *cause).await;
        assert_eq!(full.world.metric(series).await, Some(*after), "{series} after {cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_shared_cache_moves_its_own() {
    let cache = Arc::new(FakeDecisions::default());
    let health = "dive_v3_redis_health";
    let lost = "dive_v3_db_connection_errors_total{db_type=\"redis\",error_type=\"timeout\"}";
    let misses = "dive_v3_cache_operations_total{cache_type=\"shared_decision\",hit=\"false\"}";
    let world = World::with(&Settings::default(), |ports| cache.join(ports));
    world.engine.set_revision("r1");
    let read = async || [world.metric(health).await, world.metric(lost).await, world.metric(misses).await];
    assert_eq!(read().await, [Some(0.0), Some(0.0), Some(0.0)]);
    world.node.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.authorize(&token(), "secret-1").await;
    assert_eq!(read().await, [Some(1.0), Some(0.0), Some(1.0)]);
    *cache.hangs.lock() = true;
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(read().await, [Some(0.0), Some(1.0), Some(1.0)]);
}

#[tokio::test(start_paused = true)]
async fn no_metric_is_exported_that_nothing_is_known_to_move() {
    let full = full();
    for cause in
        [Cause::Checked, Cause::AllowedFromCache, Cause::BadToken, Cause::LoggedOut, Cause::EngineFails(1)]
    {
        bring_about(&full, cause).await;
    }
    let text = full.world.get("/metrics").await.text;
    let families: Vec<_> =
        text.lines().filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0)).collect();
    assert!(families.len() > 25, "{families:?}");
    for name in families {
        let of_it = |series: &str| {
            let rest = series.strip_prefix(name)?;
            let rest = rest.strip_prefix("_total").or_else(|| rest.strip_prefix("_count")).unwrap_or(rest);
            (rest.is_empty() || rest.starts_with('{')).then_some(())
        };
        assert!(MOVES.iter().any(|(series, ..)| of_it(series).is_some()), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_history_gives_the_same_exposition() {
    let mut expositions = Vec::new();
    for _ in 0..2 {
        let full = full();
        bring_about(&full, Cause::Checked).await;
        for cause in [Cause::Allowed, Cause::Denied, Cause::EngineFails(5), Cause::BadToken] {
            bring_about(&full, cause).await;
        }
        expositions.push(full.world.get("/metrics").await.text);
    }
    assert_eq!(expositions[0], expositions[1]);
    assert!(expositions[0].ends_with("# EOF\n"));
    assert_eq!(expositions[0].matches("# EOF").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_watched_dependencies_are_exported() {
    let text = World::new().get("/metrics").await.text;
    assert!(text.contains("dive_v3_opa_health") && !text.contains("dive_v3_redis_health"));
    assert!(!text.contains("db_type=") && !text.contains("process_"));
}
