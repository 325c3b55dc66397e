//! The stores that are measured, each to be connected to any number of times.

use std::sync::Once;

use dive_orchestrator::store::{Database, SqlStore};
use dive_orchestrator::{Stamp, Store};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

pub(crate) const SQLITE: &str = "SQLite";
pub(crate) const POSTGRES: &str = "PostgreSQL";
pub(crate) const MEMORY: &str = "in memory";

/// The URL of a database to be filled.
const URL: &str = "BENCH_POSTGRES";

static TOLD: Once = Once::new();

/// A kind of store, with a place for what it keeps.
pub(crate) enum Kind {
    Sqlite(TempDir),
    Postgres(String),
    Memory(Database),
}

impl Kind {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => SQLITE,
            Self::Postgres(_) => POSTGRES,
            Self::Memory(_) => MEMORY,
        }
    }

    /// A client of its own.
    pub(crate) fn connect(&self) -> Box<dyn Store> {
        match self {
            Self::Sqlite(folder) => Box::new(SqlStore::sqlite(&folder.path().join("db"))),
            Self::Postgres(url) => Box::new(SqlStore::postgres(url).expect("a URL of PostgreSQL")),
            Self::Memory(database) => Box::new(database.connect()),
        }
    }
}

/// All that can be had here. The quickest is the last: by the first, criterion chooses how often to measure.
pub(crate) fn kinds() -> Vec<Kind> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut kinds = vec![Kind::Sqlite(folder)];
    if benches::measuring() {
        match std::env::var(URL) {
            Ok(url) => kinds.push(Kind::Postgres(url)),
            Err(_) => TOLD.call_once(|| println!("NOT MEASURED: PostgreSQL, as {URL} names no database")),
        }
    }
    kinds.push(Kind::Memory(Database::new(|| Stamp::from_millis(1))));
    kinds
}

/// One for each client: nothing of another's runs in between.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
