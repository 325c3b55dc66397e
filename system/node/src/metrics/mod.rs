//! The node's metrics: a fold over its events, so that nothing moves them but what really happened.
//!
//! Names begin with `dive_v3_`; every series has the labels `app`, `instance` and `region`. Series that an
//! alert looks at stand at zero from the start, or their first increase would not be one.

mod family;
mod observed;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dive_authz::Reason;
use dive_resilience::health::ServiceStatus;
use dive_resilience::{Caller, State};
use dive_runtime::Runtime;
use prometheus_client::encoding::text;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::dependency::Dependency;
use crate::event::{Cache, CallFault, Decided, NodeEvent};
use crate::ports::{ConnectionStats, ProcessStats};
use crate::settings::Identity;
pub use family::Family;
use observed::{Process, StoreConnections};

/// The media type of an exposition.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One label; its values are names the code knows.
type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Three = [(&'static str, &'static str); 3];
type StatusLabel = [(&'static str, u64); 1];
type Ratio = Gauge<f64, AtomicU64>;

/// Upper bounds in seconds: fine where a cached answer lies, and on the alerts' thresholds.
const LATENCIES: [f64; 17] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0,
    5.0, 10.0,
];

fn latencies() -> Histogram {
    Histogram::new(LATENCIES)
}

pub(crate) struct Metrics {
    registry: Registry,
    /// Of names that bear no prefix.
    unprefixed: Registry,
    breaker_state: Family<One, Gauge>,
    breaker_failures: Family<One, Gauge>,
    breaker_rejects: Family<One, Counter>,
    breaker_transitions: Family<Three, Counter>,
    decision_latency: Family<Two, Histogram>,
    decisions: Family<One, Counter>,
    denials: Family<One, Counter>,
    cache_operations: Family<Two, Counter>,
    cache_hit_rate: Family<One, Ratio>,
    decision_look_ups: LookUps,
    resource_look_ups: LookUps,
    shared_decision_look_ups: LookUps,
    token_look_ups: LookUps,
    cache_size: Family<One, Gauge>,
    cache_evictions: Family<One, Counter>,
    store_errors: Family<Two, Counter>,
    audit_entries: Family<One, Counter>,
    service_health: Family<One, Gauge>,
    health_of: BTreeMap<Dependency, Gauge>,
    invalid_tokens: Counter,
    requests: Family<StatusLabel, Counter>,
    request_duration: Histogram,
}

impl Metrics {
    pub(crate) fn new(app: &str, identity: &Identity, breakers: &[Dependency]) -> Self {
        let labels = [("app", app), ("instance", &*identity.instance), ("region", &*identity.region)];
        let labels = labels.map(|(name, value)| (name.into(), value.to_owned().into()));
        let unprefixed = Registry::with_labels(labels.clone().into_iter());
        let registry = Registry::with_prefix_and_labels("dive_v3", labels.into_iter());
        let (counter, gauge) = (MetricType::Counter, MetricType::Gauge);
        let cache_operations =
            Family::new("cache_operations", "Look-ups in a cache", counter, Counter::default);
        let mut metrics = Self {
            registry,
            unprefixed,
            breaker_state: Family::new(
                "circuit_breaker_state",
                "State of a circuit: 0 CLOSED, 1 HALF_OPEN, 2 OPEN",
                gauge,
                Gauge::default,
            ),
            breaker_failures: Family::new(
                "circuit_breaker_failures",
                "Consecutive failures, failed probes included",
                gauge,
                Gauge::default,
            ),
            breaker_rejects: Family::new(
                "circuit_breaker_rejects",
                "Requests turned away by a circuit",
                counter,
                Counter::default,
            ),
            breaker_transitions: Family::new(
                "circuit_breaker_transitions",
                "Moves of a circuit",
                counter,
                Counter::default,
            ),
            decision_latency: Family::new(
                "authorization_decision_latency_seconds",
                "Time from a request for authorization to its answer",
                MetricType::Histogram,
                latencies,
            ),
            decisions: Family::new(
                "authorization_decisions",
                "Requests for authorization, by whether they were let through",
                counter,
                Counter::default,
            ),
            denials: Family::new(
                "authorization_denials_by_reason",
                "Denied requests by the reason given",
                counter,
                Counter::default,
            ),
            decision_look_ups: LookUps::new(Cache::Decision, &cache_operations),
            resource_look_ups: LookUps::new(Cache::Resource, &cache_operations),
            shared_decision_look_ups: LookUps::new(Cache::SharedDecision, &cache_operations),
            token_look_ups: LookUps::new(Cache::Token, &cache_operations),
            cache_operations,
            cache_hit_rate: Family::new(
                "cache_hit_rate",
                "Share of look-ups that found something, since the start",
                gauge,
                Ratio::default,
            ),
            cache_size: Family::new("cache_size", "Entries in a cache", gauge, Gauge::default),
            cache_evictions: Family::new(
                "cache_evictions",
                "Entries that had to go for want of room",
                counter,
                Counter::default,
            ),
            store_errors: Family::new(
                "db_connection_errors",
                "Calls of a store, checks included, that it did not answer",
                counter,
                Counter::default,
            ),
            audit_entries: Family::new("audit_entries", "Audit entries kept", counter, Counter::default),
            service_health: Family::new(
                "service_health",
                "Whether a service answered its last check",
                gauge,
                Gauge::default,
            ),
            health_of: [Dependency::Opa, Dependency::Redis, Dependency::Mongodb]
                .map(|service| (service, Gauge::default()))
                .into(),
            invalid_tokens: Counter::default(),
            requests: Family::new("http_requests", "HTTP requests answered", counter, Counter::default),
            request_duration: latencies(),
        };
        metrics.register();
        metrics.begin_at_zero(breakers);
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register_collector(Box::new(self.breaker_state.collector()));
        registry.register_collector(Box::new(self.breaker_failures.collector()));
        registry.register_collector(Box::new(self.breaker_rejects.collector()));
        registry.register_collector(Box::new(self.breaker_transitions.collector()));
        registry.register_collector(Box::new(self.decision_latency.collector()));
        registry.register_collector(Box::new(self.decisions.collector()));
        registry.register_collector(Box::new(self.denials.collector()));
        registry.register_collector(Box::new(self.cache_operations.collector()));
        registry.register_collector(Box::new(self.cache_hit_rate.collector()));
        registry.register_collector(Box::new(self.cache_size.collector()));
        registry.register_collector(Box::new(self.cache_evictions.collector()));
        registry.register_collector(Box::new(self.store_errors.collector()));
        registry.register_collector(Box::new(self.audit_entries.collector()));
        registry.register_collector(Box::new(self.service_health.collector()));
        registry.register_collector(Box::new(self.requests.collector()));
        registry.register("invalid_jwt", "Tokens refused", self.invalid_tokens.clone());
        let duration = self.request_duration.clone();
        registry.register("http_request_duration_seconds", "Time to answer an HTTP request", duration);
    }

    fn begin_at_zero(&self, breakers: &[Dependency]) {
        const PATHS: [(State, State); 4] = [
            (State::Closed, State::Open),
            (State::Open, State::HalfOpen),
            (State::HalfOpen, State::Closed),
            (State::HalfOpen, State::Open),
        ];
        for breaker in breakers {
            let service = [("service", breaker.name())];
            self.breaker_state.with(&service, |_| ());
            self.breaker_failures.with(&service, |_| ());
            self.breaker_rejects.with(&service, |_| ());
            for (from, to) in PATHS {
                self.breaker_transitions.with(&transition_labels(breaker.name(), from, to), |_| ());
            }
        }
        for decision in ["allow", "deny"] {
            self.decisions.with(&[("decision", decision)], |_| ());
        }
        for status in [200, 400, 401, 403, 404, 413, 500, 503] {
            self.requests.with(&[("status", status)], |_| ());
        }
        for cache in [Cache::Decision, Cache::Resource, Cache::Token] {
            self.cache_size.with(&[("cache_type", cache.name())], |_| ());
            self.cache_evictions.with(&[("cache_type", cache.name())], |_| ());
        }
    }

    /// Exported by the node for a dependency of its own name, once that dependency is watched.
    fn own_health_gauge(&mut self, service: Dependency) {
        let (name, help) = match service {
            Dependency::Opa => ("opa_health", "Whether the policy engine answered its last check"),
            Dependency::Redis => ("redis_health", "Whether the cache answered its last check"),
            Dependency::Mongodb => ("mongodb_health", "Whether the resource store answered its last check"),
            Dependency::Keycloak | Dependency::Kas | Dependency::BlacklistRedis => return,
        };
        if let Some(gauge) = self.health_of.get(&service) {
            self.registry.register(name, help, gauge.clone());
        }
    }

    /// Exports the health of the services that are watched, and of no other.
    pub(crate) fn watching(mut self, services: impl IntoIterator<Item = Dependency>) -> Self {
        for service in services {
            self.service_health.with(&[("service", service.name())], |_| ());
            self.own_health_gauge(service);
            for fault in [CallFault::Timeout, CallFault::Error] {
                self.record_fault(service, fault, |_| ());
            }
        }
        self
    }

    /// Exports what the process takes of its machine.
    pub(crate) fn of_process(
        mut self,
        stats: Option<Arc<dyn ProcessStats>>,
        runtime: &Arc<dyn Runtime>,
    ) -> Self {
        if let Some(stats) = stats {
            let (runtime, started) = (Arc::clone(runtime), runtime.now());
            self.unprefixed.register_collector(Box::new(Process { stats, runtime, started }));
        }
        self
    }

    /// Exports the connections of the stores' clients.
    pub(crate) fn of_connections(mut self, stats: BTreeMap<Dependency, Arc<dyn ConnectionStats>>) -> Self {
        if !stats.is_empty() {
            self.registry.register_collector(Box::new(StoreConnections(stats)));
        }
        self
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn exposition(&self) -> String {
        let mut exposition = String::with_capacity(16 << 10);
        text::encode_registry(&mut exposition, &self.registry)
            .and_then(|()| text::encode_registry(&mut exposition, &self.unprefixed))
            .and_then(|()| text::encode_eof(&mut exposition))
            .expect("writing to a string cannot fail");
        exposition
    }

    /// Requests for authorization so far: let through, denied.
    pub(crate) fn decided(&self) -> (u64, u64) {
        let count = |decision| self.decisions.with(&[("decision", decision)], Counter::get);
        (count("allow"), count("deny"))
    }

    /// HTTP requests answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.requests.sum(Counter::get)
    }

    /// Moves what `event` moves.
    pub(crate) fn record(&self, event: &NodeEvent<'_>) {
        match *event {
            NodeEvent::BreakerMoved { breaker, transition } => {
                let labels = transition_labels(breaker, transition.from, transition.to);
                self.breaker_transitions.with(&labels, Counter::inc);
                self.breaker_state.with(&[("service", breaker)], |gauge| gauge.set(transition.to.gauge()));
                let failures = i64::from(transition.failures);
                self.breaker_failures.with(&[("service", breaker)], |gauge| gauge.set(failures));
            }
            NodeEvent::CallSettled { breaker, failures, .. } => {
                self.breaker_failures.with(&[("service", breaker)], |gauge| gauge.set(failures.into()));
            }
            NodeEvent::CallRejected { breaker, caller: Caller::Request, .. } => {
                self.breaker_rejects.with(&[("service", breaker)], Counter::inc);
            }
            NodeEvent::Polled { service, status, .. } => {
                let answered = i64::from(status != ServiceStatus::Down);
                self.service_health.with(&[("service", service.name())], |gauge| gauge.set(answered));
                if let Some(gauge) = self.health_of.get(&service) {
                    gauge.set(answered);
                }
            }
            NodeEvent::CallFailed { service, fault } => {
                self.record_fault(service, fault, |counter| {
                    counter.inc();
                });
            }
            NodeEvent::Decided(decided) => self.record_decision(&decided),
            NodeEvent::TokenRefused { .. } => drop(self.invalid_tokens.inc()),
            NodeEvent::CacheAsked { cache, hit } => self.record_look_up(cache, hit),
            NodeEvent::CacheSized { cache, size, evicted } => {
                let cache = [("cache_type", cache.name())];
                self.cache_size.with(&cache, |gauge| gauge.set(i64::try_from(size).unwrap_or(i64::MAX)));
                if evicted > 0 {
                    self.cache_evictions.with(&cache, |counter| counter.inc_by(evicted));
                }
            }
            NodeEvent::Audited { event_type } => {
                self.audit_entries.with(&[("event_type", event_type)], Counter::inc);
            }
            NodeEvent::Answered { status, took, .. } => {
                self.requests.with(&[("status", u64::from(status))], Counter::inc);
                self.request_duration.observe(took.as_secs_f64());
            }
            NodeEvent::CallRejected { caller: Caller::Poll, .. }
            | NodeEvent::CachingSwitched { .. }
            | NodeEvent::Revoked { .. }
            | NodeEvent::AuditShipped { .. }
            | NodeEvent::AuditNotShipped { .. }
            | NodeEvent::ServiceChanged { .. }
            | NodeEvent::NodeChanged { .. }
            | NodeEvent::PolicyChanged { .. } => {}
        }
    }

    fn record_decision(&self, decided: &Decided<'_>) {
        let Some(reason) = Reason::from_name(decided.reason) else {
            // Nobody to decide about, nothing to decide on, or no place to keep it: no decision was made.
            return;
        };
        let decision = if decided.allow { "allow" } else { "deny" };
        let cached = if decided.cached { "true" } else { "false" };
        self.decisions.with(&[("decision", decision)], Counter::inc);
        self.observe_latency(decision, cached, decided.took);
        if !decided.allow {
            self.denials.with(&[("reason", reason.name())], Counter::inc);
        }
    }

    /// Policy engine, identity provider and key access service are no stores.
    fn record_fault(&self, service: Dependency, fault: CallFault, count: impl FnOnce(&Counter)) {
        match service {
            Dependency::Mongodb | Dependency::Redis | Dependency::BlacklistRedis => {
                let labels = [("db_type", service.name()), ("error_type", fault.name())];
                self.store_errors.with(&labels, count);
            }
            Dependency::Opa | Dependency::Keycloak | Dependency::Kas => {}
        }
    }

    fn observe_latency(&self, decision: &'static str, cached: &'static str, took: Duration) {
        let labels = [("decision", decision), ("cached", cached)];
        self.decision_latency.with(&labels, |histogram| histogram.observe(took.as_secs_f64()));
    }

    fn record_look_up(&self, cache: Cache, hit: bool) {
        let look_ups = match cache {
            Cache::Decision => &self.decision_look_ups,
            Cache::Resource => &self.resource_look_ups,
            Cache::SharedDecision => &self.shared_decision_look_ups,
            Cache::Token => &self.token_look_ups,
        };
        look_ups.record(hit, || self.cache_hit_rate.with(&[("cache_type", cache.name())], Ratio::clone));
    }
}

/// The look-ups in one cache, kept at hand: every request makes several.
struct LookUps {
    hits: Counter,
    misses: Counter,
    /// There is no rate before the first look-up.
    rate: OnceLock<Ratio>,
}

impl LookUps {
    fn new(cache: Cache, operations: &Family<Two, Counter>) -> Self {
        let counter = |hit| operations.with(&[("cache_type", cache.name()), ("hit", hit)], Counter::clone);
        Self { hits: counter("true"), misses: counter("false"), rate: OnceLock::new() }
    }

    fn record(&self, hit: bool, rate: impl FnOnce() -> Ratio) {
        if hit { &self.hits } else { &self.misses }.inc();
        let (hits, misses) = (self.hits.get() as f64, self.misses.get() as f64);
        self.rate.get_or_init(rate).set(hits / (hits + misses));
    }
}

fn transition_labels(breaker: &'static str, from: State, to: State) -> Three {
    [("service", breaker), ("from_state", from.as_str()), ("to_state", to.as_str())]
}
