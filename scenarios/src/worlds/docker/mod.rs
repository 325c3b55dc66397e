//! DIVE in containers: nodes of this binary, the real thing for everything they depend on, and Toxiproxy on
//! every edge between them.

mod containers;

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use coalition::HUB_TENANT;
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
use harness_docker::{Engine, EngineError, Reaper, Source, files};
use harness_local::LogLine;
use harness_local::clock::Clock;

pub use self::containers::recipes;

use self::containers::{AUDIT, Containers};
use super::certificates::{Certificates, scheme};
use super::watch::{self, AuditTail, Client, HealthWatch, LogClock};
use super::{seed, settings, tell_where};
use crate::binding::asked::Party;
use crate::binding::kit::Kit;
use crate::binding::requests::{Class, Kind};
use crate::binding::session::Session;
use crate::binding::topology::{HUB, KAS, KEYCLOAK, MONGODB, Shape};
use crate::execute::{ExecuteError, Plan};
use crate::folders::JOURNAL;

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
            toxiproxy: containers::toxiproxy()?,
            interceptor: Some(containers::interceptor()?),
        };
        let world =
            DockerWorld::new(DockerDive::new(plan, folder, engine.clone())?, config, journal.clone())?;
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

/// The base URL at which this machine reaches a service of the product or its identity provider.
fn base(site: &Site, service: &str) -> Result<String, WorldError> {
    Ok(format!("{}://{}", scheme(service), site.address(service)?))
}

/// A topology of which every service is a container.
struct DockerDive {
    shape: Shape,
    engine: Engine,
    settings: Settings,
    kit: Arc<Kit>,
    certificates: Certificates,
    /// Where the authority's certificate is kept.
    authority: PathBuf,
    session: Session,
    client: Client,
    log_clock: OnceCell<LogClock>,
}

impl DockerDive {
    fn new(plan: &Plan, folder: &Path, engine: Engine) -> Result<Self, ExecuteError> {
        let shape = super::shape_of(plan)?;
        let kit = Kit::now(shape)?;
        let certificates = Certificates::new()?;
        Ok(Self {
            shape,
            engine,
            settings: settings::of(plan)?,
            session: Session::new(kit.clone()),
            kit,
            client: Client::new(&certificates.trust()?),
            authority: certificates.keep(folder)?,
            certificates,
            log_clock: OnceCell::new(),
        })
    }

    /// Logs everybody in whom the identity provider knows: it signs with keys of its own, and the
    /// coalition's tokens are not from there.
    async fn log_in(&self, keycloak: &str) -> Result<(), String> {
        let users = self.kit.coalition().users().iter().filter(|user| user.tenant == HUB_TENANT);
        for user in users {
            self.client.log_in(keycloak, &self.session, user.id).await?;
        }
        Ok(())
    }

    async fn open(&self, site: &Site, number: u64) -> Answer {
        match (base(site, HUB), base(site, KAS)) {
            (Ok(hub), Ok(kas)) => self.client.open(&hub, &kas, &self.session, number).await,
            (Err(error), _) | (_, Err(error)) => {
                Answer::new(Class::Error.name()).with("error", error.to_string())
            }
        }
    }
}

impl DockerSystem for DockerDive {
    fn plan(&self, site: &Site) -> Result<Vec<ContainerPlan>, WorldError> {
        let clock = site.clock();
        self.log_clock.get_or_init(|| LogClock::pair(clock.now(), clock.speed()));
        let (settings, kit, certificates) = (&self.settings, &self.kit, &self.certificates);
        Containers { settings, kit, certificates, site }.of(self.shape)
    }

    /// Fills the store and logs everybody in, past every edge.
    async fn prepare(&self, site: &Site) -> Result<(), WorldError> {
        if self.shape == Shape::HubAndOpa {
            return Ok(());
        }
        // Nodes read its keys over edges of their own. One of them is named: the hub's faults are the ones that
        // scenarios are about.
        let identity_provider = format!("{}://{}", scheme(KEYCLOAK), site.via(HUB, KEYCLOAK)?);
        let store = site.address(MONGODB)?;
        seed::seed(store, &self.settings.mongodb.database, &self.kit, &identity_provider)
            .await
            .map_err(|why| WorldError::Failed(format!("the store can't be filled: {why}")))?;
        self.log_in(&base(site, KEYCLOAK)?)
            .await
            .map_err(|why| WorldError::Failed(format!("not everybody could log in: {why}")))
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        let Some(kind) = Kind::named(request) else {
            return Answer::new(Class::Error.name()).with("error", format!("no request is called {request}"));
        };
        if kind == Kind::Open {
            return self.open(site, number).await;
        }
        let asked = self.session.ask(kind, number);
        let to = match asked.to {
            Party::Hub => base(site, HUB),
            Party::Kas => base(site, KAS),
            Party::Keycloak => base(site, KEYCLOAK),
            Party::KeycloakManagement => {
                Err(WorldError::Failed(format!("{request}: the real identity provider takes no such order")))
            }
        };
        match to {
            Ok(to) => self.client.send(&to, &self.session, &asked, site.clock().real(asked.patience)).await,
            Err(error) => asked.failed(error.to_string()),
        }
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(base) = base(site, HUB) else { return };
        let clock = *site.clock();
        let (shape, client) = (self.shape, &self.client);
        tell_where(shape, &self.authority, recorder, clock.now(), |service| site.address(service));
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
        watch::lines::record(line, self.log_clock.get(), &self.kit, recorder);
    }

    fn on_late_log(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, within: Span) {
        let why = format!("the lines of {service} came late");
        recorder.record(within, What::Blind { prefix: format!("{HUB}/circuit/"), why });
    }
}
