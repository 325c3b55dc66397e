//! DIVE in the world of processes: the node and the stand-ins of what it depends on as children of this
//! process.

pub mod deployment;
mod services;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join3;
use harness_core::event::{Answer, What};
use harness_core::fault::{Edge, ServiceName};
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;
use harness_local::clock::Clock;
use harness_local::lines::Lost;
use harness_local::{LocalConfig, LocalSystem, LocalWorld, LogLine, ServiceSpec, Site, WatcherCommand};
use tokio::sync::OnceCell;

use self::services::{AUDIT, MANAGEMENT, Services};
use super::real::{self, Dive, base};
use super::tell_where;
use super::watch::{AuditTail, HealthWatch, read_behind};
use crate::binding::deployment::topology::DEPLOYMENT;
use crate::binding::requests::Class;
use crate::binding::topology::{HUB, KEYCLOAK, MONGODB, OPA, Shape};
use crate::execute::{ExecuteError, Plan};

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
    if plan.scenario.topology == DEPLOYMENT {
        return deployment::run(plan, folder, recorder, interrupt);
    }
    let config = LocalConfig {
        speed: plan.speed,
        seed: plan.seed,
        reaper: WatcherCommand { program: plan.program.clone(), args: vec!["serve".into(), "reaper".into()] },
    };
    let system =
        LocalDive { dive: Dive::new(plan, folder)?, program: plan.program.clone(), filled: OnceCell::new() };
    let world = |journal| LocalWorld::new(system, config, journal);
    real::on_this_thread(real::run(plan, folder, recorder, interrupt, world))
}

/// A topology of which every service is a process.
struct LocalDive {
    dive: Dive,
    program: PathBuf,
    /// Whether the store was filled; why not, otherwise. The first request sees to it.
    filled: OnceCell<Result<(), String>>,
}

impl LocalDive {
    async fn fill(&self, site: &Site) -> Result<(), String> {
        if self.dive.shape == Shape::HubAndOpa {
            return Ok(());
        }
        let told = |error: WorldError| error.to_string();
        let store = site.address(MONGODB).map_err(told)?;
        self.dive.fill(store, site.via(HUB, KEYCLOAK).map_err(told)?).await
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
        self.dive.pair_log_clock(site.clock());
        let Dive { settings, kit, certificates, shape, .. } = &self.dive;
        Services { program: &self.program, settings, kit, certificates, site }.of(*shape)
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        if let Err(why) = self.filled.get_or_init(|| self.fill(site)).await {
            let why = format!("the store could not be filled: {why}");
            return Answer::new(Class::Refused.name()).with("error", why);
        }
        let address = |service: &str| site.address(service);
        let management = || site.side_address(KEYCLOAK, MANAGEMENT);
        self.dive.send(request, number, site.clock(), address, management).await
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(base) = base(HUB, site.address(HUB)) else { return };
        let clock = *site.clock();
        let Dive { client, authority, shape, .. } = &self.dive;
        let shape = *shape;
        tell_where(shape, authority, recorder, clock.now(), |service| site.address(service));
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
        self.dive.on_log(recorder, line);
    }

    fn on_lost_log(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, lost: Lost) {
        let why = format!("{} lines of {service}'s log were lost", lost.lines);
        recorder.record(lost.within, What::Blind { prefix: format!("{HUB}/circuit/"), why });
    }
}
