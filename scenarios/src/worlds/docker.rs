//! DIVE in containers: the node, real OPA, and Toxiproxy on the edge between them.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dive_authz::policies;
use dive_node::Settings;
use futures_util::future::{Either, join, select};
use harness_core::event::{Answer, What};
use harness_core::fault::ServiceName;
use harness_core::journal::Journal;
use harness_core::recorder::Recorder;
use harness_core::runner;
use harness_core::time::Span;
use harness_core::world::{World as _, WorldError};
use harness_docker::world::{ContainerPlan, DockerConfig, DockerSystem, DockerWorld, Site};
use harness_docker::{Engine, EngineError, Reaper, Recipe, Source, files};
use harness_local::LogLine;
use harness_local::clock::Clock;

use super::settings;
use super::watch::{self, AuditTail, Client, HealthWatch, LogClock, PATIENCE};
use crate::binding::kit::Kit;
use crate::binding::reading::ENGINE;
use crate::binding::requests::{Class, Kind};
use crate::binding::session::Session;
use crate::binding::topology::Shape;
use crate::execute::{ExecuteError, Plan};
use crate::folders::JOURNAL;

const HUB: &str = "hub";
const HUB_PORT: u16 = 4000;
const OPA_PORT: u16 = 8181;
/// The audit file, in the hub's container.
const AUDIT: &str = "/hub/audit.jsonl";
/// How often, in real time, the health document is read.
const LOOK: Duration = Duration::from_millis(200);
/// How often, in real time, the audit file is fetched.
const FETCH: Duration = Duration::from_secs(2);

const OPA: &str = include_str!("../../../fixtures/images/opa.toml");
const TOXIPROXY: &str = include_str!("../../../fixtures/images/toxiproxy.toml");
const NODE: &str = include_str!("../../../fixtures/images/node.toml");

fn recipe(text: &str) -> Result<Recipe, WorldError> {
    Recipe::parse(text).map_err(|error| WorldError::Failed(format!("an image recipe: {error}")))
}

/// The recipes of every image this world needs.
///
/// # Errors
/// When a recipe is malformed, which tests rule out.
pub fn recipes() -> Result<[Recipe; 3], WorldError> {
    Ok([recipe(OPA)?, recipe(TOXIPROXY)?, recipe(NODE)?])
}

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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| WorldError::Failed(format!("no tokio runtime: {error}")))?;
    runtime.block_on(async {
        let engine = Engine::connect().await.map_err(ground)?;
        let reaper = Reaper::arm(&plan.program, &["serve", "docker-reaper"])
            .map_err(|error| WorldError::Failed(error.to_string()))?;
        let path = folder.join(JOURNAL);
        let store = |why| ExecuteError::Store { path: path.clone(), why };
        let journal = Rc::new(RefCell::new(Journal::open(&path).map_err(store)?));
        let config = DockerConfig {
            speed: plan.speed,
            seed: plan.seed,
            owner: reaper.watched().clone(),
            images: Source::Auto,
            executable: plan.program.clone(),
            toxiproxy: recipe(TOXIPROXY)?,
        };
        let world = DockerWorld::new(DockerDive::new(plan, engine.clone())?, config, journal.clone())?;
        for fault in plan.scenario.faults.values() {
            world.supports(fault)?;
        }
        let lost = OnceCell::new();
        let interrupt = async {
            match select(pin!(interrupt), pin!(engine.lost())).await {
                Either::Left((reason, _)) => reason,
                Either::Right((error, _)) => lost.get_or_init(|| went_away(error)).to_string(),
            }
        };
        runner::run(&world, &plan.scenario, recorder, interrupt).await;
        drop(world);
        if let Ok(journal) = Rc::try_unwrap(journal) {
            journal.into_inner().close().map_err(store)?;
        }
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

/// A hub and its policy engine, each a container.
struct DockerDive {
    engine: Engine,
    settings: Settings,
    kit: Arc<Kit>,
    session: Session,
    client: Client,
    log_clock: OnceCell<LogClock>,
}

impl DockerDive {
    fn new(plan: &Plan, engine: Engine) -> Result<Self, ExecuteError> {
        let kit = Kit::now(Shape::HubAndOpa)?;
        Ok(Self {
            engine,
            settings: settings::of(plan)?,
            session: Session::new(kit.clone()),
            kit,
            client: Client::new()?,
            log_clock: OnceCell::new(),
        })
    }

    fn opa(&self) -> Result<ContainerPlan, WorldError> {
        let listen = format!("--addr=0.0.0.0:{OPA_PORT}");
        let mut opa = ContainerPlan::new(ENGINE, recipe(OPA)?, OPA_PORT, "/health")
            .args([
                "run",
                "--server",
                &listen,
                "--log-format=json",
                "--set=decision_logs.console=true",
                "/policies",
            ])
            .file("/policies/data.json", self.kit.coalition().policy_data().to_string());
        for module in policies::modules() {
            opa = opa.file(format!("/policies/{}", module.path), module.source);
        }
        for document in policies::documents() {
            opa = opa.file(format!("/policies/{}", document.path), document.json);
        }
        Ok(opa)
    }

    fn hub(&self, site: &Site) -> Result<ContainerPlan, WorldError> {
        let settings = settings::placed(
            &self.settings,
            &[
                ("http.listen", format!("0.0.0.0:{HUB_PORT}")),
                ("opa.url", format!("http://{}", site.via(HUB, ENGINE)?)),
                ("files.issuers", "/hub/issuers.json".into()),
                ("files.resources", "/hub/resources.json".into()),
                ("audit.path", AUDIT.into()),
                ("log.format", "json".into()),
            ],
        )?;
        let hub = ContainerPlan::new(HUB, recipe(NODE)?, HUB_PORT, "/health/live")
            .args(["serve", "node"])
            .file("/hub/issuers.json", self.kit.coalition().issuers_json().to_string())
            .file("/hub/resources.json", self.kit.coalition().resources_json().to_string())
            .after(ENGINE);
        Ok(settings::environment(&settings).into_iter().fold(hub, |hub, (name, value)| hub.env(&name, value)))
    }
}

impl DockerSystem for DockerDive {
    fn plan(&self, site: &Site) -> Result<Vec<ContainerPlan>, WorldError> {
        let clock = site.clock();
        self.log_clock.get_or_init(|| LogClock::pair(clock.now(), clock.speed()));
        Ok(vec![self.opa()?, self.hub(site)?])
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        let Some(kind) = Kind::named(request) else {
            return Answer::new(Class::Error.name()).with("error", format!("no request is called {request}"));
        };
        let asked = self.session.ask(kind, number);
        match site.address(HUB) {
            Ok(hub) => self.client.send(hub, &self.session, &asked, site.clock().real(asked.patience)).await,
            Err(error) => asked.failed(error.to_string()),
        }
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(address) = site.address(HUB) else { return };
        let clock = *site.clock();
        let health = HealthWatch { node: HUB, address, every: LOOK, clock, client: &self.client };
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
        watch::lines::record(line, self.log_clock.get(), &self.kit, recorder);
    }

    fn on_late_log(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, within: Span) {
        let why = format!("the lines of {service} came late");
        recorder.record(within, What::Blind { prefix: format!("{HUB}/circuit/"), why });
    }
}
