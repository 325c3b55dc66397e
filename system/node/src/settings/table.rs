//! Every setting a node has: its key, what it may be, its default, what it is for.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use dive_resilience::{Admission, BreakerSettings};

use super::value::{Clock, Kind};
use crate::dependency::Dependency;

/// One setting.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) default: String,
    /// Another default under the profile `production`.
    pub(super) in_production: Option<String>,
    pub(super) about: String,
}

/// All settings by key. A key's environment variable is `DIVE_` and the key in capitals, dots as `_`.
pub(super) static TABLE: LazyLock<BTreeMap<String, Entry>> = LazyLock::new(table);

/// The environment variable that overrides `key`.
pub(super) fn variable(key: &str) -> String {
    format!("DIVE_{}", key.to_ascii_uppercase().replace('.', "_"))
}

const MS: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_hours(24);

/// A span that may be anything a test or a slow site needs, but neither nothing nor for ever.
const SPAN: Kind = Kind::Span { min: MS, max: DAY, clock: Clock::Own };

/// The same for how fast something else must answer.
const ANSWER: Kind = Kind::Span { min: MS, max: DAY, clock: Clock::Answer };

const HTTP: Kind = Kind::Url(&["http", "https"]);

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

fn table() -> BTreeMap<String, Entry> {
    let mut table = BTreeMap::new();
    let mut add = |key: &str, kind: Kind, default: &str, about: &str| {
        let entry = Entry { kind, default: default.to_owned(), in_production: None, about: about.to_owned() };
        assert!(table.insert(key.to_owned(), entry).is_none(), "setting {key} stands twice in the table");
    };

    add("profile", Kind::Choice(&["dev", "production"]), "dev", "which defaults apply");
    add("node.id", Kind::Text, "hub", "this node's name in logs and request ids");
    add("node.instance", Kind::Text, "HUB", "the instance it serves: label `instance` of every metric");
    add("node.region", Kind::Text, "local", "label `region` of every metric");
    add("node.tenant", Kind::Text, "USA", "this node's own tenant in the federation matrix");

    add("http.listen", Kind::Address, "127.0.0.1:4000", "where to listen; port 0 picks a free one");
    add("http.body_limit", count(256, 1 << 20), "16384", "greatest request body, bytes");
    add("http.connections", count(1, 1_000_000), "1024", "connections served at once");
    add(
        "http.header_timeout",
        SPAN,
        "10s",
        "how long a client may take to send a request's head, and a connection be idle between two",
    );
    add("http.body_timeout", SPAN, "10s", "how long a client may take to send the request's body");
    add("http.drain", SPAN, "10s", "how long a stop waits for requests in flight");

    add("opa.url", Kind::HttpUrl, "http://127.0.0.1:8181", "the policy engine");
    add("opa.token", Kind::Secret, "", "bearer token for the policy engine, if it asks for one");
    add("opa.timeout", SPAN, "5s", "how long a decision may take");
    add("opa.answer_limit", count(1 << 10, 16 << 20), "1048576", "greatest answer, bytes");

    add("token.max_bytes", count(512, 64 << 10), "8192", "longest token looked at, bytes");
    add(
        "token.skew",
        Kind::Span { min: Duration::ZERO, max: Duration::from_mins(5), clock: Clock::Wall },
        "30s",
        "how far the issuers' clocks may be off",
    );
    add("token.cache_entries", count(1, 1_000_000), "4096", "verified tokens remembered");
    add("token.key_ttl", SPAN, "1h", "how long an issuer's keys are used before they are read again");
    add("token.key_refetch", SPAN, "30s", "least time between two readings for the sake of an unknown key");
    add("token.trust_ttl", SPAN, "30s", "how long an issuer stays trusted before its entry is read again");

    add("token.registry_timeout", SPAN, "3s", "how long reading an issuer's entry or keys may take");
    add("resources.timeout", SPAN, "3s", "how long reading a resource may take");
    let ttl = Kind::Span { min: Duration::ZERO, max: DAY, clock: Clock::Own };
    add("resources.ttl", ttl, "30s", "how long a resource is remembered; 0s: never");
    add("resources.cache_entries", count(1, 1_000_000), "1000", "resources remembered");
    add(
        "resources.object_limit",
        count(1 << 10, 64 << 20),
        "25165824",
        "greatest ZTDF object, bytes of JSON",
    );
    add("audit.timeout", SPAN, "3s", "how long keeping an audit entry may take");

    add("keycloak.url", HTTP, "", "the identity provider; nothing: keys are in files.issuers");
    add("keycloak.health_url", HTTP, "", "its management interface; nothing: the same");
    add("kas.url", HTTP, "", "the key access service; nothing: there is none");
    for (key, kind, default, about) in super::kas::ENTRIES {
        add(key, *kind, default, about);
    }
    add("tls.ca_file", Kind::Path, "", "PEM bundle of the only authorities trusted; nothing: the system's");
    add("tls.certificate", Kind::Path, "", "PEM chain to serve HTTPS with; nothing: plain HTTP");
    add("tls.key", Kind::Path, "", "PEM key of that certificate");

    add("mongodb.url", Kind::Url(&["mongodb"]), "", "resources and registry; nothing: files.* are used");
    add("mongodb.database", Kind::Text, "dive", "the database's name");
    add("mongodb.timeout", SPAN, "2s", "how long one command may take");
    add("mongodb.pool", count(1, 1000), "10", "greatest number of connections");

    for (key, about) in [
        ("redis", "the cache shared with later lives of this node; nothing: there is none"),
        ("blacklist_redis", "the revocations shared by all nodes; nothing: there are none"),
    ] {
        add(&format!("{key}.url"), Kind::Url(&["redis", "rediss"]), "", about);
        add(&format!("{key}.timeout"), ANSWER, "250ms", "how long one command may take");
    }
    add("revocation.reread", SPAN, "2s", "time between two whole readings, for news that was lost");
    let hold = Kind::Span { min: MS, max: Duration::from_hours(24 * 365), clock: Clock::Wall };
    add("revocation.hold", hold, "7d", "how long a revocation is kept; a token that lives longer is refused");
    add("revocation.entries", count(1, 10_000_000), "1000000", "revocations remembered");
    add(
        "cache.key_file",
        Kind::Path,
        "",
        "32 bytes that seal cached decisions; nothing: new ones each start",
    );

    add("cache.decisions", count(1, 10_000_000), "10000", "decisions remembered");
    for (level, default) in [
        ("unclassified", "2m"),
        ("restricted", "90s"),
        ("confidential", "1m"),
        ("secret", "30s"),
        ("top_secret", "15s"),
    ] {
        add(
            &format!("cache.ttl.{level}"),
            Kind::Span { min: Duration::ZERO, max: DAY, clock: Clock::Own },
            default,
            "how long such a decision may be served again; 0s: never",
        );
    }

    add("files.issuers", Kind::Path, "", "JSON file of trusted issuers");
    add("files.resources", Kind::Path, "", "JSON file of resource metadata");
    add("audit.path", Kind::Path, "", "audit trail, JSON lines, appended to");
    add(
        "audit.durability",
        Kind::Choice(&["write", "sync"]),
        "write",
        "an entry is acknowledged once written (survives kill -9) or synced (survives power loss)",
    );
    add("audit.ship_interval", SPAN, "1s", "time between two looks for entries not yet copied to MongoDB");
    add("audit.ship_batch", count(1, 10_000), "256", "entries copied to MongoDB at once");
    add("audit.queue", count(1, 1_000_000), "10000", "entries waiting to be synced");

    add("log.format", Kind::Choice(&["auto", "json", "text"]), "auto", "auto: text on a terminal, else JSON");
    add("log.level", Kind::Choice(&["error", "warn", "info", "debug", "trace"]), "info", "least severe kept");

    for dependency in Dependency::ALL {
        let poll = |what: &str| format!("poll.{}.{what}", dependency.key());
        add(&poll("interval"), SPAN, "5s", "time between two checks");
        let deadline = if dependency == Dependency::Keycloak { "3s" } else { "2s" };
        add(&poll("deadline"), SPAN, deadline, "a check that takes longer has failed");
        let slow_over = format!("{}ms", dependency.slow_over().as_millis());
        add(&poll("slow_over"), ANSWER, &slow_over, "an answer that takes longer is slow: degraded");

        let Some(breaker) = dependency.breaker() else { continue };
        let BreakerSettings { failures, open_for, successes, half_open, .. } = breaker;
        let Admission::Probes(probes) = half_open else { continue };
        let key = |what: &str| format!("breaker.{}.{what}", dependency.key());
        let most = count(1, 1_000_000);
        add(&key("failures"), most, &failures.to_string(), "consecutive failures that open the circuit");
        let open_for = format!("{}s", open_for.as_secs());
        add(&key("open_for"), SPAN, &open_for, "how long the circuit stays open");
        add(&key("successes"), most, &successes.to_string(), "consecutive successes that close it");
        add(&key("probes"), most, &probes.to_string(), "probes in flight while half-open");
    }

    for (key, default) in [("audit.durability", "sync"), ("log.format", "json")] {
        if let Some(entry) = table.get_mut(key) {
            entry.in_production = Some(default.to_owned());
        }
    }
    debug_assert!(table.values().all(|entry| !entry.about.is_empty()));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::value::Raw;

    #[test]
    fn every_default_is_a_value_its_setting_may_have() {
        for (key, entry) in TABLE.iter() {
            for default in std::iter::once(&entry.default).chain(&entry.in_production) {
                assert!(entry.kind.read(&Raw::Untyped(default.clone())).is_ok(), "{key} = {default}");
            }
        }
    }

    #[test]
    fn no_two_settings_share_an_environment_variable() {
        let variables: std::collections::BTreeSet<_> = TABLE.keys().map(|key| variable(key)).collect();
        assert_eq!(variables.len(), TABLE.len());
        assert!(variables.contains("DIVE_BREAKER_OPA_FAILURES"));
    }
}
