//! DIVE in containers: nodes of this binary, the real thing for everything they depend on, and Toxiproxy on
//! every edge between them.

mod containers;
pub mod deployment;

use std::cell::OnceCell;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use coalition::HUB_TENANT;
use futures_util::future::{Either, join, select};
use harness_core::event::{Answer, What};
use harness_core::fault::ServiceName;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;
use harness_docker::world::{ContainerPlan, DockerConfig, DockerSystem, DockerWorld, Site};
use harness_docker::{Engine, EngineError, Reaper, Source, files};
use harness_local::LogLine;
use harness_local::clock::Clock;

pub use self::containers::recipes;

use self::containers::{AUDIT, Containers};
use super::real::{self, Dive, base};
use super::tell_where;
use super::watch::{AuditTail, HealthWatch};
use crate::binding::deployment::topology::DEPLOYMENT;
use crate::binding::topology::{HUB, KEYCLOAK, MONGODB, Shape};
use crate::execute::{ExecuteError, Plan};

/// How often, in real time, the health document is read.
const LOOK: Duration = Duration::from_millis(200);
/// How long, in real time, it may take: a Keycloak that starts leaves little for the others.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often, in real time, the audit file is fetched.
const FETCH: Duration = Duration::from_secs(2);

fn ground(error: EngineError) -> WorldError {
    match error {
        EngineError::Absent { host, why, next } => WorldError::Ground {
            problem: format!("no Docker engine at {host}: {why}"),
            next_step: next.into(),
        },
        error => WorldError::Failed(error.to_string()),
    }
}

/// Runs a plan's scenario in containers.
pub(super) fn run(
    plan: &Plan,
    folder: &Path,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
) -> Result<(), ExecuteError> {
    real::on_this_thread(async {
        let engine = Engine::connect().await.map_err(ground)?;
        let reaper = Reaper::arm(&plan.program, &["serve", "docker-reaper"])
            .map_err(|error| WorldError::Failed(error.to_string()))?;
        let lost = OnceCell::new();
        let interrupt = async {
            match select(pin!(interrupt), pin!(engine.lost())).await {
                Either::Left((reason, _)) => reason,
                Either::Right((error, _)) => lost.get_or_init(|| went_away(error)).to_string(),
            }
        };
        if plan.scenario.topology == DEPLOYMENT {
            let owner = reaper.watched();
            deployment::run(plan, folder, recorder, interrupt, &engine, owner).await?;
            return lost.into_inner().map_or(Ok(()), |error| Err(error.into()));
        }
        let config = DockerConfig {
            speed: plan.speed,
            seed: plan.seed,
            owner: reaper.watched().clone(),
            images: Source::Auto,
            executable: plan.program.clone(),
            toxiproxy: containers::toxiproxy()?,
            interceptor: Some(containers::interceptor()?),
        };
        let system = DockerDive { dive: Dive::new(plan, folder)?, engine: engine.clone() };
        let world = |journal| DockerWorld::new(system, config, journal);
        real::run(plan, folder, recorder, interrupt, world).await?;
        lost.into_inner().map_or(Ok(()), |error| Err(error.into()))
    })
}

/// What is told when the engine ends before the run.
fn went_away(error: EngineError) -> WorldError {
    let problem = match error {
        EngineError::Absent { host, why, .. } => format!("no Docker engine at {host} any more: {why}"),
        error => error.to_string(),
    };
    let next_step = "start it again; `chaos heal` then removes what this run had to leave behind".into();
    WorldError::Ground { problem, next_step }
}

/// A topology of which every service is a container.
struct DockerDive {
    dive: Dive,
    engine: Engine,
}

impl DockerDive {
    /// Logs everybody in whom the identity provider knows: it signs with keys of its own, and the
    /// coalition's tokens are not from there.
    async fn log_in(&self, keycloak: &str) -> Result<(), String> {
        let Dive { kit, client, session, .. } = &self.dive;
        for user in kit.coalition().users().iter().filter(|user| user.tenant == HUB_TENANT) {
            client.log_in(keycloak, session, user.id).await?;
        }
        Ok(())
    }
}

impl DockerSystem for DockerDive {
    fn plan(&self, site: &Site) -> Result<Vec<ContainerPlan>, WorldError> {
        self.dive.pair_log_clock(site.clock());
        let Dive { settings, kit, certificates, shape, .. } = &self.dive;
        Containers { settings, kit, certificates, site }.of(*shape)
    }

    /// Fills the store and logs everybody in, past every edge.
    async fn prepare(&self, site: &Site) -> Result<(), WorldError> {
        if self.dive.shape == Shape::HubAndOpa {
            return Ok(());
        }
        self.dive
            .fill(site.address(MONGODB)?, site.via(HUB, KEYCLOAK)?)
            .await
            .map_err(|why| WorldError::Failed(format!("the store can't be filled: {why}")))?;
        self.log_in(&base(KEYCLOAK, site.address(KEYCLOAK))?)
            .await
            .map_err(|why| WorldError::Failed(format!("not everybody could log in: {why}")))
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        let address = |service: &str| site.address(service);
        let management =
            || Err(WorldError::Failed(format!("{request}: the real identity provider takes no such order")));
        self.dive.send(request, number, site.clock(), address, management).await
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(base) = base(HUB, site.address(HUB)) else { return };
        let clock = *site.clock();
        let Dive { client, authority, shape, .. } = &self.dive;
        let shape = *shape;
        tell_where(shape, authority, recorder, clock.now(), |service| site.address(service));
        let health = HealthWatch { node: HUB, shape, base, every: LOOK, patience: PATIENCE, clock, client };
        let container = site.host(HUB);
        let audit = AuditTail { node: HUB, every: FETCH, clock };
        let fetch = async |offset: u64| {
            let whole = files::read(&self.engine, &container, AUDIT).await.unwrap_or_default();
            whole.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec()
        };
        join(health.run(recorder), audit.run(recorder, fetch)).await;
    }

    fn observation_lag(&self, clock: &Clock) -> Duration {
        clock.system(LOOK + PATIENCE)
    }

    fn on_log(&self, _site: &Site, recorder: &Recorder, line: LogLine) {
        self.dive.on_log(recorder, line);
    }

    fn on_late_log(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, within: Span) {
        let why = format!("the lines of {service} came late");
        recorder.record(within, What::Blind { prefix: format!("{HUB}/circuit/"), why });
    }
}
