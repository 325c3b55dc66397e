//! The topologies that scenarios run on: which services there are, who calls whom, what can be seen.

use std::collections::BTreeMap;

use dive_node::Dependency;
use harness_core::fault::Edge;
use harness_core::vocabulary::{Topology, words};

/// The node.
pub const HUB: &str = "hub";
/// The policy engine.
pub const OPA: &str = "opa";
/// The identity provider.
pub const KEYCLOAK: &str = "keycloak";
/// The store of resources, registry and audit.
pub const MONGODB: &str = "mongodb";
/// The cache that outlives the node's process.
pub const REDIS: &str = "redis";
/// The store of revocations.
pub const BLACKLIST: &str = "blacklist-redis";
/// The key access service.
pub const KAS: &str = "kas";

/// Whether a service is called over TLS, where there are connections.
pub fn speaks_tls(service: &str) -> bool {
    matches!(service, KEYCLOAK | KAS)
}

/// A topology by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// One hub and its policy engine; all else it reads from files.
    HubAndOpa,
    /// One hub and everything it depends on.
    Hub,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::HubAndOpa, Self::Hub];

    /// The word for it in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HubAndOpa => "hub-and-opa",
            Self::Hub => "hub",
        }
    }

    /// The topology of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// A sentence about it.
    pub const fn about(self) -> &'static str {
        match self {
            Self::HubAndOpa => "one hub with its policy engine; all else it reads from files",
            Self::Hub => "one hub with everything it depends on, and the key access service",
        }
    }

    /// Who calls whom.
    pub const fn edges(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::HubAndOpa => &[(HUB, OPA)],
            Self::Hub => &[
                (HUB, OPA),
                (HUB, KEYCLOAK),
                (HUB, MONGODB),
                (HUB, REDIS),
                (HUB, BLACKLIST),
                (HUB, KAS),
                (KAS, OPA),
                (KAS, KEYCLOAK),
                (KAS, MONGODB),
                (KAS, BLACKLIST),
            ],
        }
    }

    /// The services that people and their programs call.
    pub const fn called(self) -> &'static [&'static str] {
        match self {
            Self::HubAndOpa => &[HUB],
            Self::Hub => &[HUB, KEYCLOAK, KAS],
        }
    }

    /// What the hub depends on here.
    pub const fn dependencies(self) -> &'static [Dependency] {
        match self {
            Self::HubAndOpa => &[Dependency::Opa],
            Self::Hub => &Dependency::ALL,
        }
    }

    /// The words that scenarios may use of it.
    pub fn topology(self) -> Topology {
        let circuit = words(["CLOSED", "OPEN", "HALF_OPEN", "unknown"]);
        let service = words(["up", "degraded", "down", "unknown"]);
        let mut signals = BTreeMap::from([
            (format!("{HUB}/status"), words(["healthy", "degraded", "unhealthy", "down"])),
            (format!("{HUB}/document"), words(["exact", "wrong", "unknown"])),
        ]);
        let mut at_rest = BTreeMap::from([(format!("{HUB}/status"), "healthy".to_owned())]);
        for dependency in self.dependencies() {
            if speaks_tls(dependency.name()) {
                let trust = words(["trusted", "untrusted", "unknown"]);
                signals.insert(format!("{HUB}/trust/{dependency}"), trust);
            }
            signals.insert(format!("{HUB}/service/{dependency}"), service.clone());
            if dependency.has_circuit() {
                signals.insert(format!("{HUB}/circuit/{dependency}"), circuit.clone());
                at_rest.insert(format!("{HUB}/circuit/{dependency}"), "CLOSED".into());
            }
        }
        if self == Self::Hub {
            signals.insert(format!("{HUB}/service/cache"), service);
        }
        let edges = || self.edges().iter().map(|(from, to)| Edge::new(from, to));
        let in_flight = "exchanges awaiting their answer, at most, since the last sample";
        Topology {
            about: self.about().into(),
            services: edges().flat_map(|edge| [edge.from, edge.to]).collect(),
            edges: edges().collect(),
            signals,
            at_rest,
            measures: BTreeMap::from([(format!("{HUB} -> {OPA}/in-flight"), in_flight.to_owned())]),
        }
    }
}
