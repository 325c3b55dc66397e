//! What the service adds to the metrics of the node it stands around.

use std::sync::Arc;
use std::time::Duration;

use dive_authz::Classification;
use dive_node::event::NodeEvent;
use dive_node::ports::EventSink;
use dive_node::settings::Identity;
use dive_node::{Dependency, Family};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Label `app` of every metric.
pub(crate) const APP: &str = "dive-kas";

/// Upper bounds in seconds; one of them is the alert's threshold.
const LATENCIES: [f64; 13] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// How a key request ended, as label `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Released,
    Denied,
    Malformed,
    Replayed,
    Unauthenticated,
    NotFound,
    Unavailable,
}

impl Ending {
    const ALL: [Self; 7] = [
        Self::Released,
        Self::Denied,
        Self::Malformed,
        Self::Replayed,
        Self::Unauthenticated,
        Self::NotFound,
        Self::Unavailable,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Denied => "denied",
            Self::Malformed => "malformed",
            Self::Replayed => "replayed",
            Self::Unauthenticated => "unauthenticated",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
        }
    }
}

pub(crate) struct Metrics {
    registry: Registry,
    operations: Family<[(&'static str, &'static str); 2], Counter>,
    requests: Family<[(&'static str, &'static str); 1], Counter>,
    latency: Histogram,
    breaker: Gauge,
}

impl Metrics {
    pub(crate) fn new(identity: &Identity) -> Self {
        let labels = [("app", APP), ("instance", &*identity.instance), ("region", &*identity.region)];
        let labels = labels.map(|(name, value)| (name.into(), value.to_owned().into()));
        let mut registry = Registry::with_prefix_and_labels("dive_v3", labels.into_iter());
        let operations = Family::new(
            "kas_key_operations",
            "Decisions about releasing a key",
            MetricType::Counter,
            Counter::default,
        );
        let requests = Family::new(
            "kas_key_requests",
            "Key requests answered, by how they ended",
            MetricType::Counter,
            Counter::default,
        );
        let (latency, breaker) = (Histogram::new(LATENCIES), Gauge::default());
        registry.register_collector(Box::new(operations.collector()));
        registry.register_collector(Box::new(requests.collector()));
        registry.register("kas_key_latency_seconds", "Time to answer a key request", latency.clone());
        let help = "State of the circuit to the policy engine: 0 CLOSED, 1 HALF_OPEN, 2 OPEN";
        registry.register("kas_circuit_breaker_state", help, breaker.clone());
        // What an alert looks at stands at zero from the start, or its first increase would not be one.
        for ending in Ending::ALL {
            requests.with(&[("outcome", ending.name())], |_| ());
        }
        for level in Classification::ALL {
            for decision in ["allow", "deny"] {
                operations.with(&[("decision", decision), ("classification", level.as_str())], |_| ());
            }
        }
        Self { registry, operations, requests, latency, breaker }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, ending: Ending, took: Duration) {
        self.requests.with(&[("outcome", ending.name())], Counter::inc);
        self.latency.observe(took.as_secs_f64());
    }

    /// A body was no key request.
    pub(crate) fn malformed(&self) {
        self.requests.with(&[("outcome", Ending::Malformed.name())], Counter::inc);
    }

    /// It was decided whether to release a key. A marking that is no level is counted as `unknown`.
    pub(crate) fn decided(&self, allow: bool, classification: Option<&str>) {
        let level = classification.and_then(|level| level.parse::<Classification>().ok());
        let level = level.map_or("unknown", Classification::as_str);
        let decision = if allow { "allow" } else { "deny" };
        self.operations.with(&[("decision", decision), ("classification", level)], Counter::inc);
    }

    /// The node's metrics and these, as one OpenMetrics text.
    pub(crate) fn exposition(&self, node: &str) -> String {
        let mut text = node.strip_suffix("# EOF\n").unwrap_or(node).to_owned();
        encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

/// Passes the node's events on, following the breaker of the policy engine.
pub(crate) struct Watched {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) sink: Arc<dyn EventSink>,
}

impl EventSink for Watched {
    fn emit(&self, event: &NodeEvent<'_>) {
        if let NodeEvent::BreakerMoved { breaker, transition } = event
            && *breaker == Dependency::Opa.name()
        {
            self.metrics.breaker.set(transition.to.gauge());
        }
        self.sink.emit(event);
    }
}
