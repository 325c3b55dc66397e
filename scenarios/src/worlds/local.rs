//! DIVE in the world of processes: the node and the policy engine's stand-in as children of this process.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

use super::settings;
use super::watch::{self, AuditTail, Client, HealthWatch, LogClock, PATIENCE, read_behind};
use crate::binding::kit::Kit;
use crate::binding::reading::ENGINE;
use crate::binding::requests::{Class, Kind};
use crate::execute::{ExecuteError, Plan};
use crate::folders::JOURNAL;

const HUB: &str = "hub";
/// The audit file, in the hub's folder.
const AUDIT: &str = "audit.jsonl";
/// How often, in real time, the health document is read and the edges are counted.
const LOOK: Duration = Duration::from_millis(40);

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
        let world = LocalWorld::new(LocalDive::new(plan)?, config, journal.clone())?;
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

/// A hub and its policy engine, each a process.
struct LocalDive {
    program: PathBuf,
    settings: Settings,
    kit: Arc<Kit>,
    client: Client,
    sent: AtomicU64,
    log_clock: OnceCell<LogClock>,
}

impl LocalDive {
    fn new(plan: &Plan) -> Result<Self, ExecuteError> {
        Ok(Self {
            program: plan.program.clone(),
            settings: settings::of(plan)?,
            kit: Kit::now()?,
            client: Client::new()?,
            sent: AtomicU64::new(0),
            log_clock: OnceCell::new(),
        })
    }

    fn opa(&self, site: &Site) -> Result<ServiceSpec, WorldError> {
        let listen = site.address(ENGINE)?.to_string();
        Ok(ServiceSpec::new(ENGINE, &self.program, "/health")
            .args(["serve", "standin-opa", "--listen", &listen, "--data", "data.json"])
            .file("data.json", self.kit.coalition().policy_data().to_string()))
    }

    fn hub(&self, site: &Site) -> Result<ServiceSpec, WorldError> {
        let settings = settings::placed(
            &self.settings,
            &[
                ("http.listen", site.address(HUB)?.to_string()),
                ("opa.url", format!("http://{}", site.via(HUB, ENGINE)?)),
                ("files.issuers", "issuers.json".into()),
                ("files.resources", "resources.json".into()),
                ("audit.path", AUDIT.into()),
                ("log.format", "json".into()),
            ],
        )?;
        let mut hub = ServiceSpec::new(HUB, &self.program, "/health/live")
            .args(["serve", "node"])
            .file("issuers.json", self.kit.coalition().issuers_json().to_string())
            .file("resources.json", self.kit.coalition().resources_json().to_string())
            .after(ENGINE);
        hub.env.extend(settings::environment(&settings));
        Ok(hub)
    }

    /// Counts what is under way between the services, for ever.
    async fn count(&self, site: &Site, recorder: &Recorder) {
        let clock = *site.clock();
        let mut last_look = clock.now();
        loop {
            let now = clock.now();
            if let Some(most) = site.in_flight(HUB, ENGINE).filter(|most| *most > 0) {
                let measure = format!("{}/in-flight", Edge::new(HUB, ENGINE));
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
        Ok(vec![self.opa(site)?, self.hub(site)?])
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        let (Some(kind), Ok(hub)) = (Kind::named(request), site.address(HUB)) else {
            return Answer::new(Class::Error.name()).with("error", format!("no request is called {request}"));
        };
        let asked = self.kit.ask(kind, number, self.sent.fetch_add(1, Ordering::Relaxed));
        self.client.authorize(hub, &asked, site.clock().real(asked.patience)).await
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(address) = site.address(HUB) else { return };
        let clock = *site.clock();
        let health = HealthWatch { node: HUB, address, every: LOOK, clock, client: &self.client };
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
