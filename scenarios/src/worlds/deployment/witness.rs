//! What the database and the machine tell, in the order in which it happened.
//!
//! The database tells by triggers, within the transaction that they tell of: what was committed is told, whatever
//! became of who wrote it, and nothing else is. The machine adds to the same table of the same SQLite file.
//!
//! A server may be away while the machine has something to tell. So beside PostgreSQL the machine tells in a file of its
//! own, and both are put in one order by their times, which are of one clock. Nothing is handed on before the instant at
//! which both were begun to be read: what caused it was committed before it was dated, and has been read, too.

use std::io;
use std::time::Duration;

use harness_core::event::What;
use jiff::Timestamp;
use sqlx::any::{AnyConnectOptions, AnyRow};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Executor as _, Row as _};
use tokio::time::timeout;

use super::cursor::Cursor;
use super::stage::Database;
use super::triggers::Dialect;

/// How long a database may take to say what was told.
const ANSWER: Duration = Duration::from_secs(2);

/// How what the machine told is called.
pub(in crate::worlds) const TOLD: &str = "told";
/// How it is called that a process is one of a host, by its pid.
pub(in crate::worlds) const PROCESS: &str = "process";

/// One thing that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::worlds) struct Witnessed {
    /// When, in real milliseconds since 1970.
    pub(in crate::worlds) at: i64,
    /// What kind of thing.
    pub(in crate::worlds) kind: String,
    /// Of which instance; of which host, for a process.
    pub(in crate::worlds) instance: String,
    /// What was before.
    pub(in crate::worlds) before: Option<String>,
    /// What is now.
    pub(in crate::worlds) after: Option<String>,
}

/// Who reads the tables, and adds to them.
pub(in crate::worlds) struct Witness {
    /// To which others add.
    told: Table,
    /// Of the server, where there is one.
    server: Option<Table>,
    /// What was read of both, and is not in order yet; with when it was, in real microseconds since 1970.
    held: Vec<(i64, Witnessed)>,
}

impl Witness {
    /// One that has read nothing yet.
    pub(in crate::worlds) fn of(database: &Database) -> Self {
        sqlx::any::install_default_drivers();
        let file = SqliteConnectOptions::new().filename(database.told()).create_if_missing(true);
        let server = match database {
            Database::Sqlite(_) => None,
            Database::Postgres { url, .. } => {
                let options = url.parse().expect("the run's own URL is one");
                Some(Table::new(Dialect::Postgres, options))
            }
        };
        let file = AnyConnectOptions::from_url(&file.to_url_lossy()).expect("the driver's own URL is one");
        Self { told: Table::new(Dialect::Sqlite, file), server, held: Vec::new() }
    }

    /// From here on, the database tells what happens to it.
    pub(in crate::worlds) async fn install(&mut self) -> io::Result<()> {
        self.told.make().await?;
        let database = match &mut self.server {
            Some(server) => {
                server.make().await?;
                server
            }
            None => &mut self.told,
        };
        database.watch().await
    }

    /// Adds what somebody else tells.
    pub(in crate::worlds) async fn tell(&mut self, told: &[What]) -> io::Result<()> {
        let told = told.iter().map(|what| Ok((String::new(), serde_json::to_string(what)?)));
        self.told.add(TOLD, told.collect::<io::Result<Vec<_>>>()?).await
    }

    /// Adds that a process is one of `host`, whatever it calls itself.
    pub(in crate::worlds) async fn tell_process(&mut self, host: &str, pid: u32) -> io::Result<()> {
        self.told.add(PROCESS, vec![(host.to_owned(), pid.to_string())]).await
    }

    /// What was told since this was asked last, in order.
    ///
    /// # Errors
    /// When a database does not say it in time. What the other said is kept until both do.
    pub(in crate::worlds) async fn read(&mut self) -> io::Result<Vec<Witnessed>> {
        let Some(server) = &mut self.server else {
            let told = self.told.read().await?;
            return Ok(told.into_iter().map(|(_, witnessed)| witnessed).collect());
        };
        let until = now_micros();
        self.held.extend(self.told.read().await?);
        self.held.extend(server.read().await?);
        self.held.sort_by_key(|(at, _)| *at);
        let in_order = self.held.partition_point(|(at, _)| *at <= until);
        Ok(self.held.drain(..in_order).map(|(_, witnessed)| witnessed).collect())
    }
}

/// A table in one of the databases.
struct Table {
    dialect: Dialect,
    options: AnyConnectOptions,
    connection: Option<AnyConnection>,
    cursor: Cursor,
}

impl Table {
    fn new(dialect: Dialect, options: AnyConnectOptions) -> Self {
        let options = options.disable_statement_logging();
        Self { dialect, options, connection: None, cursor: Cursor::default() }
    }

    /// Takes the connection that stands, or a new one. Who is done with it puts it back; one that was given up on the
    /// way is gone.
    async fn connection(&mut self) -> io::Result<AnyConnection> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = self.options.connect().await.map_err(io::Error::other)?;
        for setting in self.dialect.settings() {
            connection.execute(*setting).await.map_err(io::Error::other)?;
        }
        Ok(connection)
    }

    async fn execute(&mut self, statements: &str) -> io::Result<()> {
        let mut connection = self.connection().await?;
        connection.execute(statements).await.map_err(io::Error::other)?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn make(&mut self) -> io::Result<()> {
        self.execute(&self.dialect.table()).await
    }

    async fn watch(&mut self) -> io::Result<()> {
        self.execute(&self.dialect.triggers()).await
    }

    /// Adds rows, each of an instance, all of one kind.
    async fn add(&mut self, kind: &'static str, rows: Vec<(String, String)>) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let at = now_micros();
        let mut connection = self.connection().await?;
        let mut all = connection.begin().await.map_err(io::Error::other)?;
        for (instance, after) in rows {
            let insert =
                sqlx::query("insert into witnessed (at, kind, instance, after) values ($1, $2, $3, $4)");
            let insert = insert.bind(at).bind(kind).bind(instance).bind(after);
            insert.execute(&mut *all).await.map_err(io::Error::other)?;
        }
        all.commit().await.map_err(io::Error::other)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// What is new, with when it was.
    async fn read(&mut self) -> io::Result<Vec<(i64, Witnessed)>> {
        let rows = timeout(ANSWER, async {
            let mut connection = self.connection().await?;
            let new = sqlx::query(
                "select seq, at, kind, instance, before, after from witnessed where seq > $1 order by seq",
            );
            let new = new.bind(self.cursor.floor()).fetch_all(&mut connection).await;
            let new = new.map_err(io::Error::other)?;
            self.connection = Some(connection);
            Ok::<_, io::Error>(new)
        });
        let rows = rows.await.map_err(|_| io::Error::other("it does not answer"))??;
        let mut new = Vec::new();
        for row in &rows {
            let (seq, at, witnessed) = witnessed(row).map_err(io::Error::other)?;
            if self.cursor.is_new(seq, at) {
                new.push((at, witnessed));
            }
        }
        Ok(new)
    }
}

fn witnessed(row: &AnyRow) -> sqlx::Result<(i64, i64, Witnessed)> {
    let at: i64 = row.try_get(1)?;
    let witnessed = Witnessed {
        at: at / 1_000,
        kind: row.try_get(2)?,
        instance: row.try_get(3)?,
        before: row.try_get(4)?,
        after: row.try_get(5)?,
    };
    Ok((row.try_get(0)?, at, witnessed))
}

/// Real microseconds since 1970.
fn now_micros() -> i64 {
    Timestamp::now().as_microsecond()
}
