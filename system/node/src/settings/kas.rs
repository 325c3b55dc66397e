//! The settings of the key access service, which otherwise takes those of a node.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use dive_resilience::BreakerSettings;

use super::reader::Reader;
use super::value::{Clock, Kind};

const SPAN: Kind =
    Kind::Span { min: Duration::from_millis(1), max: Duration::from_hours(24), clock: Clock::Own };

const fn count(max: u64) -> Kind {
    Kind::Count { min: 1, max }
}

/// Key, kind, default, purpose.
pub(super) const ENTRIES: &[(&str, Kind, &str, &str)] = &[
    (
        "kas.listen",
        Kind::Address,
        "127.0.0.1:10000",
        "where the key access service listens; port 0 picks a free one",
    ),
    ("kas.key_file", Kind::Path, "", "its private key, 32 bytes, mode 0600; made at the first start"),
    (
        "kas.replay.window",
        Kind::Span { min: Duration::from_secs(1), max: Duration::from_hours(1), clock: Clock::Wall },
        "5m",
        "how far a key request's timestamp may be off, either way",
    ),
    ("kas.replay.entries", count(10_000_000), "100000", "nonces remembered; full: requests are refused"),
    ("kas.cache.ttl", SPAN, "1h", "how long an unwrapped data key is remembered"),
    ("kas.cache.entries", count(1_000_000), "1000", "data keys remembered"),
    ("kas.breaker.opa.failures", count(1_000_000), "5", "consecutive failures that open the circuit"),
    ("kas.breaker.opa.within", SPAN, "1m", "all of those failures lie inside this span"),
    ("kas.breaker.opa.open_for", SPAN, "30s", "how long the circuit stays open"),
    ("kas.breaker.opa.successes", count(1_000_000), "2", "consecutive successes that close it"),
];

/// The key access service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KasSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Its private key.
    pub key_file: PathBuf,
    /// How far a request's timestamp may be off, either way; a nonce is accepted once in that time.
    pub replay_window: Duration,
    /// Nonces remembered.
    pub replay_entries: NonZeroUsize,
    /// How long an unwrapped data key is remembered.
    pub cache_ttl: Duration,
    /// Data keys remembered.
    pub cache_entries: NonZeroUsize,
    /// Its breaker to the policy engine.
    pub breaker: BreakerSettings,
}

impl KasSettings {
    pub(super) fn read(from: &Reader<'_>) -> Self {
        Self {
            listen: from.text("kas.listen").parse().expect("the table lets addresses through only"),
            key_file: from.text("kas.key_file").into(),
            replay_window: from.span("kas.replay.window"),
            replay_entries: from.entries("kas.replay.entries"),
            cache_ttl: from.span("kas.cache.ttl"),
            cache_entries: from.entries("kas.cache.entries"),
            breaker: BreakerSettings {
                failures: from.at_least_one("kas.breaker.opa.failures"),
                within: Some(from.span("kas.breaker.opa.within")),
                open_for: from.span("kas.breaker.opa.open_for"),
                successes: from.at_least_one("kas.breaker.opa.successes"),
                ..BreakerSettings::OPA
            },
        }
    }
}
