//! Coming to the schema, and refusals: each with its code and what to do next.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{ErrorCode, Instance, Service, Store, StoreError};

use crate::arms::Postgres;
use crate::hub;

const AT_ONCE: usize = 20;
const WRONG: &str = "open-sesame";

/// What a refusal must have.
pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreError {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Database, "{error}");
    assert!(!error.code().next_step().is_empty(), "{error}");
    assert!(!error.to_string().contains(WRONG), "{error}");
    error
}

/// Many migrate at once; all succeed, and what they made works.
async fn all_migrate<F: Future<Output = Result<(), StoreError>> + Send + 'static>(
    connect: impl Fn() -> SqlStore,
    migrate: impl Fn(Arc<SqlStore>) -> F,
) {
    assert_eq!(
        connect().state(&Instance::Hub).await,
        Err(StoreError::OlderSchema { found: 0, known: 2 }),
        "nothing works before"
    );
    let running: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(migrate(Arc::new(connect())))).collect();
    for one in running {
        one.await.unwrap().unwrap();
    }
    let store = connect();
    let lease = store.acquire(&Instance::Hub, &hub()).await.unwrap();
    connect().migrate().await.unwrap();
    store.renew(&lease).await.expect("migrating again leaves everything as it was");
}

pub(crate) async fn sqlite_is_migrated_by_many_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    all_migrate(|| SqlStore::sqlite(&file), |store| async move { store.migrate().await }).await;
}

/// What was written under the first schema is kept; whose start it was is not made up.
pub(crate) async fn sqlite_comes_from_the_first_schema() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    SqlStore::sqlite(&file).migrate().await.unwrap();
    execute(&file, "alter table orchestration_metrics drop column instance").await;
    execute(&file, "delete from schema_versions where version = 2").await;
    let row = "insert into orchestration_metrics (service, at, took_ns) \
               values ('keycloak', cast(unixepoch('subsec') * 1000 as integer), 1000000000)";
    execute(&file, row).await;
    let store = SqlStore::sqlite(&file);
    let older = StoreError::OlderSchema { found: 1, known: 2 };
    assert_eq!(store.starts(&Instance::Hub).await, Err(older));
    store.migrate().await.unwrap();
    assert_eq!(store.starts(&Instance::Hub).await, Ok(Vec::new()));
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3_600));
    store.record_start(&Instance::Hub, Service::Keycloak, second * 2).await.unwrap();
    assert_eq!(store.start_times(Service::Keycloak, hour).await, Ok(vec![second, second * 2]));
    let starts = store.starts(&Instance::Hub).await.unwrap();
    assert_eq!(
        starts.iter().map(|start| (start.service, start.took)).collect::<Vec<_>>(),
        [(Service::Keycloak, second * 2)]
    );
}

pub(crate) async fn postgres_is_migrated_by_many_at_once(server: String) {
    let arm = Postgres::create(&server, "migrated").await;
    all_migrate(|| arm.store(), |store| async move { store.migrate().await }).await;
    arm.remove().await;
}

pub(crate) async fn sqlite_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    SqlStore::sqlite(&file).migrate().await.unwrap();

    let text = dir.path().join("text");
    std::fs::write(
        &text,
        "this is no database, and longer than a header of one hundred bytes would be: ".repeat(9),
    )
    .unwrap();
    refused(SqlStore::sqlite(&text).migrate().await);
    refused(SqlStore::sqlite(&dir.path().join("nowhere/db")).migrate().await);
    // Permissions bind everybody but root.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
    if !is_root(dir.path()) {
        let error = refused(SqlStore::sqlite(&file).acquire(&Instance::Hub, &hub()).await);
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();

    execute(&file, "update schema_versions set version = 7 where version = 2").await;
    let newer = StoreError::NewerSchema { found: 7, known: 2 };
    assert_eq!(refused(SqlStore::sqlite(&file).state(&Instance::Hub).await), newer);
    assert_eq!(refused(SqlStore::sqlite(&file).migrate().await), newer);
}

/// A state that doesn't exist, and a checkpoint that was changed, are errors and nothing else.
pub(crate) async fn sqlite_reads_no_row_as_something_else() {
    use dive_orchestrator::{DeploymentState, Phase};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("db");
    let store = SqlStore::sqlite(&file);
    store.migrate().await.unwrap();
    let lease = store.acquire(&Instance::Hub, &hub()).await.unwrap();
    let (from, to) = (DeploymentState::Unknown, DeploymentState::Initializing);
    store.transition(&lease, from, to, "because").await.unwrap();
    store.save_checkpoint(&lease, Phase::Preflight).await.unwrap();

    execute(&file, "update state_transitions set to_state = 'no such table'").await;
    execute(&file, r#"update checkpoints set checkpoint = replace(checkpoint, '"digest":"', '"digest":"0')"#)
        .await;
    assert!(matches!(store.state(&Instance::Hub).await, Err(StoreError::Unreadable { .. })));
    let moved = store.transition(&lease, to, DeploymentState::Deploying, "because").await;
    assert!(matches!(moved, Err(StoreError::Unreadable { .. })), "an unknown state allows nothing");
    assert!(matches!(refused(store.checkpoints(&Instance::Hub).await), StoreError::Corrupt { .. }));
    store.renew(&lease).await.expect("the lock outlives a row that can't be read");
}

async fn execute(file: &std::path::Path, statement: &str) {
    use sqlx::{ConnectOptions, Connection};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Whether permissions bind nobody here.
fn is_root(dir: &std::path::Path) -> bool {
    let probe = dir.join("probe");
    std::fs::write(&probe, "").unwrap();
    std::fs::set_permissions(&probe, std::fs::Permissions::from_mode(0o400)).unwrap();
    std::fs::File::options().write(true).open(&probe).is_ok()
}

pub(crate) async fn postgres_refuses(server: String) {
    let mut arm = Postgres::create(&server, "refusing").await;
    arm.store().migrate().await.unwrap();
    let url = arm.url();
    let (login, place) = url.rsplit_once('@').unwrap();
    let (user, _) = login.rsplit_once(':').unwrap();
    let wrong = format!("{user}:{WRONG}@{place}");
    let error = refused(SqlStore::postgres(&wrong).unwrap().state(&Instance::Hub).await);
    assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
    let nobody = SqlStore::postgres(&format!("postgres://postgres:{WRONG}@127.0.0.1:1/x")).unwrap();
    let error = refused(nobody.patience(Duration::from_secs(2)).acquire(&Instance::Hub, &hub()).await);
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    refused(SqlStore::postgres(&format!("mysql://root:{WRONG}@127.0.0.1/x")));

    let read_only = format!("{}?options[default_transaction_read_only]=on", arm.url());
    let error = refused(SqlStore::postgres(&read_only).unwrap().acquire(&Instance::Hub, &hub()).await);
    assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");

    arm.execute("update schema_versions set version = 7 where version = 2").await;
    let newer = StoreError::NewerSchema { found: 7, known: 2 };
    assert_eq!(refused(arm.store().state(&Instance::Hub).await), newer);
    assert_eq!(refused(arm.store().migrate().await), newer);
    arm.remove().await;
}
