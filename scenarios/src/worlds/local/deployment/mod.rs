//! Deploying in the world of processes: an operator's command is a process with the engine of `dive` in it, what it
//! keeps its state in is a SQLite file or a PostgreSQL server, and what it deploys are processes in place of containers.
//!
//! ```text
//!   LocalDeployment ── an order ──► host ── starts ──► order ── commits ──► store ─── its triggers ──┐
//!        ▲                         (killed, frozen       │                                           ▼
//!        │                          with all it started) └─ calls ──► machine ── tells ────────► witness
//!        │                                                              └─ starts ──► container      │
//!        └────────────────────────────── reads what was witnessed ◄──────────────────────────────────┘
//! ```
//!
//! | file | its one idea |
//! |---|---|
//! | `order` | a command's process, from its start to its end |
//! | `by_hand` | what is done to a database past the store |
//! | `machine` | what is deployed onto: a process that starts others, and outlives the operators |
//! | `door` | each part of it is called over an edge of its own |
//! | `container` | a process in place of a container |

mod by_hand;
mod container;
mod door;
mod machine;
mod order;

pub use container::serve as serve_container;
pub use door::serve as serve_door;
pub use machine::serve as serve_machine;
pub use order::carry_out as carry_out_order;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_core::event::Answer;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;
use harness_local::clock::Clock;
use harness_local::{LocalConfig, LocalSystem, LocalWorld, ServiceSpec, Site, WatcherCommand};

use super::super::deployment::reading::Reading;
use super::super::deployment::stage::{Means, STAGE, Stage, wall_ms};
use super::super::deployment::store::Store;
use super::super::deployment::witness::Witness;
use super::super::deployment::{host, keycloak_breaker, nothing_yet};
use super::super::real;
use super::super::watch::LogClock;
use crate::binding::deployment::orders::{Order, Outcome};
use crate::binding::deployment::topology::{
    COLLEAGUE, ENGINE, KEYCLOAK_BREAKER, NONE, OPERATOR, UNKNOWN, ground, opens_signal, watched,
};
use crate::execute::{ExecuteError, Plan};

/// How often, in real time, it is read what was witnessed.
const LOOK: Duration = Duration::from_millis(20);
/// How long after it happened, in real time, it may be before it is read.
const LAG: Duration = Duration::from_millis(250);
/// How long, in real time, the longest order may take: a hundred commands.
const PATIENCE: Duration = Duration::from_mins(40);
/// How long, in real time, a command has to come to the end of what it is writing.
const GRACE: Duration = Duration::from_secs(20);

/// Runs a plan's scenario on processes of this machine.
pub(in crate::worlds) fn run(
    plan: &Plan,
    folder: &Path,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
) -> Result<(), ExecuteError> {
    let config = LocalConfig {
        speed: plan.speed,
        seed: plan.seed,
        reaper: WatcherCommand { program: plan.program.clone(), args: vec!["serve".into(), "reaper".into()] },
    };
    let (program, store) = (plan.program.clone(), Store::of(plan)?);
    let system = LocalDeployment { program, store, origin_ms: wall_ms() };
    let world = |journal| LocalWorld::new(system, config, journal);
    real::on_this_thread(real::run(plan, folder, recorder, interrupt, world))
}

/// A machine and a database, and two hosts from which operators work on both.
struct LocalDeployment {
    program: PathBuf,
    store: Store,
    /// When it began, in real milliseconds since 1970.
    origin_ms: u64,
}

impl LocalDeployment {
    /// What a host knows; the machine itself, when it is none.
    fn stage(&self, site: &Site, host: Option<&str>) -> Result<Stage, WorldError> {
        let ways =
            host.map(|host| ground().map(|part| Ok((part.to_owned(), site.via(host, part)?))).collect());
        let ways = ways.transpose()?.unwrap_or_default();
        Ok(Stage {
            program: self.program.clone(),
            database: self.store.database(site, host)?,
            origin_ms: self.origin_ms,
            speed: site.clock().speed(),
            seed: site.seed(),
            means: Means::Engine { ways },
        })
    }

    /// A service that knows its stage.
    fn staged(
        &self,
        site: &Site,
        name: &str,
        role: &str,
        host: Option<&str>,
    ) -> Result<ServiceSpec, WorldError> {
        let listen = site.address(name)?.to_string();
        let stage = serde_json::to_vec(&self.stage(site, host)?);
        let stage = stage.map_err(|error| WorldError::Failed(error.to_string()))?;
        let mut spec = ServiceSpec::new(name, &self.program, "/health")
            .args(["serve", role, "--listen", &listen, "--stage", STAGE])
            .args(host.into_iter().flat_map(|host| ["--name", host]))
            .file(STAGE, stage);
        spec.grace = GRACE;
        Ok(spec)
    }
}

impl LocalSystem for LocalDeployment {
    fn plan(&self, site: &Site) -> Result<Vec<ServiceSpec>, WorldError> {
        let behind = site.address(ENGINE)?.to_string();
        let door = |part| {
            let listen = site.address(part)?.to_string();
            let door = ServiceSpec::new(part, &self.program, "/health").after(ENGINE);
            Ok(door.args(["serve", "door", "--listen", &listen, "--to", &behind]))
        };
        let host = |name| Ok(self.staged(site, name, "operators-host", Some(name))?.after(ENGINE));
        let store = self.store.service(&self.program, site)?;
        let mut machine = self.staged(site, ENGINE, "machine", None)?;
        machine.after.extend(store.iter().map(|store| store.name.clone()));
        let staged = [Ok(machine), host(OPERATOR), host(COLLEAGUE)];
        let doors = ground().filter(|part| *part != ENGINE).map(door);
        store.map(Ok).into_iter().chain(staged).chain(doors).collect()
    }

    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer {
        let Some(order) = Order::named(request) else {
            return Answer::new("error").with("error", "nobody is told such a thing here");
        };
        match site.address(order.by) {
            Ok(host) => host::tell(host, order, number, PATIENCE).await,
            Err(error) => Answer::new(Outcome::NoOperator.name()).with("error", error.to_string()),
        }
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let clock = *site.clock();
        let began = clock.now();
        nothing_yet(recorder, began);
        for instance in watched() {
            recorder.signal(Span::exactly(began), &opens_signal(&instance), NONE);
        }
        let Ok(stage) = self.stage(site, None) else { return };
        let eye = stage.connect();
        let mut witness = Witness::of(&stage.database);
        let mut reading = Reading::new(stage, LogClock::pair(began, clock.speed()));
        let mut last = began;
        loop {
            let now = clock.now();
            let witnessed = witness.read().await;
            // It was so when it was asked, or came to be so since it was asked last.
            let seen = || Span::between(last, clock.now());
            let breaker = match witnessed {
                Ok(witnessed) => {
                    for one in witnessed {
                        reading.record(&one, clock.now(), recorder);
                    }
                    reading.see_lapsed(seen(), &eye, recorder).await;
                    keycloak_breaker(&eye).await
                }
                Err(error) => {
                    tracing::debug!(%error, "what was witnessed can't be read");
                    reading.see_nothing(seen(), recorder);
                    UNKNOWN
                }
            };
            recorder.signal(seen(), KEYCLOAK_BREAKER, breaker);
            last = now;
            tokio::time::sleep(LOOK).await;
        }
    }

    fn observation_lag(&self, clock: &Clock) -> Duration {
        clock.system(LAG)
    }
}
