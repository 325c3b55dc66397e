//! The official driver, bounded in time.

use std::future::IntoFuture as _;
use std::time::Duration;

use async_trait::async_trait;
use bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};

use super::commands::{CommandFailure, Commands};
use super::pool::{PoolError, PoolView};
use crate::settings::MongodbSettings;

/// How often the driver looks whether the server is there: as often as it lets itself be told.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// A connection that has been idle for this long is not used again.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no client for the store: {0}")]
pub struct DriverError(String);

/// A database reached through the official driver.
///
/// The driver's own time limits are shares of that of a command, and it tries nothing again: whether and when to
/// try again is decided in one place, and that is the caller's breaker.
#[derive(Clone, Debug)]
pub struct Driver {
    database: Database,
    checks: Database,
    pool: PoolView,
    timeout: Duration,
}

impl Driver {
    /// A client of the database that `settings` name. Connects to nothing yet.
    ///
    /// # Errors
    /// [`DriverError`] when the URL is not one of a single server.
    pub async fn new(settings: &MongodbSettings) -> Result<Self, DriverError> {
        // The URL may hold a password: no word of it goes into an error.
        let unread = |_| DriverError("the URL cannot be read".to_owned());
        let mut options = ClientOptions::parse(&settings.url).await.map_err(unread)?;
        if options.hosts.len() != 1 {
            return Err(DriverError("exactly one server must be named".to_owned()));
        }
        let pool = PoolView::default();
        let watching = pool.clone();
        options.app_name = Some("dive-node".to_owned());
        options.direct_connection = Some(true);
        options.server_selection_timeout = Some(settings.timeout / 2);
        options.connect_timeout = Some(settings.timeout / 4);
        options.heartbeat_freq = Some(HEARTBEAT);
        options.retry_reads = Some(false);
        options.retry_writes = Some(false);

        let mut checks = options.clone();
        checks.max_pool_size = Some(1);
        checks.max_idle_time = Some(AT_ONCE);
        options.max_pool_size = Some(settings.pool);
        options.cmap_event_handler = Some(EventHandler::callback(move |event| watching.on(&event)));

        let database = |options| {
            let client =
                Client::with_options(options).map_err(|error: Error| DriverError(error.to_string()))?;
            Ok(client.database(&settings.database))
        };
        Ok(Self { database: database(options)?, checks: database(checks)?, pool, timeout: settings.timeout })
    }

    /// A view of the connection pool.
    pub fn pool(&self) -> PoolView {
        self.pool.clone()
    }

    async fn within(&self, database: &Database, command: Document) -> Result<Document, CommandFailure> {
        let reply = Box::pin(database.run_command(command).into_future());
        match tokio::time::timeout(self.timeout, reply).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(self.failure(&error)),
            Err(_) => {
                self.pool.failed(PoolError::Timeout);
                Err(CommandFailure::Timeout(self.timeout))
            }
        }
    }

    fn failure(&self, error: &Error) -> CommandFailure {
        match &*error.kind {
            ErrorKind::Command(refused) => {
                CommandFailure::Refused { code: refused.code, message: refused.message.clone() }
            }
            ErrorKind::ServerSelection { message, .. } => {
                self.pool.failed(PoolError::Unavailable);
                CommandFailure::Unreachable(message.clone())
            }
            kind => CommandFailure::Unreachable(kind.to_string()),
        }
    }
}

#[async_trait]
impl Commands for Driver {
    async fn run(&self, command: Document) -> Result<Document, CommandFailure> {
        self.within(&self.database, command).await
    }

    async fn ping(&self) -> Result<(), CommandFailure> {
        self.within(&self.checks, doc! {"ping": 1}).await.map(drop)
    }
}
