//! The contract on PostgreSQL in a container; and that container paused, killed and started again in the middle
//! of the work.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dive_orchestrator::store::SqlStore;
use dive_orchestrator::{DeploymentState, Instance, Store, StoreError};
use harness_docker::{
    Container, ContainerSpec, Engine, Images, Outage, Ready, Reaper, Recipe, Source, Topology,
};
use libtest_mimic::Failed;

use crate::arms::Postgres;
use crate::faults::{eventually, takes_over};
use crate::schema::refused;
use crate::{hub, runtime};

const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/images/postgres.toml");
const PORT: u16 = 5432;
const PASSWORD: &str = "a password of the suite";

/// A process' containers are removed together when one of its reapers is done.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn is_wanted() -> bool {
    std::env::var("HARNESS_DOCKER").is_ok_and(|value| value == "1")
}

/// Runs `test` on a server in a container that is removed after it.
pub(crate) fn with_server(
    name: &'static str,
    test: impl AsyncFnOnce(&Engine, &Container, String) -> Result<(), Failed>,
) -> Result<(), Failed> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(async {
        let me = std::env::current_exe()?;
        let reaper = Reaper::arm(&me, &["reaper"])?;
        let engine = Engine::connect().await?;
        let recipe = Recipe::parse(&std::fs::read_to_string(RECIPE)?)?;
        let image = Images::new(&engine, Source::Auto, me).ensure(&recipe).await?.tag;
        let topology = Topology::create(&engine, reaper.watched(), name).await?;
        let outcome = async {
            let spec = ContainerSpec::new("postgres", image)
                .env("POSTGRES_PASSWORD", PASSWORD)
                .port(PORT)
                .ready(Ready::Log("ready to accept connections".to_owned()), Duration::from_secs(60));
            let container = topology.start(&spec).await?;
            let login = format!("postgres:{}", PASSWORD.replace(' ', "%20"));
            let server = format!("postgres://{login}@{}:{PORT}", container.address());
            until_ready(&server).await;
            test(&engine, &container, server).await
        };
        let outcome = outcome.await;
        topology.remove().await?;
        outcome
    })
}

/// It says that it is ready before the password is set, too.
async fn until_ready(server: &str) {
    eventually(Duration::from_secs(60), || async {
        let store = SqlStore::postgres(&format!("{server}/postgres"))?;
        match store.patience(Duration::from_secs(2)).state(&Instance::Hub).await {
            Err(StoreError::OlderSchema { .. }) => Ok(()),
            other => other.map(drop),
        }
    })
    .await;
}

pub(crate) async fn paused_and_killed(
    engine: &Engine,
    container: &Container,
    server: String,
) -> Result<(), Failed> {
    let arm = Postgres::create(&server, "outages").await;
    arm.store().migrate().await.unwrap();
    let store = arm.store().patience(Duration::from_secs(2));
    let lease = store.acquire(&Instance::Hub, &hub()).await.unwrap();
    let (from, to) = (DeploymentState::Unknown, DeploymentState::Initializing);
    store.transition(&lease, from, to, "begun").await.unwrap();

    // Paused: connections are still accepted, nobody answers.
    let heal = Outage::Pause.inverse(container);
    Outage::Pause.inject(engine, container).await?;
    let silent = refused(store.transition(&lease, to, DeploymentState::Deploying, "unprotected").await);
    assert!(matches!(silent, StoreError::Unavailable { .. }), "{silent:?}");
    refused(arm.store().patience(Duration::from_secs(2)).acquire(&Instance::Hub, &hub()).await);
    heal.heal(engine).await?;
    // The lost connection was the lock's.
    let by = hub();
    let second = eventually(Duration::from_secs(25), || store.acquire(&Instance::Hub, &by)).await;
    let late = store.transition(&lease, to, DeploymentState::Deploying, "late").await;
    assert!(matches!(late, Err(StoreError::LockLost { .. })), "{late:?}");

    // Killed and started again: what was committed is there, the lock is free, its old holder shut out.
    let history = store.history(&Instance::Hub).await.unwrap();
    let heal = Outage::Kill.inverse(container);
    Outage::Kill.inject(engine, container).await?;
    refused(store.renew(&second).await);
    refused(store.acquire(&Instance::Hub, &hub()).await);
    heal.heal(engine).await?;
    until_ready(&server).await;
    let contender = arm.store();
    assert_eq!(contender.history(&Instance::Hub).await.unwrap(), history);
    takes_over(&contender, Duration::from_secs(5), (&store, &second)).await;
    Ok(())
}
