//! The ports of a process: what the settings name, each behind its adapter.
//!
//! | set | behind the ports |
//! |---|---|
//! | `mongodb.url` | resources, issuers, and the copy of the audit trail in MongoDB; else files |
//! | `keycloak.url` | issuers' keys at Keycloak; else in the issuers' file |
//! | `redis.url` | decisions that outlive the process |
//! | `blacklist_redis.url` | revocations |
//! | `kas.url` | a check of the key access service |
//!
//! Nothing is connected to here, so everything may be away when the process starts.

use std::path::Path;
use std::sync::Arc;

use dive_runtime::Runtime;

use super::ServeError;
use crate::adapters::mongodb::{Driver, MongoStore, PoolView};
use crate::adapters::redis::{RedisClient, RedisDecisions, RedisLink, RedisProbe, RedisRevocations};
use crate::adapters::{
    AuditFile, AuditReader, FileError, IssuersFile, KasProbe, Keycloak, LogEvents, Opa, ResourcesFile,
    RevocationJournalFile, ThisProcess, Trust,
};
use crate::dependency::Dependency;
use crate::ports::{
    Audit, ConnectionStats, Connections, IdentityProvider, IssuerRegistry, Ports, Probe, ResourceStore,
    SealingKey, Shipping,
};
use crate::settings::{RedisSettings, Settings};

/// The ports of a process: what `settings` name, opened.
///
/// # Errors
/// [`ServeError`] when something is not named or cannot be used.
pub async fn ports(settings: &Settings, runtime: &Arc<dyn Runtime>) -> Result<Ports, ServeError> {
    named(&settings.audit.path, "audit.path", "the audit trail")?;
    let trust = Trust::new(&settings.tls)?;
    let store = if settings.mongodb.url.is_empty() {
        None
    } else {
        let driver = Driver::new(&settings.mongodb).await?;
        let connections = Pool { pool: driver.pool(), most: u64::from(settings.mongodb.pool) };
        Some((Arc::new(MongoStore::new(Arc::new(driver))), Arc::new(connections)))
    };
    let keycloak = (!settings.keycloak.url.is_empty()).then(|| {
        let deadline = settings.polls[&Dependency::Keycloak].deadline;
        Arc::new(Keycloak::new(&settings.keycloak, &trust, deadline, Arc::clone(runtime)))
    });
    let issuers_file = || {
        named(&settings.files.issuers, "files.issuers", "the trusted issuers")?;
        Ok::<_, ServeError>(Arc::new(IssuersFile::open(&settings.files.issuers)?))
    };
    let (issuers, resources): (Arc<dyn IssuerRegistry>, Arc<dyn ResourceStore>) = match &store {
        Some((store, _)) => (store.clone(), store.clone()),
        None => (issuers_file()?, resources_file(settings)?),
    };
    let identity: Arc<dyn IdentityProvider> = match &keycloak {
        Some(keycloak) => keycloak.clone(),
        None => issuers_file()?,
    };
    let audit = Arc::new(AuditFile::open(&settings.audit)?);
    let opa = Arc::new(Opa::new(&settings.opa)?);
    let mut ports = Ports::new(opa, issuers, identity, resources, audit, Arc::new(LogEvents));
    ports.process = Some(Arc::new(ThisProcess));
    if let Some((store, connections)) = store {
        ports.probes.insert(Dependency::Mongodb, store.clone());
        ports.connections.insert(Dependency::Mongodb, connections);
        let from = Arc::new(AuditReader::new(&settings.audit.path));
        ports.shipping = Some(Shipping { from, to: store as Arc<dyn Audit> });
    }
    if let Some(keycloak) = keycloak {
        ports.probes.insert(Dependency::Keycloak, keycloak);
    }
    if !settings.kas_url.is_empty() {
        let deadline = settings.polls[&Dependency::Kas].deadline;
        let probe = Arc::new(KasProbe::new(&settings.kas_url, &trust, deadline));
        ports.probes.insert(Dependency::Kas, probe);
    }
    if let Some(link) = redis(settings, &settings.redis, runtime)? {
        ports.probes.insert(Dependency::Redis, probe_of(&link));
        ports.decisions = Some(Arc::new(RedisDecisions(link)));
        ports.sealing_key = Some(sealing_key(&settings.cache_key_file)?);
    }
    if let Some(link) = redis(settings, &settings.blacklist_redis, runtime)? {
        ports.probes.insert(Dependency::BlacklistRedis, probe_of(&link));
        let most = settings.revocation.entries;
        ports.revocations = Some(Arc::new(RedisRevocations::new(link, most, Arc::clone(runtime))));
        ports.revocation_journal = Some(Arc::new(RevocationJournalFile::open(&settings.audit)?));
    }
    Ok(ports)
}

fn named(path: &Path, key: &'static str, about: &'static str) -> Result<(), ServeError> {
    if path.as_os_str().is_empty() { Err(ServeError::Missing { key, about }) } else { Ok(()) }
}

fn resources_file(settings: &Settings) -> Result<Arc<ResourcesFile>, ServeError> {
    named(&settings.files.resources, "files.resources", "the resources' metadata")?;
    Ok(Arc::new(ResourcesFile::open(&settings.files.resources)?))
}

fn redis(
    settings: &Settings,
    redis: &RedisSettings,
    runtime: &Arc<dyn Runtime>,
) -> Result<Option<Arc<dyn RedisLink>>, ServeError> {
    if redis.url.is_empty() {
        return Ok(None);
    }
    let path = &settings.tls.ca_file;
    let authorities = if path.as_os_str().is_empty() {
        None
    } else {
        let read = std::fs::read(path);
        Some(read.map_err(|source| FileError::Io { path: path.clone(), source })?)
    };
    Ok(Some(Arc::new(RedisClient::new(redis, authorities, Arc::clone(runtime))?)))
}

fn probe_of(link: &Arc<dyn RedisLink>) -> Arc<dyn Probe> {
    Arc::new(RedisProbe(Arc::clone(link)))
}

fn sealing_key(path: &Path) -> Result<SealingKey, ServeError> {
    let key = if path.as_os_str().is_empty() { SealingKey::random() } else { SealingKey::read(path) };
    Ok(key?)
}

/// The driver's pool, as the metrics count it.
struct Pool {
    pool: PoolView,
    most: u64,
}

impl ConnectionStats for Pool {
    fn connections(&self) -> Connections {
        let now = self.pool.snapshot();
        Connections { active: now.active as u64, idle: now.idle as u64, most: self.most }
    }
}
