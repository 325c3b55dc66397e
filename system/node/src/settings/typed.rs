//! The settings as the code reads them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dive_authz::{CacheSettings, Ttl};
use dive_resilience::{Admission, BreakerSettings};

use super::Origin;
use super::error::SettingError;
use super::kas::KasSettings;
use super::reader::Reader;
use super::value::Value;
use crate::dependency::Dependency;

/// Which defaults apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For a developer's machine.
    Dev,
    /// For a site.
    Production,
}

/// Every setting of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Which defaults apply.
    pub profile: Profile,
    /// Who this node is.
    pub node: Identity,
    /// The listener.
    pub http: HttpSettings,
    /// The policy engine.
    pub opa: OpaSettings,
    /// Verification of tokens.
    pub token: TokenSettings,
    /// The decision cache.
    pub cache: CacheSettings,
    /// Stores that are files.
    pub files: FileSettings,
    /// Resources, wherever they are stored.
    pub resources: ResourceSettings,
    /// The identity provider.
    pub keycloak: KeycloakSettings,
    /// The key access service, `http[s]://host:port`; empty when there is none.
    pub kas_url: String,
    /// The key access service itself.
    pub kas: KasSettings,
    /// Certificates.
    pub tls: TlsSettings,
    /// The store of resources and registry.
    pub mongodb: MongodbSettings,
    /// The cache that outlives the process.
    pub redis: RedisSettings,
    /// The revocations that all nodes share.
    pub blacklist_redis: RedisSettings,
    /// The local copy of the revocations.
    pub revocation: RevocationSettings,
    /// The key that seals cached decisions. An empty path: a new one each start.
    pub cache_key_file: PathBuf,
    /// The audit trail.
    pub audit: AuditSettings,
    /// What is written to standard error.
    pub log: LogSettings,
    /// The breaker of each dependency that has one.
    pub breakers: BTreeMap<Dependency, BreakerSettings>,
    /// The periodic check of each dependency.
    pub polls: BTreeMap<Dependency, PollSettings>,
}

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name in logs and request ids.
    pub id: Arc<str>,
    /// The instance it serves.
    pub instance: Arc<str>,
    /// Where it stands.
    pub region: Arc<str>,
    /// Its own tenant in the federation matrix.
    pub tenant: Arc<str>,
}

/// The listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Greatest request body, bytes.
    pub body_limit: usize,
    /// Connections served at once.
    pub connections: usize,
    /// How long a client may take to send a request's head, from when one is waited for: from when the connection
    /// stands, and from one answer on. So it is also how long a connection may be idle between two requests, and how
    /// long a TLS handshake may take.
    pub header_timeout: Duration,
    /// How long a client may take to send a request's body.
    pub body_timeout: Duration,
    /// How long a stop waits for requests in flight.
    pub drain: Duration,
}

/// The policy engine.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaSettings {
    /// `http://host:port`.
    pub url: String,
    /// Bearer token; empty when it asks for none.
    pub token: String,
    /// How long a decision may take.
    pub timeout: Duration,
    /// Greatest answer, bytes.
    pub answer_limit: usize,
}

impl std::fmt::Debug for OpaSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpaSettings").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Verification of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// Longest token looked at, bytes.
    pub max_bytes: usize,
    /// How far the issuers' clocks may be off.
    pub skew: Duration,
    /// Verified tokens remembered.
    pub cache_entries: NonZeroUsize,
    /// How long an issuer's keys are used before they are read again.
    pub key_ttl: Duration,
    /// Least time between two readings for the sake of an unknown key.
    pub key_refetch: Duration,
    /// How long an issuer stays trusted before its entry is read again.
    pub trust_ttl: Duration,
    /// How long reading an issuer's entry or keys may take.
    pub registry_timeout: Duration,
}

/// Resources, wherever they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSettings {
    /// How long reading one may take.
    pub timeout: Duration,
    /// How long one is remembered; zero: never.
    pub ttl: Duration,
    /// How many are remembered.
    pub entries: NonZeroUsize,
    /// Greatest ZTDF object that is looked at, bytes of JSON.
    pub object_limit: usize,
}

/// The identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeycloakSettings {
    /// `http[s]://host:port`; empty when keys are in a file.
    pub url: String,
    /// Its management interface; empty: the same.
    pub health_url: String,
}

/// Certificates. An empty path means that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The only authorities trusted.
    pub ca_file: PathBuf,
    /// The chain to serve HTTPS with.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The store of resources and registry.
#[derive(Clone, PartialEq, Eq)]
pub struct MongodbSettings {
    /// `mongodb://host:port`, credentials possible; empty when files are used.
    pub url: String,
    /// The database's name.
    pub database: String,
    /// How long one command may take.
    pub timeout: Duration,
    /// Greatest number of connections.
    pub pool: u32,
}

impl std::fmt::Debug for MongodbSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MongodbSettings").field("database", &self.database).finish_non_exhaustive()
    }
}

/// A Redis.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// `redis://host:port`, credentials possible; empty when there is none.
    pub url: String,
    /// How long one command may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisSettings").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The local copy of the revocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationSettings {
    /// Time between two whole readings.
    pub reread: Duration,
    /// How long a revocation is kept whose token's expiry is not known. Where revocations are kept, a token
    /// with a longer life is refused: its revocation could end before it does.
    pub hold: Duration,
    /// How many are remembered.
    pub entries: NonZeroUsize,
}

/// Stores that are files. An empty path means that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// Trusted issuers.
    pub issuers: PathBuf,
    /// Resource metadata.
    pub resources: PathBuf,
}

/// When an audit entry counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once the kernel has it: it survives the process.
    Write,
    /// Once the disk has it: it survives the machine.
    Sync,
}

/// The audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The file.
    pub path: PathBuf,
    /// When an entry is acknowledged.
    pub durability: Durability,
    /// Entries that may wait to be synced.
    pub queue: usize,
    /// How long keeping an entry may take.
    pub timeout: Duration,
    /// Time between two looks for entries that are not copied yet.
    pub ship_interval: Duration,
    /// Entries copied at once.
    pub ship_batch: usize,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What is written to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How lines look.
    pub format: LogFormat,
    /// The least severe level kept.
    pub level: String,
}

/// The periodic check of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollSettings {
    /// Time between two checks.
    pub interval: Duration,
    /// A check that takes longer has failed.
    pub deadline: Duration,
    /// An answer that takes longer is slow.
    pub slow_over: Duration,
}

impl Values {
    pub(super) fn from_resolved(resolved: &BTreeMap<String, (Value, Origin)>) -> Self {
        let from = Reader(resolved);
        let breaker = |dependency: Dependency| {
            let key = |what: &str| format!("breaker.{}.{what}", dependency.key());
            dependency.breaker().map(|default| {
                let settings = BreakerSettings {
                    failures: from.at_least_one(&key("failures")),
                    open_for: from.span(&key("open_for")),
                    successes: from.at_least_one(&key("successes")),
                    half_open: Admission::Probes(from.at_least_one(&key("probes"))),
                    ..default
                };
                (dependency, settings)
            })
        };
        let poll = |dependency: Dependency| {
            let span = |what: &str| from.span(&format!("poll.{}.{what}", dependency.key()));
            let settings = PollSettings {
                interval: span("interval"),
                deadline: span("deadline"),
                slow_over: span("slow_over"),
            };
            (dependency, settings)
        };
        let redis = |key: &str| RedisSettings {
            url: from.text(&format!("{key}.url")).to_owned(),
            timeout: from.span(&format!("{key}.timeout")),
        };
        Self {
            profile: if from.text("profile") == "production" { Profile::Production } else { Profile::Dev },
            node: Identity {
                id: from.text("node.id").into(),
                instance: from.text("node.instance").into(),
                region: from.text("node.region").into(),
                tenant: from.text("node.tenant").into(),
            },
            http: HttpSettings {
                listen: from.text("http.listen").parse().expect("the table lets addresses through only"),
                body_limit: from.count("http.body_limit"),
                connections: from.count("http.connections"),
                header_timeout: from.span("http.header_timeout"),
                body_timeout: from.span("http.body_timeout"),
                drain: from.span("http.drain"),
            },
            opa: OpaSettings {
                url: from.text("opa.url").to_owned(),
                token: from.text("opa.token").to_owned(),
                timeout: from.span("opa.timeout"),
                answer_limit: from.count("opa.answer_limit"),
            },
            token: TokenSettings {
                max_bytes: from.count("token.max_bytes"),
                skew: from.span("token.skew"),
                cache_entries: from.entries("token.cache_entries"),
                key_ttl: from.span("token.key_ttl"),
                key_refetch: from.span("token.key_refetch"),
                trust_ttl: from.span("token.trust_ttl"),
                registry_timeout: from.span("token.registry_timeout"),
            },
            cache: CacheSettings {
                capacity: from.entries("cache.decisions"),
                ttl: Ttl {
                    unclassified: from.span("cache.ttl.unclassified"),
                    restricted: from.span("cache.ttl.restricted"),
                    confidential: from.span("cache.ttl.confidential"),
                    secret: from.span("cache.ttl.secret"),
                    top_secret: from.span("cache.ttl.top_secret"),
                },
            },
            files: FileSettings {
                issuers: from.text("files.issuers").into(),
                resources: from.text("files.resources").into(),
            },
            resources: ResourceSettings {
                timeout: from.span("resources.timeout"),
                ttl: from.span("resources.ttl"),
                entries: from.entries("resources.cache_entries"),
                object_limit: from.count("resources.object_limit"),
            },
            keycloak: KeycloakSettings {
                url: from.text("keycloak.url").to_owned(),
                health_url: from.text("keycloak.health_url").to_owned(),
            },
            kas_url: from.text("kas.url").to_owned(),
            kas: KasSettings::read(&from),
            tls: TlsSettings {
                ca_file: from.text("tls.ca_file").into(),
                certificate: from.text("tls.certificate").into(),
                key: from.text("tls.key").into(),
            },
            mongodb: MongodbSettings {
                url: from.text("mongodb.url").to_owned(),
                database: from.text("mongodb.database").to_owned(),
                timeout: from.span("mongodb.timeout"),
                pool: u32::try_from(from.count("mongodb.pool")).unwrap_or(u32::MAX),
            },
            redis: redis("redis"),
            blacklist_redis: redis("blacklist_redis"),
            revocation: RevocationSettings {
                reread: from.span("revocation.reread"),
                hold: from.span("revocation.hold"),
                entries: from.entries("revocation.entries"),
            },
            cache_key_file: from.text("cache.key_file").into(),
            audit: AuditSettings {
                path: from.text("audit.path").into(),
                durability: match from.text("audit.durability") {
                    "write" => Durability::Write,
                    _ => Durability::Sync,
                },
                queue: from.count("audit.queue"),
                timeout: from.span("audit.timeout"),
                ship_interval: from.span("audit.ship_interval"),
                ship_batch: from.count("audit.ship_batch"),
            },
            log: LogSettings {
                format: match from.text("log.format") {
                    "json" => LogFormat::Json,
                    "text" => LogFormat::Text,
                    _ => LogFormat::Auto,
                },
                level: from.text("log.level").to_owned(),
            },
            breakers: Dependency::ALL.into_iter().filter_map(breaker).collect(),
            polls: Dependency::ALL.into_iter().map(poll).collect(),
        }
    }

    /// Values that are fine alone but not together.
    pub(super) fn contradictions(&self) -> Vec<SettingError> {
        let too_slow = |(dependency, poll): (&Dependency, &PollSettings)| {
            (poll.deadline >= poll.interval).then(|| SettingError::Order {
                key: format!("poll.{}.deadline", dependency.key()),
                bound: format!("poll.{}.interval", dependency.key()),
                why: "a check must be over before the next one is due",
            })
        };
        self.polls.iter().filter_map(too_slow).collect()
    }
}
