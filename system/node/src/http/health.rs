//! Answers about health, from the last checks. They ask nobody and so cannot hang.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use dive_resilience::health::{NodeStatus, ServiceStatus};
use serde::Serialize;

use super::problem::json;
use crate::Dependency;
use crate::clock::rfc3339;
use crate::node::Parts;

#[derive(Serialize)]
struct Summary {
    status: NodeStatus,
    timestamp: String,
    /// Seconds.
    uptime: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detailed {
    #[serde(flatten)]
    summary: Summary,
    services: BTreeMap<&'static str, Service>,
    circuit_breakers: BTreeMap<&'static str, Breaker>,
    metrics: Metrics,
    memory: Memory,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Service {
    status: ServiceStatus,
    /// Milliseconds.
    response_time: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Arc<str>>,
}

#[derive(Serialize)]
struct Breaker {
    state: &'static str,
    failures: u32,
    rejects: u64,
}

#[derive(Serialize)]
struct Metrics {
    requests: u64,
    allowed: u64,
    denied: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    #[serde(skip_serializing_if = "Option::is_none")]
    resident_bytes: Option<u64>,
}

fn summarize(parts: &Parts) -> Summary {
    Summary {
        status: parts.board.status(),
        timestamp: rfc3339(parts.runtime.wall()),
        uptime: parts.runtime.now().saturating_since(parts.started).as_secs_f64(),
    }
}

fn code(status: NodeStatus) -> StatusCode {
    StatusCode::from_u16(status.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

pub(super) async fn summary(State(parts): State<Arc<Parts>>) -> Response {
    let summary = summarize(&parts);
    json(code(summary.status), &summary)
}

/// The process answers: that is all it says.
pub(super) async fn live() -> Response {
    #[derive(Serialize)]
    struct Live {
        status: &'static str,
    }
    json(StatusCode::OK, &Live { status: "alive" })
}

/// Whether requests should be sent here.
pub(super) async fn ready(State(parts): State<Arc<Parts>>) -> Response {
    #[derive(Serialize)]
    struct Ready {
        ready: bool,
        status: NodeStatus,
    }
    let status = parts.board.status();
    let ready = parts.board.is_known() && status != NodeStatus::Unhealthy;
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(code, &Ready { ready, status })
}

pub(super) async fn detailed(State(parts): State<Arc<Parts>>) -> Response {
    let summary = summarize(&parts);
    let services = parts.board.services().into_iter().map(|(dependency, reading)| {
        let service = match reading {
            Some(reading) => {
                Service { status: reading.status, response_time: millis(reading.took), error: reading.error }
            }
            None => Service {
                status: ServiceStatus::Down,
                response_time: 0.0,
                error: Some("not checked yet".into()),
            },
        };
        (dependency.name(), service)
    });
    let cache = cache(&parts);
    let circuit_breakers = parts.circuits.iter().map(|(dependency, circuit)| {
        let snapshot = circuit.snapshot();
        let breaker = Breaker {
            state: snapshot.state.as_str(),
            failures: snapshot.failures,
            rejects: snapshot.counters.rejects,
        };
        (dependency.name(), breaker)
    });
    let (allowed, denied) = parts.events.metrics.decided();
    let detailed = Detailed {
        services: services.chain([("cache", cache)]).collect(),
        circuit_breakers: circuit_breakers.collect(),
        metrics: Metrics { requests: parts.events.metrics.answered(), allowed, denied },
        memory: Memory {
            resident_bytes: parts.process.as_ref().and_then(|process| process.resident_bytes()),
        },
        summary,
    };
    json(code(detailed.summary.status), &detailed)
}

/// The decision cache: as well as the cache it shares, if there is one, and up only while it is on.
fn cache(parts: &Parts) -> Service {
    let shared = parts.board.reading(Dependency::Redis);
    let slow = shared.is_some_and(|reading| reading.status == ServiceStatus::Degraded);
    let (status, error) = match parts.enforcement.decisions.are_kept() {
        true if slow => (ServiceStatus::Degraded, None),
        true => (ServiceStatus::Up, None),
        false => (ServiceStatus::Down, Some("off while the shared cache is away".into())),
    };
    Service { status, response_time: 0.0, error }
}

fn millis(took: std::time::Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
