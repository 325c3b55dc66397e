//! Somebody is at a database by hand, past the store: to change a row, and to look whether its schema is as it must be.

use std::io;

use dive_orchestrator::store::Store as _;
use dive_orchestrator::{Instance, Phase};
use sqlx::any::AnyConnectOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Executor as _, Row as _};

use crate::binding::deployment::orders::{Base, Deed};
use crate::worlds::deployment::stage::{Database, Stage};

/// What the new database is called.
const NEW: &str = "new";
/// Written before a state, so that it is none.
const DAMAGE: &str = "no ";

/// Does it. Whether it could be done; of an inspection, whether all is as it must be, and if not, what differs.
pub(super) async fn done(stage: &Stage, deed: Deed, instance: &Instance) -> io::Result<Result<(), String>> {
    let database = &stage.database;
    match deed {
        Deed::DamageCheckpoint => damage_checkpoint(database, instance).await,
        Deed::DamageState => {
            let damage = format!("set to_state = '{DAMAGE}' || to_state");
            change_state(database, instance, &damage).await
        }
        Deed::MendState => {
            let mend = format!("set to_state = replace(to_state, '{DAMAGE}', '')");
            change_state(database, instance, &mend).await
        }
        Deed::Make => make(database, NEW).await.map(Ok),
        Deed::Age => age(database).await.map(Ok),
        Deed::Inspect(base) => inspect(&of(stage, base)).await,
    }
}

/// The same run, with that database.
pub(super) fn of(stage: &Stage, base: Base) -> Stage {
    match base {
        Base::Orchestration => stage.clone(),
        Base::New => beside(stage, NEW),
    }
}

fn beside(stage: &Stage, name: &str) -> Stage {
    let database = match &stage.database {
        Database::Sqlite(file) => Database::Sqlite(file.with_file_name(format!("{name}.db"))),
        Database::Postgres { url, told } => Database::Postgres {
            url: server(url).database(name).to_url_lossy().to_string(),
            told: told.clone(),
        },
    };
    Stage { database, ..stage.clone() }
}

fn server(url: &str) -> PgConnectOptions {
    url.parse().expect("the run's own URL is one")
}

async fn connect(database: &Database) -> sqlx::Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    let url = match database {
        Database::Sqlite(file) => SqliteConnectOptions::new().filename(file).to_url_lossy(),
        Database::Postgres { url, .. } => server(url).to_url_lossy(),
    };
    AnyConnectOptions::from_url(&url)?.disable_statement_logging().connect().await
}

async fn damage_checkpoint(database: &Database, instance: &Instance) -> io::Result<Result<(), String>> {
    let mut connection = connect(database).await.map_err(io::Error::other)?;
    let damage = "update checkpoints set checkpoint = replace(checkpoint, '\"digest\":\"', '\"digest\":\"0') \
                  where instance = $1 and phase = $2";
    for phase in Phase::ALL.into_iter().rev() {
        let damage = sqlx::query(damage).bind(instance.to_string()).bind(phase.to_string());
        if damage.execute(&mut connection).await.map_err(io::Error::other)?.rows_affected() > 0 {
            return Ok(Ok(()));
        }
    }
    Ok(Err(format!("{instance} has no checkpoint")))
}

async fn change_state(database: &Database, instance: &Instance, set: &str) -> io::Result<Result<(), String>> {
    let mut connection = connect(database).await.map_err(io::Error::other)?;
    let change = format!(
        "update state_transitions {set} where instance = $1 \
         and seq = (select max(seq) from state_transitions where instance = $1)"
    );
    let change = sqlx::query(&change).bind(instance.to_string());
    let changed = change.execute(&mut connection).await.map_err(io::Error::other)?.rows_affected();
    Ok(if changed == 1 { Ok(()) } else { Err(format!("{instance} has no state")) })
}

/// Makes a database beside it. A SQLite file is made by whoever is first to write to it.
async fn make(database: &Database, name: &str) -> io::Result<()> {
    if let Database::Postgres { .. } = database {
        let mut connection = connect(database).await.map_err(io::Error::other)?;
        let make = format!("create database {name}");
        connection.execute(make.as_str()).await.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Takes back what the second step made of the first.
async fn age(database: &Database) -> io::Result<()> {
    let mut connection = connect(database).await.map_err(io::Error::other)?;
    let mut all = connection.begin().await.map_err(io::Error::other)?;
    for statement in [
        "alter table orchestration_metrics drop column instance",
        "delete from schema_versions where version > 1",
    ] {
        all.execute(statement).await.map_err(io::Error::other)?;
    }
    all.commit().await.map_err(io::Error::other)
}

/// Whether its schema is what one alone makes of an empty database.
async fn inspect(stage: &Stage) -> io::Result<Result<(), String>> {
    let name = format!("model_{}", std::process::id());
    make(&stage.database, &name).await?;
    let model = beside(stage, &name);
    model.connect().migrate().await.map_err(io::Error::other)?;
    let (must, is) = (schema(&model.database).await?, schema(&stage.database).await?);
    let missing = must.iter().filter(|line| !is.contains(line)).map(|line| format!("- {line}"));
    let strange = is.iter().filter(|line| !must.contains(line)).map(|line| format!("+ {line}"));
    let differs: Vec<String> = missing.chain(strange).collect();
    Ok(if must == is { Ok(()) } else { Err(format!("its schema is another:\n{}", differs.join("\n"))) })
}

/// Every column, every index and every version that was come to, but for what tells what happens; in order.
async fn schema(database: &Database) -> io::Result<Vec<String>> {
    let queries = match database {
        // Looking must not make it.
        Database::Sqlite(file) if !file.exists() => return Ok(Vec::new()),
        Database::Sqlite(_) => [
            "select t.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk as line \
                 from sqlite_master t join pragma_table_info(t.name) c \
                 where t.name <> 'witnessed' and t.name not like 'sqlite%'",
            "select t.name || ' ' || i.name || ' ' || i.\"unique\" as line \
                 from sqlite_master t join pragma_index_list(t.name) i where t.type = 'table' and t.name <> 'witnessed'",
        ],
        Database::Postgres { .. } => [
            "select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || is_identity \
                 as line from information_schema.columns \
                 where table_schema = current_schema() and table_name <> 'witnessed'",
            "select indexdef as line from pg_indexes \
                 where schemaname = current_schema() and tablename <> 'witnessed'",
        ],
    };
    let mut connection = connect(database).await.map_err(io::Error::other)?;
    let mut lines = Vec::new();
    for query in queries {
        let query = format!("select cast(line as text) from ({query}) l");
        for row in connection.fetch_all(query.as_str()).await.map_err(io::Error::other)? {
            lines.push(row.try_get::<String, _>(0).map_err(io::Error::other)?);
        }
    }
    if lines.iter().any(|line| line.starts_with("schema_versions.")) {
        let versions = "select version from schema_versions";
        for row in connection.fetch_all(versions).await.map_err(io::Error::other)? {
            lines.push(format!("version {}", row.try_get::<i64, _>(0).map_err(io::Error::other)?));
        }
    }
    lines.sort_unstable();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use dive_orchestrator::{DeploymentState, Holder, StoreError};

    use super::*;
    use crate::worlds::deployment::stage::Means;

    fn stage(folder: &Path) -> Stage {
        Stage {
            program: PathBuf::new(),
            database: Database::Sqlite(folder.join("db")),
            origin_ms: 0,
            speed: 1.0,
            seed: 1,
            means: Means::Engine { ways: BTreeMap::new() },
        }
    }

    #[tokio::test]
    async fn a_schema_is_right_once_it_was_come_to_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path());
        for base in [Base::Orchestration, Base::New] {
            let look = async || done(&stage, Deed::Inspect(base), &Instance::Hub).await.unwrap();
            assert!(look().await.is_err(), "nothing is there");
            of(&stage, base).connect().migrate().await.unwrap();
            assert_eq!(look().await, Ok(()));
        }
        done(&stage, Deed::Age, &Instance::Hub).await.unwrap().unwrap();
        let store = stage.connect();
        let older = Err(StoreError::OlderSchema { found: 1, known: 2 });
        assert_eq!(store.state(&Instance::Hub).await, older);
        let differs = done(&stage, Deed::Inspect(Base::Orchestration), &Instance::Hub).await.unwrap();
        let differs = differs.unwrap_err();
        assert!(
            differs.contains("- orchestration_metrics.instance") && differs.contains("- version 2"),
            "{differs}"
        );
        store.migrate().await.unwrap();
        assert_eq!(done(&stage, Deed::Inspect(Base::Orchestration), &Instance::Hub).await.unwrap(), Ok(()));
        // A step that was made twice.
        let mut connection = connect(&stage.database).await.unwrap();
        connection.execute("alter table orchestration_metrics add column instance_2 text").await.unwrap();
        let differs = done(&stage, Deed::Inspect(Base::Orchestration), &Instance::Hub).await.unwrap();
        assert!(differs.unwrap_err().contains("+ orchestration_metrics.instance_2"));
    }

    #[tokio::test]
    async fn a_row_that_was_damaged_is_read_as_nothing_else_and_a_mended_one_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let stage = stage(folder.path());
        let (store, hub) = (stage.connect(), Instance::Hub);
        store.migrate().await.unwrap();
        for deed in [Deed::DamageCheckpoint, Deed::DamageState] {
            assert!(done(&stage, deed, &hub).await.unwrap().is_err(), "there is none");
        }
        let lease = store.acquire(&hub, &Holder { host: "operator".into(), pid: 1 }).await.unwrap();
        let (from, to) = (DeploymentState::Unknown, DeploymentState::Initializing);
        store.transition(&lease, from, to, "why").await.unwrap();
        store.save_checkpoint(&lease, Phase::Preflight).await.unwrap();
        done(&stage, Deed::DamageCheckpoint, &hub).await.unwrap().unwrap();
        assert!(matches!(store.checkpoints(&hub).await, Err(StoreError::Corrupt { .. })));
        done(&stage, Deed::DamageState, &hub).await.unwrap().unwrap();
        assert!(matches!(store.state(&hub).await, Err(StoreError::Unreadable { .. })));
        done(&stage, Deed::MendState, &hub).await.unwrap().unwrap();
        assert_eq!(store.state(&hub).await, Ok(to));
    }
}
