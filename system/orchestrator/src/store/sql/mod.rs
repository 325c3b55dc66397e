//! The store in a database: a SQLite file for one machine, PostgreSQL for many.
//!
//! A client is one connection. It is made when it is first needed and again when it was lost; what was locked
//! through the lost one is free then. Each method is one transaction on it:
//!
//! ```text
//! begin ─▶ lock the instance's row ─▶ does its holder's session last? ─▶ ask the clock ─▶ step the pure type
//!                                                                              commit ◀─ write it back ◀─┘
//! ```
//!
//! The row is locked until the commit, so that no contender takes the lock over between a writer's check and
//! its write. Whoever falls silent in between is thrown out by the database long before its lease is over.
//!
//! | where | what |
//! |---|---|
//! | `dialect` | where the two databases differ |
//! | `schema` | the tables, and their versions |
//! | `link`, `session` | connecting, and how others tell that a client lives |
//! | `transaction`, `failure` | one transaction; what a database's error means |
//! | `locks`, `log`, `made`, `shared` | the transactions: locks, states and phases, what was made, what all share |
//! | `operations` | the trait's methods, each one transaction |

mod dialect;
mod failure;
mod link;
mod locks;
mod log;
mod made;
mod operations;
mod schema;
mod session;
mod shared;
mod transaction;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::Mutex;

use self::dialect::Dialect;
use self::link::Link;
use super::{Answer, StoreError};
use crate::Stamp;

/// How long a call may take, connecting included, before the store counts as away. Less than a lease, so that
/// a holder that can't renew knows before others may take over.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// The same for a migration, which waits for others'.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(60);

/// What the database lists its clients by.
const APPLICATION_NAME: &str = "application_name";

/// One client of a SQLite file or of a PostgreSQL database. Dropping it ends its session, and with it the locks
/// it took.
///
/// Over PostgreSQL it needs a connection of its own: a pooler that hands connections to others between two
/// transactions ends sessions that should last.
pub struct SqlStore {
    options: AnyConnectOptions,
    /// The SQLite file.
    file: Option<PathBuf>,
    link: Mutex<Option<Link>>,
    clock: Option<Box<dyn Fn() -> Stamp + Send + Sync>>,
    patience: Duration,
}

impl SqlStore {
    /// A client of the SQLite database in `file`. The file is made by the first call, its directory is not.
    pub fn sqlite(file: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let options = AnyConnectOptions::from_url(&options.to_url_lossy());
        Self::new(options.expect("the driver's own URL is one"), Some(file.to_owned()))
    }

    /// A client of the PostgreSQL database at `url`: `postgres://user:password@host:port/database`, and after a
    /// `?` what libpq takes, such as `sslmode=verify-full`. Nothing is connected before the first call.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when `url` is none. It never repeats the URL.
    pub fn postgres(url: &str) -> Answer<Self> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(StoreError::Unavailable { why: "its URL must begin with postgres://".to_owned() });
        }
        url.parse::<PgConnectOptions>().map_err(|error| failure::of(&error))?;
        let mut options: AnyConnectOptions = url.parse().map_err(|error| failure::of(&error))?;
        if !options.database_url.query_pairs().any(|(key, _)| key == APPLICATION_NAME) {
            options.database_url.query_pairs_mut().append_pair(APPLICATION_NAME, "dive-orchestrator");
        }
        Ok(Self::new(options, None))
    }

    fn new(options: AnyConnectOptions, file: Option<PathBuf>) -> Self {
        let options = options.disable_statement_logging();
        Self { options, file, link: Mutex::default(), clock: None, patience: PATIENCE }
    }

    /// Takes the time from `clock`, and not from the database: for worlds with a time of their own. All clients
    /// of a database must share it.
    #[must_use]
    pub fn clocked_by(mut self, clock: impl Fn() -> Stamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// Gives a call this long instead of [`PATIENCE`].
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn dialect(&self) -> Dialect {
        if self.file.is_some() { Dialect::Sqlite } else { Dialect::Postgres }
    }

    fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// A call is answered within its time, or the store is away.
    async fn in_time<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Answer<T>> + Send,
    ) -> Answer<T> {
        match tokio::time::timeout(patience, call).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unavailable { why: format!("it did not answer within {patience:?}") }),
        }
    }
}

impl fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not its URL: there is a password in it.
        f.debug_struct("SqlStore").field("dialect", &self.dialect()).finish_non_exhaustive()
    }
}
