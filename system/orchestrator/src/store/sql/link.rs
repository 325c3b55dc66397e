//! A connection, and the session on it.

use sqlx::{AnyConnection, ConnectOptions, Executor};

use super::dialect::{Dialect, NAMESPACE};
use super::failure::{of, unreadable};
use super::session::{self, SessionFile};
use super::transaction::{Transaction, number};
use super::{SqlStore, schema};
use crate::SessionId;
use crate::store::{Answer, StoreError};

/// A connection. The locks taken on it last as long as it does.
pub(super) struct Link {
    pub(super) connection: AnyConnection,
    /// What others see of it, once it took a lock.
    session: Option<Session>,
}

struct Session {
    id: SessionId,
    _file: Option<SessionFile>,
}

/// What a connection must find.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// Exactly the schema this program knows.
    Known,
    /// Any that this program can bring up to it.
    KnownOrOlder,
}

impl SqlStore {
    /// Connects, sets the connection up, and looks at the schema.
    async fn connect(&self) -> Answer<Link> {
        sqlx::any::install_default_drivers();
        let mut connection = self.options.connect().await.map_err(|error| of(&error))?;
        for setting in self.dialect().settings() {
            connection.execute(*setting).await.map_err(|error| of(&error))?;
        }
        Ok(Link { connection, session: None })
    }

    /// Begins a transaction with `begin`, on the connection that stands or on a new one. A connection that
    /// turns out to be broken is replaced: nothing was done on it yet.
    pub(super) async fn begin(&self, begin: &'static str, schema: Schema) -> Answer<Transaction<'_>> {
        let mut place = self.link.lock().await;
        if let Some(mut link) = place.take() {
            match link.connection.execute(begin).await {
                Ok(_) => return Ok(Transaction::new(self, link, place)),
                // It was too busy; the connection and its locks are as they were.
                Err(error) if self.dialect() == Dialect::Sqlite => {
                    *place = Some(link);
                    return Err(of(&error));
                }
                Err(_) => drop(link),
            }
        }
        let mut link = self.connect().await?;
        let found = link.version(self.dialect()).await?;
        if found > schema::KNOWN {
            return Err(StoreError::NewerSchema { found, known: schema::KNOWN });
        }
        if found < schema::KNOWN && schema == Schema::Known {
            return Err(StoreError::OlderSchema { found, known: schema::KNOWN });
        }
        link.connection.execute(begin).await.map_err(|error| of(&error))?;
        Ok(Transaction::new(self, link, place))
    }
}

impl SqlStore {
    /// Whether the client that has this session still lives: of a lock's holder, whether the lock lasts. It changes
    /// nothing; who only watches a SQLite database does not even open it.
    ///
    /// # Errors
    /// When that can't be told.
    pub async fn session_lasts(&self, session: SessionId) -> Answer<bool> {
        if let Some(database) = self.file() {
            let lasts = session::lasts(database, session);
            return lasts.map_err(|error| StoreError::Unavailable { why: error.to_string() });
        }
        self.in_time(self.patience, async {
            let mut reading = self.begin(self.dialect().begin_reading(), Schema::Known).await?;
            let alive = reading.is_alive(session).await;
            reading.end(alive).await
        })
        .await
    }
}

impl Link {
    /// The version of the schema; 0 when there is none.
    async fn version(&mut self, dialect: Dialect) -> Answer<u32> {
        let tables = sqlx::query(dialect.tables_named()).bind(schema::VERSIONS);
        let tables = tables.fetch_one(&mut self.connection).await.map_err(|error| of(&error))?;
        if number(&tables, schema::VERSIONS, 0)? == 0 {
            return Ok(0);
        }
        let newest = sqlx::query("select coalesce(max(version), 0) from schema_versions");
        let newest = newest.fetch_one(&mut self.connection).await.map_err(|error| of(&error))?;
        let newest = number(&newest, schema::VERSIONS, 0)?;
        u32::try_from(newest).map_err(|error| unreadable(schema::VERSIONS, error))
    }
}

impl Transaction<'_> {
    /// The session of this connection, if it has begun.
    pub(super) fn session(&self) -> Option<SessionId> {
        self.link.session.as_ref().map(|session| session.id)
    }

    /// Begins the session of this connection, if it has none. Done in a transaction of its own: were its number
    /// undone with something else, another client would be given it, too.
    pub(super) async fn begin_session(&mut self) -> Answer<()> {
        if self.link.session.is_some() {
            return Ok(());
        }
        let issued = sqlx::query("update sessions set issued = issued + 1 returning issued");
        let id = SessionId(self.number(issued).await?);
        let mut file = None;
        if let Some(database) = self.store.file() {
            let begun = SessionFile::create(database, id);
            file = Some(begun.map_err(|error| StoreError::Unavailable { why: error.to_string() })?);
        } else {
            let lock = format!("select count(*) from (select pg_advisory_lock({NAMESPACE}, {})) l", id.0);
            self.number(sqlx::query(&lock)).await?;
        }
        self.link.session = Some(Session { id, _file: file });
        Ok(())
    }

    /// Whether the client with this session still has its connection.
    pub(super) async fn is_alive(&mut self, session: SessionId) -> Answer<bool> {
        if let Some(database) = self.store.file() {
            let held = SessionFile::is_held(database, session);
            return held.map_err(|error| StoreError::Unavailable { why: error.to_string() });
        }
        let held = format!(
            "select count(*) from pg_locks where locktype = 'advisory' and granted and objsubid = 2 \
             and classid::bigint = {NAMESPACE} and objid::bigint = {} \
             and database = (select oid from pg_database where datname = current_database())",
            session.0
        );
        Ok(self.number(sqlx::query(&held)).await? > 0)
    }

    /// Brings the schema up to the version this program knows.
    pub(super) async fn migrate(&mut self) -> Answer<()> {
        let dialect = self.dialect();
        for lock in dialect.lock_schema() {
            self.execute(sqlx::query(&lock)).await?;
        }
        // Others may have got here first.
        let found = self.link.version(dialect).await?;
        if found == 0 {
            let versions = "create table if not exists schema_versions (version bigint primary key)";
            self.execute(sqlx::query(versions)).await?;
        }
        for statement in schema::steps(dialect, found) {
            self.execute(sqlx::query(&statement)).await?;
        }
        for version in found + 1..=schema::KNOWN {
            let insert = sqlx::query("insert into schema_versions (version) values ($1)");
            self.execute(insert.bind(i64::from(version))).await?;
        }
        Ok(())
    }
}
