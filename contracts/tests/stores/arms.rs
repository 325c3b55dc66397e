//! The stores under contract, each with the ways to break it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dive_orchestrator::store::{Database, SqlStore};
use dive_orchestrator::{Stamp, Store};
use sqlx::{Connection, PgConnection, Row};

/// A clock that only its owner moves.
pub(crate) type Hands = Arc<AtomicU64>;

fn clock(hands: &Hands) -> impl Fn() -> Stamp + Send + Sync + 'static {
    let hands = Arc::clone(hands);
    move || Stamp::from_millis(hands.load(Ordering::Relaxed))
}

/// One client, and what the database lists it by.
pub(crate) struct Client {
    pub(crate) store: Box<dyn Store>,
    name: String,
}

impl Client {
    pub(crate) fn new(store: impl Store + 'static) -> Self {
        Self { store: Box::new(store), name: String::new() }
    }

    /// A client with the database's own clock, listed by this name.
    pub(crate) fn of_postgres(url: &str, name: String) -> Self {
        let store = SqlStore::postgres(&format!("{url}?application_name={name}")).unwrap();
        Self { store: Box::new(store), name }
    }

    /// Ends it as a crash would, and waits until PostgreSQL has noticed.
    pub(crate) async fn crash_at(self, server: String) {
        drop(self.store);
        let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
        gone(&mut admin, None, Some(&self.name)).await;
    }
}

/// Waits until no connections to this database (or any), of this name (or any), are left.
async fn gone(admin: &mut PgConnection, database: Option<&str>, name: Option<&str>) {
    let waiting = async {
        loop {
            let left = "select count(*) from pg_stat_activity where pid <> pg_backend_pid() \
                and ($1 is null or datname = $1) and ($2 is null or application_name = $2)";
            let left = sqlx::query(left).bind(database).bind(name);
            if left.fetch_one(&mut *admin).await.unwrap().get::<i64, _>(0) == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("the server notices");
}

/// A database that is made empty for each history.
#[async_trait(?Send)]
pub(crate) trait Arm {
    /// Empties it.
    async fn empty(&mut self);
    /// A new client; its time is that of `hands`.
    fn connect(&mut self, hands: &Hands) -> Client;
    /// The client dies. Done when the database has noticed.
    async fn crash(&mut self, client: Client);
    /// All connections break, and none is made.
    async fn go_away(&mut self, clients: &mut Vec<Client>, hands: &Hands);
    /// It is there again.
    async fn come_back(&mut self);
}

/// The store in memory.
#[derive(Default)]
pub(crate) struct Memory(Option<Database>);

#[async_trait(?Send)]
impl Arm for Memory {
    async fn empty(&mut self) {
        self.0 = None;
    }

    fn connect(&mut self, hands: &Hands) -> Client {
        let database = self.0.get_or_insert_with(|| Database::new(clock(hands)));
        Client::new(database.connect())
    }

    async fn crash(&mut self, client: Client) {
        drop(client);
    }

    async fn go_away(&mut self, _: &mut Vec<Client>, _: &Hands) {
        self.0.iter().for_each(|database| database.go_away("cut"));
    }

    async fn come_back(&mut self) {
        self.0.iter().for_each(Database::come_back);
    }
}

/// A SQLite file in a directory that can be moved out of the way.
pub(crate) struct Sqlite {
    dir: tempfile::TempDir,
    emptied: u64,
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), emptied: 0 }
    }

    fn place(&self) -> PathBuf {
        self.dir.path().join(self.emptied.to_string())
    }
}

#[async_trait(?Send)]
impl Arm for Sqlite {
    async fn empty(&mut self) {
        self.emptied += 1;
        std::fs::create_dir(self.place()).unwrap();
        SqlStore::sqlite(&self.place().join("db")).migrate().await.unwrap();
    }

    fn connect(&mut self, hands: &Hands) -> Client {
        Client::new(SqlStore::sqlite(&self.place().join("db")).clocked_by(clock(hands)))
    }

    async fn crash(&mut self, client: Client) {
        drop(client);
    }

    async fn go_away(&mut self, clients: &mut Vec<Client>, hands: &Hands) {
        let count = clients.len();
        clients.clear();
        std::fs::rename(self.place(), self.place().with_extension("away")).unwrap();
        clients.extend((0..count).map(|_| self.connect(hands)));
    }

    async fn come_back(&mut self) {
        std::fs::rename(self.place().with_extension("away"), self.place()).unwrap();
    }
}

/// A database of a PostgreSQL server, of which the suite is superuser.
pub(crate) struct Postgres {
    server: String,
    database: String,
    admin: PgConnection,
    connected: u64,
}

impl Postgres {
    /// Makes the database `name` on the server at `server`: a URL without a path.
    pub(crate) async fn create(server: &str, name: &str) -> Self {
        let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
        for statement in
            [format!("drop database if exists {name} with (force)"), format!("create database {name}")]
        {
            sqlx::query(&statement).execute(&mut admin).await.unwrap();
        }
        Self { server: server.to_owned(), database: name.to_owned(), admin, connected: 0 }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/{}", self.server, self.database)
    }

    pub(crate) fn store(&self) -> SqlStore {
        SqlStore::postgres(&self.url()).unwrap()
    }

    /// Executes statements in the database.
    pub(crate) async fn execute(&mut self, statements: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.unwrap();
        for statement in statements.split(';') {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    async fn allow(&mut self, allowed: bool) {
        let statement = format!("alter database {} with allow_connections {allowed}", self.database);
        sqlx::query(&statement).execute(&mut self.admin).await.unwrap();
    }

    /// Ends all connections there are.
    pub(crate) async fn terminate(&mut self) {
        let all = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
        sqlx::query(all).bind(&self.database).execute(&mut self.admin).await.unwrap();
    }

    pub(crate) async fn remove(mut self) {
        let drop = format!("drop database {} with (force)", self.database);
        sqlx::query(&drop).execute(&mut self.admin).await.unwrap();
    }
}

#[async_trait(?Send)]
impl Arm for Postgres {
    async fn empty(&mut self) {
        self.allow(true).await;
        self.terminate().await;
        gone(&mut self.admin, Some(&self.database), None).await;
        self.execute("drop schema public cascade; create schema public").await;
        self.store().migrate().await.unwrap();
    }

    fn connect(&mut self, hands: &Hands) -> Client {
        self.connected += 1;
        let name = format!("client-{}", self.connected);
        let url = format!("{}?application_name={name}", self.url());
        let store = SqlStore::postgres(&url).unwrap().clocked_by(clock(hands));
        Client { store: Box::new(store), name }
    }

    async fn crash(&mut self, client: Client) {
        drop(client.store);
        gone(&mut self.admin, Some(&self.database), Some(&client.name)).await;
    }

    async fn go_away(&mut self, _: &mut Vec<Client>, _: &Hands) {
        self.allow(false).await;
        self.terminate().await;
        gone(&mut self.admin, Some(&self.database), None).await;
    }

    async fn come_back(&mut self) {
        self.allow(true).await;
    }
}
