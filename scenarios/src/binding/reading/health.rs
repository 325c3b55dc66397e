//! The health document, `/health/detailed`: what it says, and whether it is of the documented form.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a health document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The node's status.
    pub status: String,
    /// The status of each service.
    pub services: BTreeMap<String, String>,
    /// The state of each circuit.
    pub circuits: BTreeMap<String, String>,
    /// Whether it is of the documented form, to the letter, under the status code that belongs to it.
    pub exact: bool,
}

/// The documented form. Every key is there and no other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Form {
    status: Status,
    timestamp: String,
    uptime: f64,
    services: BTreeMap<String, Service>,
    circuit_breakers: BTreeMap<String, Circuit>,
    #[serde(rename = "metrics")]
    _metrics: BTreeMap<String, u64>,
    #[serde(rename = "memory")]
    _memory: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Service {
    status: ServiceStatus,
    response_time: f64,
    error: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum ServiceStatus {
    Up,
    Degraded,
    Down,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Circuit {
    state: State,
    #[serde(rename = "failures")]
    _failures: u64,
    #[serde(rename = "rejects")]
    _rejects: u64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    Closed,
    Open,
    HalfOpen,
}

/// Reads a health document; `None` when it is none at all.
pub fn document(code: u16, body: &[u8]) -> Option<Document> {
    let form: Form = match serde_json::from_slice(body) {
        Ok(form) => form,
        Err(_) => return loosely(body),
    };
    let belongs = code == if form.status == Status::Unhealthy { 503 } else { 200 };
    // A service that is down says why; times are times.
    let sound = form.services.values().all(|service| {
        service.response_time >= 0.0 && (service.status != ServiceStatus::Down || service.error.is_some())
    });
    let timed = form.uptime >= 0.0 && form.timestamp.parse::<jiff::Timestamp>().is_ok();
    Some(Document {
        status: match form.status {
            Status::Healthy => "healthy",
            Status::Degraded => "degraded",
            Status::Unhealthy => "unhealthy",
        }
        .into(),
        services: form
            .services
            .iter()
            .map(|(name, service)| (name.clone(), service.status.name().to_owned()))
            .collect(),
        circuits: form
            .circuit_breakers
            .iter()
            .map(|(name, circuit)| (name.clone(), circuit.state.name().to_owned()))
            .collect(),
        exact: belongs
            && sound
            && timed
            && form.services.contains_key("opa")
            && form.circuit_breakers.contains_key("opa"),
    })
}

/// A document that is not of the form still tells the status.
fn loosely(body: &[u8]) -> Option<Document> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let status = value.get("status")?.as_str()?.to_owned();
    Some(Document { status, services: BTreeMap::new(), circuits: BTreeMap::new(), exact: false })
}

impl ServiceStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Open => "OPEN",
            Self::HalfOpen => "HALF_OPEN",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(status: &str, more: &str) -> String {
        format!(
            r#"{{"status":"{status}","timestamp":"2026-01-01T00:00:00Z","uptime":1.5,
               "services":{{"opa":{{"status":"up","responseTime":0.8}}}},
               "circuitBreakers":{{"opa":{{"state":"HALF_OPEN","failures":5,"rejects":2}}}},
               "metrics":{{"requests":1,"allowed":1,"denied":0}},"memory":{{}}{more}}}"#
        )
    }

    #[test]
    fn the_documented_form_is_exact_and_any_other_is_not() {
        let read = document(200, text("healthy", "").as_bytes()).unwrap();
        assert!(read.exact);
        assert_eq!(read.circuits["opa"], "HALF_OPEN");
        assert!(
            !document(503, text("healthy", "").as_bytes()).unwrap().exact,
            "the code must belong to the status"
        );
        assert!(!document(200, text("healthy", r#","extra":1"#).as_bytes()).unwrap().exact);
        assert!(!document(200, text("fine", "").as_bytes()).unwrap().exact);
        assert_eq!(document(200, b"nonsense"), None);
    }
}
