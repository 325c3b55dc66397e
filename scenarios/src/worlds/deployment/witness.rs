//! What the database and the machine tell, in the order in which it happened.
//!
//! The database tells by triggers, within the transaction that they tell of: what was committed is told, whatever
//! became of who wrote it, and nothing else is. The machine adds to the same table.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_core::event::What;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

/// How long somebody may wait for another's write.
const BUSY: Duration = Duration::from_secs(10);

/// The table and the triggers. Times are real milliseconds since 1970.
const TRIGGERS: &str = "
create table if not exists witnessed (
  seq integer primary key autoincrement,
  at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
  kind text not null,
  instance text not null default '',
  before text,
  after text
);
create trigger if not exists witness_first_lock after insert on deployment_locks when new.held is not null begin
  insert into witnessed (kind, instance, after) values ('lock', new.instance, new.held);
end;
create trigger if not exists witness_lock after update of held on deployment_locks
when old.held is not new.held begin
  insert into witnessed (kind, instance, before, after) values ('lock', new.instance, old.held, new.held);
end;
create trigger if not exists witness_state after insert on state_transitions begin
  insert into witnessed (kind, instance, after) values ('state', new.instance,
    json_object('seq', new.seq, 'from', new.from_state, 'to', new.to_state, 'at', new.at, 'token', new.token,
      'why', new.why));
end;
create trigger if not exists witness_phase after insert on deployment_steps begin
  insert into witnessed (kind, instance, after) values ('phase-began', new.instance, new.phase);
end;
create trigger if not exists witness_phase_end after update of ended on deployment_steps
when new.failure is null begin
  insert into witnessed (kind, instance, before, after)
  values ('phase-done', new.instance, new.phase, new.ended - new.began);
end;
create trigger if not exists witness_intent after insert on intents begin
  insert into witnessed (kind, instance, after) values ('written', new.instance, new.resource);
end;
create trigger if not exists witness_undone after delete on intents begin
  insert into witnessed (kind, instance, before) values ('struck-out', old.instance, old.resource);
end;
create trigger if not exists witness_error after insert on orchestration_errors begin
  insert into witnessed (kind, instance, after) values ('error', new.instance, new.error);
end;
";

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

/// A connection to the table.
pub(in crate::worlds) struct Witness {
    database: PathBuf,
    connection: Option<SqliteConnection>,
    read: i64,
}

impl Witness {
    /// One that has read nothing yet.
    pub(in crate::worlds) fn of(database: &Path) -> Self {
        Self { database: database.to_owned(), connection: None, read: 0 }
    }

    async fn connection(&mut self) -> io::Result<&mut SqliteConnection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => SqliteConnectOptions::new()
                .filename(&self.database)
                .busy_timeout(BUSY)
                // What is told is of no use after a power cut.
                .synchronous(SqliteSynchronous::Off)
                .disable_statement_logging()
                .connect()
                .await
                .map_err(io::Error::other)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// From here on, the database tells what happens to it.
    pub(in crate::worlds) async fn install(&mut self) -> io::Result<()> {
        let made = sqlx::raw_sql(TRIGGERS).execute(self.connection().await?).await;
        made.map(drop).map_err(io::Error::other)
    }

    /// Adds what somebody else tells.
    pub(in crate::worlds) async fn tell(&mut self, told: &[What]) -> io::Result<()> {
        if told.is_empty() {
            return Ok(());
        }
        let mut all = self.connection().await?.begin().await.map_err(io::Error::other)?;
        for what in told {
            let insert = sqlx::query("insert into witnessed (kind, after) values ($1, $2)");
            let insert = insert.bind(TOLD).bind(serde_json::to_string(what)?);
            insert.execute(&mut *all).await.map_err(io::Error::other)?;
        }
        all.commit().await.map_err(io::Error::other)
    }

    /// Adds that a process is one of `host`, whatever it calls itself.
    pub(in crate::worlds) async fn tell_process(&mut self, host: &str, pid: u32) -> io::Result<()> {
        let insert = sqlx::query("insert into witnessed (kind, instance, after) values ($1, $2, $3)");
        let insert = insert.bind(PROCESS).bind(host).bind(pid.to_string());
        insert.execute(self.connection().await?).await.map(drop).map_err(io::Error::other)
    }

    /// What was told since this was asked last, in order.
    pub(in crate::worlds) async fn read(&mut self) -> io::Result<Vec<Witnessed>> {
        let read = self.read;
        let rows = sqlx::query(
            "select seq, at, kind, instance, before, after from witnessed where seq > $1 order by seq",
        );
        let rows = rows.bind(read).fetch_all(self.connection().await?).await.map_err(io::Error::other)?;
        let mut witnessed = Vec::new();
        for row in &rows {
            let one = (|| {
                self.read = row.try_get(0)?;
                Ok::<_, sqlx::Error>(Witnessed {
                    at: row.try_get(1)?,
                    kind: row.try_get(2)?,
                    instance: row.try_get(3)?,
                    before: row.try_get(4)?,
                    after: row.try_get(5)?,
                })
            })();
            witnessed.push(one.map_err(io::Error::other)?);
        }
        Ok(witnessed)
    }
}
