//! What the tests have in common.
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use harness_docker::{Container, ContainerSpec, Engine, Images, Ready, Reaper, Recipe, Source, Topology};
use libtest_mimic::Failed;

pub(crate) type Outcome = Result<(), Failed>;

pub(crate) const OPA: &str = include_str!("../../../../fixtures/images/opa.toml");
pub(crate) const TOXIPROXY: &str = include_str!("../../../../fixtures/images/toxiproxy.toml");
pub(crate) const NODE: &str = include_str!("../../../../fixtures/images/node.toml");
pub(crate) const OPA_PORT: u16 = 8181;
pub(crate) const POLICY: &str = "package t\n\ndefault allow := false\n\nallow if input.user == \"alice\"\n";

pub(crate) fn me() -> PathBuf {
    std::env::current_exe().expect("a running test has a program")
}

#[expect(clippy::disallowed_methods, reason = "these tests measure real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// One for the process: when it ends, all of the process' containers go.
pub(crate) fn reaper() -> &'static Reaper {
    static REAPER: OnceLock<Reaper> = OnceLock::new();
    REAPER.get_or_init(|| Reaper::arm(&me(), &["reaper"]).expect("the reaper comes up"))
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

pub(crate) async fn image(engine: &Engine, recipe: &str) -> Result<String, Failed> {
    let recipe = Recipe::parse(recipe)?;
    Ok(Images::new(engine, Source::Auto, me()).ensure(&recipe).await?.tag)
}

pub(crate) async fn opa_spec(engine: &Engine) -> Result<ContainerSpec, Failed> {
    Ok(ContainerSpec::new("opa", image(engine, OPA).await?)
        .command(["run", "--server", "--addr=0.0.0.0:8181", "/policy.rego"])
        .file("/policy.rego", POLICY)
        .port(OPA_PORT)
        .ready(Ready::Http { port: OPA_PORT, path: "/health".into() }, Duration::from_secs(30)))
}

/// Whether OPA allows `user`, asked on a fresh connection through its published port.
pub(crate) async fn decide(opa: &Container, user: &str) -> Result<bool, Failed> {
    let at = opa.published(OPA_PORT).ok_or("OPA's port is published")?;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let body = serde_json::json!({ "input": { "user": user } });
    let answer = client.post(format!("http://{at}/v1/data/t/allow")).json(&body).send().await?;
    let answer: serde_json::Value = answer.error_for_status()?.json().await?;
    answer["result"].as_bool().ok_or_else(|| format!("no decision in {answer}").into())
}

/// Runs `test` in a topology of its own and removes it, whatever comes of the test.
pub(crate) fn with_topology(name: &str, test: impl AsyncFnOnce(&Topology) -> Outcome) -> Outcome {
    block_on(async {
        let engine = Engine::connect().await?;
        let topology = Topology::create(&engine, reaper().watched(), name).await?;
        let outcome = test(&topology).await;
        let removed = topology.remove().await?;
        outcome?;
        if removed.networks.len() == 1 { Ok(()) } else { Err(format!("removed {removed:?}").into()) }
    })
}

pub(crate) async fn eventually(
    what: &str,
    within: Duration,
    mut done: impl AsyncFnMut() -> Result<bool, Failed>,
) -> Result<Duration, Failed> {
    let start = now();
    loop {
        if done().await? {
            return Ok(start.elapsed());
        }
        if start.elapsed() > within {
            return Err(format!("{what}: not within {within:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Fails with `what` unless it holds.
pub(crate) fn check(holds: bool, what: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(what.into().into()) }
}
