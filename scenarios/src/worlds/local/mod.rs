//! DIVE in the world of processes: the node and the stand-ins of what it depends on as children of this
//! process.

mod services;

use std::cell::RefCell;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dive_node::Settings;
use futures_util::future::join3;
use harness_core::event::{Answer, What};
use harness_core::fault::{Edge, ServiceName};
use harness_core::journal::Journal;
use harness_core::recorder::Recorder;
use harness_core::runner;
use harness_core::time::Span;
use harness_core::world::{World as _, WorldError};
use harness_local::clock::Clock;
use harness_local::lines::Lost;
use harness_local::{LocalConfig, LocalSystem, LocalWorld, LogLine, ServiceSpec, Site, WatcherCommand};
use tokio::sync::OnceCell;

use self::services::{AUDIT, MANAGEMENT, Services};
use super::certificates::{Certificates, scheme};
use super::watch::{self, AuditTail, Client, HealthWatch, LogClock, read_behind};
use super::{seed, settings, tell_where};
use crate::binding::asked::Party;
use crate::binding::kit::Kit;
use crate::binding::requests::{Class, Kind};
use crate::binding::session::Session;
use crate::binding::topology::{HUB, KAS, KEYCLOAK, MONGODB, OPA, Shape};
use crate::execute::{ExecuteError, Plan};
use crate::folders::JOURNAL;

/// How often, in real time, the health document is read and the edges are counted.
const LOOK: Duration = Duration::from_millis(40);
/// How long, in real time, the health document may take.
const PATIENCE: Duration = Duration::from_millis(300);

/// Runs a plan's scenario on processes of this machine.
pub(super) fn run(
    plan: &Plan,
    folder: &Path,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
) -> Result<(), ExecuteError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| WorldError::Failed(format!("no tokio runtime: {error}")))?;
    runtime.block_on(async {
        let path = folder.join(JOURNAL);
        let store = |why| ExecuteError::Store { path: path.clone(), why };
        let journal = Rc::new(RefCell::new(Journal::open(&path).map_err(store)?));
        let config = LocalConfig {
            speed: plan.speed,
            seed: plan.seed,
            reaper: WatcherCommand {
                program: plan.program.clone(),
                args: vec!["serve".into(), "reaper".into()],
            },
        };
        let world = LocalWorld::new(LocalDive::new(plan, folder)?, config, journal.clone())?;
        for fault in plan.scenario.faults.values() {
            world.supports(fault)?;
        }
        runner::run(&world, &plan.scenario, recorder, interrupt).await;
        drop(world);
        if let Ok(journal) = Rc::try_unwrap(journal) {
            journal.into_inner().close().map_err(store)?;
        }
        Ok(())
    })
}

/// The base URL of a service of the product or of its identity provider.
fn base(site: &Site, service: &str) -> Result<String, WorldError> {
    Ok(format!("{}://{}", scheme(service), site.address(service)?))
}

/// A topology of which every service is a process.
struct LocalDive {
    shape: Shape,
    program: PathBuf,
    settings: Settings,
    kit: Arc<Kit>,
    certificates: Certificates,
    /// Where the authority's certificate is kept.
    authority: PathBuf,
    session: Session,
    client: Client,
    /// Whether the store was filled; why not, otherwise. The first request sees to it.
    filled: OnceCell<Result<(), String>>,
    log_clock: std::cell::OnceCell<LogClock>,
}

impl LocalDive {
    fn new(plan: &Plan, folder: &Path) -> Result<Self, ExecuteError> {
        let shape = super::shape_of(plan)?;
        let kit = Kit::now(shape)?;
        let certificates = Certificates::new()?;
        Ok(Self {
            shape,
            program: plan.program.clone(),
            settings: settings::of(plan)?,
            session: Session::new(kit.clone()),
            filled: OnceCell::new(),
            kit,
            client: Client::new(&certificates.trust()?),
            authority: certificates.keep(folder)?,
            certificates,
            log_clock: std::cell::OnceCell::new(),
        })
    }

    async fn open(&self, site: &Site, number: u64) -> Answer {
        let told = |error: WorldError| Answer::new(Class::Error.name()).with("error", error.to_string());
        match (base(site, HUB), base(site, KAS)) {
            (Ok(hub), Ok(kas)) => self.client.open(&hub, &kas, &self.session, number).await,
            (Err(error), _) | (_, Err(error)) => told(error),
        }
    }

    /// Fills the store, past every edge.
    async fn fill(&self, site: &Site) -> Result<(), String> {
        if self.shape == Shape::HubAndOpa {
            return Ok(());
        }
        let told = |error: WorldError| error.to_string();
        // The node and the key access service reach it over edges of their own. One of the two is named: the
        // hub's faults are the ones that scenarios are about.
        let via = site.via(HUB, KEYCLOAK).map_err(told)?;
        let identity_provider = format!("{}://{via}", scheme(KEYCLOAK));
        let store = site.address(MONGODB).map_err(told)?;
        seed::seed(store, &self.settings.mongodb.database, &self.kit, &identity_provider).await
    }

    /// Counts what is under way between the services, for ever.
    async fn count(&self, site: &Site, recorder: &Recorder) {
        let clock = *site.clock();
        let mut last_look = clock.now();
        loop {
            let now = clock.now();
            if let Some(most) = site.in_flight(HUB, OPA).filter(|most| *most > 0) {
                let measure = format!("{}/in-flight", Edge::new(HUB, OPA));
                recorder
                    .record(Span::between(last_look, now), What::Sample { measure, value: f64::from(most) });
            }
            last_look = now;
            clock.sleep_until(now + clock.system(LOOK)).await;
        }
    }
}

impl LocalSystem for LocalDive {
    fn plan(&self, site: &Site) -> Result<Vec<ServiceSpec>, WorldError> {
        let clock = site.clock();
        self.log_clock.get_or_init(|| LogClock::pair(clock.now(), clock.speed()));
        let services = Services {
            program: &self.program,
            settings: &self.settings,
            kit: &self.kit,
            certificates: &self.certificates,
            site,
        };
        services.of(self.shape)
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        let Some(kind) = Kind::named(request) else {
            return Answer::new(Class::Error.name()).with("error", format!("no request is called {request}"));
        };
        let asked = self.session.ask(kind, number);
        if let Err(why) = self.filled.get_or_init(|| self.fill(site)).await {
            return asked.failed(format!("the store could not be filled: {why}"));
        }
        if kind == Kind::Open {
            return self.open(site, number).await;
        }
        let to = match asked.to {
            Party::Hub => base(site, HUB),
            Party::Kas => base(site, KAS),
            Party::Keycloak => base(site, KEYCLOAK),
            Party::KeycloakManagement => site
                .side_address(KEYCLOAK, MANAGEMENT)
                .map(|address| format!("{}://{address}", scheme(KEYCLOAK))),
        };
        match to {
            Ok(to) => self.client.send(&to, &self.session, &asked, site.clock().real(asked.patience)).await,
            Err(error) => asked.failed(error.to_string()),
        }
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(base) = base(site, HUB) else { return };
        let clock = *site.clock();
        tell_where(self.shape, &self.authority, recorder, clock.now(), |service| site.address(service));
        let (shape, client) = (self.shape, &self.client);
        let health = HealthWatch { node: HUB, shape, base, every: LOOK, patience: PATIENCE, clock, client };
        let audit = AuditTail { node: HUB, every: LOOK, clock };
        let path = site.folder(HUB).join(AUDIT);
        let fetch = async |offset| read_behind(&path, offset);
        join3(health.run(recorder), audit.run(recorder, fetch), self.count(site, recorder)).await;
    }

    fn observation_lag(&self, clock: &Clock) -> Duration {
        clock.system(LOOK + PATIENCE)
    }

    fn on_log(&self, _site: &Site, recorder: &Recorder, line: LogLine) {
        watch::lines::record(line, self.log_clock.get(), &self.kit, recorder);
    }

    fn on_lost_log(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, lost: Lost) {
        let why = format!("{} lines of {service}'s log were lost", lost.lines);
        recorder.record(lost.within, What::Blind { prefix: format!("{HUB}/circuit/"), why });
    }
}
