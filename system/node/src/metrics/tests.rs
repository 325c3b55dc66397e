//! Every exported metric, and what moves it.

use std::time::Duration;

use crate::testing::{Manner, World, claims, token};
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
    WrongRoute,
}

async fn bring_about(world: &World, cause: Cause) {
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
    ("dive_v3_service_health{service=\"opa\"}", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_opa_health", Cause::Checked, Some(0.0), 1.0),
    ("dive_v3_invalid_jwt_total", Cause::BadToken, Some(0.0), 1.0),
    ("dive_v3_http_requests_total{status=\"401\"}", Cause::BadToken, Some(0.0), 1.0),
    ("dive_v3_http_requests_total{status=\"404\"}", Cause::WrongRoute, Some(0.0), 1.0),
    // The first reading of the metrics is a request, too.
    ("dive_v3_http_request_duration_seconds_count", Cause::WrongRoute, Some(0.0), 2.0),
];

fn small() -> Settings {
    let settings = Settings::default().with("cache.decisions", "1").unwrap();
    settings.with("token.cache_entries", "1").unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_moved_by_what_it_counts() {
    for (series, cause, before, after) in MOVES {
        let world = World::with(&small(), |_| {});
        assert_eq!(world.metric(series).await, *before, "{series} before {cause:?}");
        bring_about(&world, *cause).await;
        assert_eq!(world.metric(series).await, Some(*after), "{series} after {cause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_metric_is_exported_that_nothing_is_known_to_move() {
    let world = World::with(&small(), |_| {});
    for cause in [Cause::Checked, Cause::AllowedFromCache, Cause::BadToken, Cause::EngineFails(1)] {
        bring_about(&world, cause).await;
    }
    let text = world.get("/metrics").await.text;
    for family in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, _) = family.split_once(' ').unwrap();
        assert!(MOVES.iter().any(|(series, ..)| series.starts_with(name)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_history_gives_the_same_exposition() {
    let mut expositions = Vec::new();
    for _ in 0..2 {
        let world = World::new();
        bring_about(&world, Cause::Checked).await;
        for cause in [Cause::Allowed, Cause::Denied, Cause::EngineFails(5), Cause::BadToken] {
            bring_about(&world, cause).await;
        }
        expositions.push(world.get("/metrics").await.text);
    }
    assert_eq!(expositions[0], expositions[1]);
    assert!(expositions[0].ends_with("# EOF\n"));
}

#[tokio::test(start_paused = true)]
async fn only_watched_dependencies_are_exported() {
    let text = World::new().get("/metrics").await.text;
    assert!(text.contains("dive_v3_opa_health") && !text.contains("dive_v3_redis_health"));
}
