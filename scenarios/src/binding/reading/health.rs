//! The health document, `/health/detailed`: what it says, and whether it is of the documented form.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::binding::topology::Shape;

/// What a health document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The node's status.
    pub status: String,
    /// The status of each service.
    pub services: BTreeMap<String, String>,
    /// Whether each service is trusted.
    pub trust: BTreeMap<String, Trust>,
    /// The state of each circuit.
    pub circuits: BTreeMap<String, String>,
    /// Whether it is of the documented form, to the letter, under the status code that belongs to it, with
    /// exactly the services and circuits of one of the topologies.
    pub exact: bool,
}

/// Whether a service is trusted to be who it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It was spoken with.
    Trusted,
    /// It is not: its error is of the kind `tls`.
    Untrusted,
    /// It is away for another reason.
    Unknown,
}

impl Trust {
    fn by(error: Option<&str>) -> Self {
        match error {
            None => Self::Trusted,
            Some(error) if error.starts_with("tls: ") => Self::Untrusted,
            Some(_) => Self::Unknown,
        }
    }

    /// The word for it in signals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Untrusted => "untrusted",
            Self::Unknown => "unknown",
        }
    }
}

impl Document {
    /// Whether it is [exact](Self::exact), with exactly the services and circuits of this topology.
    pub fn is_exact(&self, shape: Shape) -> bool {
        self.exact && self.is_of(shape)
    }

    fn is_of(&self, shape: Shape) -> bool {
        let watched = || shape.dependencies().iter().map(|dependency| dependency.name());
        let with_circuit =
            shape.dependencies().iter().filter(|dependency| dependency.has_circuit()).map(|with| with.name());
        watched().chain([CACHE]).collect::<BTreeSet<_>>()
            == self.services.keys().map(String::as_str).collect()
            && with_circuit.collect::<BTreeSet<_>>() == self.circuits.keys().map(String::as_str).collect()
    }
}

/// The one service that is not somewhere else.
const CACHE: &str = "cache";

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
    let document = Document {
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
        trust: form
            .services
            .iter()
            .map(|(name, service)| (name.clone(), Trust::by(service.error.as_deref())))
            .collect(),
        circuits: form
            .circuit_breakers
            .iter()
            .map(|(name, circuit)| (name.clone(), circuit.state.name().to_owned()))
            .collect(),
        exact: belongs && sound && timed,
    };
    let of_a_topology = Shape::ALL.into_iter().any(|shape| document.is_of(shape));
    Some(Document { exact: document.exact && of_a_topology, ..document })
}

/// A document that is not of the form still tells the status.
fn loosely(body: &[u8]) -> Option<Document> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let status = value.get("status")?.as_str()?.to_owned();
    Some(Document {
        status,
        services: BTreeMap::new(),
        trust: BTreeMap::new(),
        circuits: BTreeMap::new(),
        exact: false,
    })
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
               "services":{{"opa":{{"status":"up","responseTime":0.8}},
                            "cache":{{"status":"up","responseTime":0.0}}}},
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

    #[test]
    fn a_service_that_is_not_trusted_is_told_from_one_that_is_away() {
        let trust = |error: &str| {
            let down = format!(r#""opa":{{"status":"down","responseTime":0.8,"error":"{error}"}}"#);
            let text = text("unhealthy", "").replace(r#""opa":{"status":"up","responseTime":0.8}"#, &down);
            document(503, text.as_bytes()).unwrap().trust["opa"]
        };
        assert_eq!(trust("tls: the certificate is of no trusted authority"), Trust::Untrusted);
        assert_eq!(trust("connection refused"), Trust::Unknown);
        let well = document(200, text("healthy", "").as_bytes()).unwrap();
        assert_eq!(well.trust["opa"], Trust::Trusted);
    }

    #[test]
    fn exactly_the_services_and_circuits_of_the_topology_are_there() {
        let healthy = text("healthy", "");
        let read = |text: &str| document(200, text.as_bytes()).unwrap();
        assert!(read(&healthy).is_exact(Shape::HubAndOpa));
        assert!(!read(&healthy).is_exact(Shape::Hub), "of another topology");
        let more = r#""services":{"kas":{"status":"up","responseTime":0.1},"#;
        assert!(!read(&healthy.replace(r#""services":{"#, more)).exact, "a service too many");
        let renamed = healthy.replace(r#""circuitBreakers":{"opa""#, r#""circuitBreakers":{"kas""#);
        assert!(!read(&renamed).exact, "another circuit");
        assert!(!read(&healthy.replace("cache", "cash")).exact);
    }
}
