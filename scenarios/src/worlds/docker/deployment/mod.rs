//! Deploying in the world of containers: an operator's command is the command `dive` itself, what it keeps its state in
//! is a SQLite file or a PostgreSQL server, and what it deploys are the real components.
//!
//! ```text
//!   DockerDeployment ── an order ──► host ── starts ──► dive-order ── runs ──► dive ── commits ──► store
//!        ▲                          (killed, frozen, with all it started)       │               its triggers
//!        │                                                                      ▼                    │
//!        │                                                                 Docker engine             ▼
//!        │                                                                      │ its events      witness
//!        └───────────────────────── timeline: one order of both ◄───────────────┴────────────────────┘
//! ```
//!
//! | file | its one idea |
//! |---|---|
//! | `ground` | what `dive` is given to deploy from; that nothing is in its way |
//! | `order` | from an order to a command line, and from how that ended to what came of it |
//! | `timeline` | what the database and the engine tell, in one order |
//! | `machine` | what can be broken of the machine: a service's containers, a port |
//! | `world` | hosts and machine as one world |
//! | `levels` | from what the engine tells: whether what stands on something was started after it |
//!
//! Hosts and the server are processes of this machine, so their world is that of processes. Containers carry the run's owner label:
//! what a run made is removed at its end, and by the reaper when it has none.

mod ground;
mod levels;
mod machine;
mod order;
mod timeline;
mod world;

pub use order::carry_out as carry_out_order;

use machine::Machine;
use world::DeploymentWorld;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dive_orchestrator::store::Store as _;
use harness_core::event::Answer;
use harness_core::recorder::Recorder;
use harness_core::world::WorldError;
use harness_docker::{Engine, Watched, cleanup};
use harness_local::clock::Clock;
use harness_local::{LocalConfig, LocalSystem, ServiceSpec, Site, WatcherCommand};
use tokio::sync::OnceCell;

use super::super::deployment::host;
use super::super::deployment::stage::{Means, STAGE, Stage, wall_ms};
use super::super::deployment::store::Store;
use super::super::deployment::witness::Witness;
use super::super::real;
use crate::binding::deployment::orders::{Order, Outcome};
use crate::binding::deployment::topology::{COLLEAGUE, ENGINE, OPERATOR};
use crate::execute::{ExecuteError, Plan};

/// How long after it happened, in real time, it may be before it is on the timeline.
const LAG: Duration = Duration::from_secs(3);
/// How long, in real time, the longest order may take.
const PATIENCE: Duration = Duration::from_mins(20);
/// How long, in real time, a command has to come to the end of what it is writing.
const GRACE: Duration = Duration::from_secs(40);

/// Runs a plan's scenario on this machine's containers, which are `owner`'s.
pub(super) async fn run(
    plan: &Plan,
    folder: &Path,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
    engine: &Engine,
    owner: &Watched,
) -> Result<(), ExecuteError> {
    let store = Store::of(plan)?;
    ground::clear(engine).await?;
    let means = ground::means(engine, &plan.program, owner.owner()).await?;
    let config = LocalConfig {
        speed: plan.speed,
        seed: plan.seed,
        reaper: WatcherCommand { program: plan.program.clone(), args: vec!["serve".into(), "reaper".into()] },
    };
    let (engine, program, made) = (engine.clone(), plan.program.clone(), OnceCell::new());
    let removing = engine.clone();
    let system = DockerDeployment { program, means, engine, store, made, origin_ms: wall_ms() };
    let machine = Machine::new(removing.clone(), owner.owner().clone());
    let world = |journal| DeploymentWorld::new(system, machine, config, journal);
    let ran = real::run(plan, folder, recorder, interrupt, world).await;
    // What still stands is of no use to anybody: its secrets are gone with the run.
    let removed = cleanup::remove_owned(&removing, owner.owner()).await;
    ran?;
    removed.map_err(super::ground)?;
    Ok(())
}

/// Two hosts from which operators deploy onto this machine's containers.
struct DockerDeployment {
    program: PathBuf,
    means: Means,
    engine: Engine,
    store: Store,
    /// Whether the database was made, and tells what happens to it; why not, otherwise.
    made: OnceCell<Result<(), String>>,
    /// When it began, in real milliseconds since 1970.
    origin_ms: u64,
}

impl DockerDeployment {
    /// What a host knows; the world itself, when it is none. `dive` lives in real time, whatever the run's is.
    fn stage(&self, site: &Site, host: Option<&str>) -> Result<Stage, WorldError> {
        Ok(Stage {
            program: self.program.clone(),
            database: self.store.database(site, host)?,
            origin_ms: self.origin_ms,
            speed: 1.0,
            seed: site.seed(),
            means: self.means.clone(),
        })
    }

    async fn made(&self, stage: &Stage) -> Result<(), String> {
        let make = async || {
            stage.connect().migrate().await.map_err(|error| error.to_string())?;
            Witness::of(&stage.database).install().await.map_err(|error| error.to_string())
        };
        self.made.get_or_init(make).await.clone()
    }
}

impl LocalSystem for DockerDeployment {
    fn plan(&self, site: &Site) -> Result<Vec<ServiceSpec>, WorldError> {
        let failed = |why: String| WorldError::Failed(format!("the hosts can't be prepared: {why}"));
        std::fs::create_dir_all(site.folder(ENGINE)).map_err(|error| failed(error.to_string()))?;
        let store = self.store.service(&self.program, site)?;
        let host = |name| {
            let stage = serde_json::to_vec(&self.stage(site, Some(name))?);
            let listen = site.address(name)?.to_string();
            let mut host = ServiceSpec::new(name, &self.program, "/health")
                .args(["serve", "operators-host", "--listen", &listen, "--stage", STAGE, "--name", name])
                .file(STAGE, stage.map_err(|error| failed(error.to_string()))?);
            host.grace = GRACE;
            host.after.extend(store.iter().map(|store| store.name.clone()));
            Ok(host)
        };
        let hosts: Vec<_> = [OPERATOR, COLLEAGUE].into_iter().map(host).collect();
        store.clone().map(Ok).into_iter().chain(hosts).collect()
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        let Some(order) = Order::named(request) else {
            return Answer::new("error").with("error", "nobody is told such a thing here");
        };
        let made = async {
            let stage = self.stage(site, None).map_err(|error| error.to_string())?;
            self.made(&stage).await
        };
        if let Err(why) = made.await {
            return Answer::new(Outcome::Database.name()).with("error", why);
        }
        match site.address(order.by) {
            Ok(host) => host::tell(host, order, number, PATIENCE).await,
            Err(error) => Answer::new(Outcome::NoOperator.name()).with("error", error.to_string()),
        }
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(stage) = self.stage(site, None) else { return };
        // The first order tells of it.
        if self.made(&stage).await.is_ok() {
            timeline::watch(&self.engine, stage, site.clock(), recorder).await;
        }
    }

    fn observation_lag(&self, clock: &Clock) -> Duration {
        clock.system(LAG)
    }
}
