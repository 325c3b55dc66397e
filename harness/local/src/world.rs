//! The world of processes: [`LocalWorld`].

use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join;
use harness_core::event::{Answer, What};
use harness_core::fault::{Fault, Strike, Target};
use harness_core::journal::Journal;
use harness_core::owner::Owner;
use harness_core::recorder::Recorder;
use harness_core::time::{At, Span};
use harness_core::world::{Evidence, Healed, World, WorldError, WorldKind};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::deathwatch::WatcherCommand;
use crate::effect::means;
use crate::heartbeat::Heartbeat;
use crate::leftovers::folder_of;
use crate::lines::{LogLine, UNREAD};
use crate::reaper::Reaper;
use crate::service::Crew;
use crate::site::Site;
use crate::system::LocalSystem;
use crate::topology::Topology;

/// How often, in real time, to look for processes that ended and lines that were lost.
const ROUND: Duration = Duration::from_millis(10);

/// How a world of processes is to be.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// System seconds in a real second, more than 0.
    pub speed: f64,
    /// Decides what the proxies draw.
    pub seed: u64,
    /// How to start the reaper: an executable with arguments that lead to
    /// [`reaper::main`](crate::reaper::main).
    pub reaper: WatcherCommand,
}

/// A world whose services are child processes on 127.0.0.1, and whose edges are proxies in this process.
///
/// However it ends, nothing of it stays: stopped or dropped it takes everything down; when its process
/// is killed, the reaper does.
pub struct LocalWorld<S> {
    system: S,
    config: LocalConfig,
    owner: Owner,
    journal: Rc<RefCell<Journal>>,
    clock: Clock,
    broken: RefCell<Vec<Broken>>,
    lines: (mpsc::Sender<LogLine>, Mutex<mpsc::Receiver<LogLine>>),
    ground: RefCell<Option<Rc<Ground>>>,
}

/// What the world has made since it started. Fields are dropped in this order: the reaper goes last,
/// and ends what is left.
struct Ground {
    topology: RefCell<Option<Rc<Topology>>>,
    _heartbeat: Heartbeat,
    stalls: Mutex<mpsc::Receiver<Span>>,
    network: Network,
    scratch: TempDir,
    reaper: Rc<Reaper>,
}

/// A [`Site`] in use.
#[derive(Debug)]
pub struct SiteRef(Rc<Topology>);

impl std::ops::Deref for SiteRef {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.0.site
    }
}

/// A thread for what must go on whatever the run's own thread does: bytes through proxies, time
/// stamps of log lines, ends of processes.
struct Network(Option<Runtime>);

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Waiting for it is not allowed within another runtime, and there is nothing to wait for.
            runtime.shutdown_background();
        }
    }
}

/// A fault that is in effect, or was on its way there.
struct Broken {
    name: String,
    fault: Fault,
    inverse: u64,
}

impl<S: LocalSystem> LocalWorld<S> {
    /// A world that has not started yet. Its time starts now.
    ///
    /// # Errors
    /// When the speed is impossible or `/proc` can't be read.
    pub fn new(system: S, config: LocalConfig, journal: Rc<RefCell<Journal>>) -> Result<Self, WorldError> {
        let clock = Clock::start(config.speed).map_err(|error| WorldError::Ground {
            problem: error.to_string(),
            next_step: "choose another --speed".into(),
        })?;
        let owner = Owner::current()
            .map_err(|error| no_ground("this process is not to be found in /proc", &error))?;
        let (sender, receiver) = mpsc::channel(UNREAD);
        Ok(Self {
            system,
            config,
            owner,
            journal,
            clock,
            broken: RefCell::default(),
            lines: (sender, Mutex::new(receiver)),
            ground: RefCell::new(None),
        })
    }

    /// The system, as it was given.
    pub fn system(&self) -> &S {
        &self.system
    }

    /// The ground the services stand on, from the start of the world to its end.
    pub fn site(&self) -> Option<SiteRef> {
        self.topology().ok().map(SiteRef)
    }

    fn lay_ground(&self) -> Result<Rc<Ground>, WorldError> {
        let mark = mark(&self.owner);
        let scratch = folder_of(&mark);
        let reaper = Reaper::arm(&self.config.reaper, &mark).and_then(|reaper| {
            // Before it is made: there is no instant at which nobody would remove it.
            reaper.folder_made(&scratch)?;
            Ok(Rc::new(reaper))
        });
        let reaper = reaper.map_err(|error| no_ground("the reaper can't be started", &error))?;
        let scratch =
            make_folder(&scratch).map_err(|error| no_ground("no folder to work in can be made", &error))?;
        let network = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("network")
            .enable_all()
            .build()
            .map_err(|error| no_ground("no thread can be started", &error))?;
        let (heartbeat, stalls) =
            Heartbeat::start(self.clock).map_err(|error| no_ground("no thread can be started", &error))?;
        let ground = Rc::new(Ground {
            topology: RefCell::new(None),
            _heartbeat: heartbeat,
            stalls: Mutex::new(stalls),
            network: Network(Some(network)),
            scratch,
            reaper,
        });
        *self.ground.borrow_mut() = Some(Rc::clone(&ground));
        Ok(ground)
    }

    fn ground(&self) -> Option<Rc<Ground>> {
        self.ground.borrow().clone()
    }

    fn topology(&self) -> Result<Rc<Topology>, WorldError> {
        let topology = self.ground().and_then(|ground| ground.topology.borrow().clone());
        topology.ok_or_else(|| WorldError::Failed("the world has not started".into()))
    }

    fn beside(&self, name: &str) -> Vec<Fault> {
        let broken = self.broken.borrow();
        broken.iter().filter(|broken| broken.name != name).map(|broken| broken.fault.clone()).collect()
    }

    fn mended(&self, name: &str) {
        let mut broken = self.broken.borrow_mut();
        let Some(at) = broken.iter().position(|broken| broken.name == name) else { return };
        let Broken { inverse, .. } = broken.remove(at);
        if let Err(error) = self.journal.borrow_mut().done(inverse) {
            // It stays open and is carried out once more, to no effect.
            tracing::warn!(%error, "the undo journal can't be written");
        }
    }

    /// Passes on what the services logged, when they ended and when the machine stalled.
    async fn watch(&self, ground: &Ground, topology: &Topology, recorder: &Recorder) {
        let mut lines = self.lines.1.lock().await;
        let mut stalls = ground.stalls.lock().await;
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let site = &topology.site;
        loop {
            tokio::select! {
                biased;
                Some(stall) = stalls.recv() => recorder.record(stall, What::Stall),
                _ = round.tick() => {
                    for (name, service) in &topology.services {
                        if let Some(lost) = service.output.take_lost() {
                            self.system.on_lost_log(site, recorder, name, lost);
                        }
                        if let Some(exit) = service.unasked_exit() {
                            self.system.on_exit(site, recorder, name, &exit.to_string(), Span::exactly(exit.at));
                        }
                    }
                }
                Some(line) = lines.recv() => self.system.on_log(site, recorder, line),
            }
        }
    }
}

impl<S: LocalSystem> World for LocalWorld<S> {
    fn kind(&self) -> WorldKind {
        WorldKind::Local
    }

    fn now(&self) -> At {
        self.clock.now()
    }

    async fn sleep_until(&self, at: At) {
        self.clock.sleep_until(at).await;
    }

    fn observation_lag(&self) -> Duration {
        self.system.observation_lag(&self.clock) + self.clock.system(ROUND)
    }

    async fn start(&self) -> Result<(), WorldError> {
        let ground = self.lay_ground()?;
        let Some(network) = ground.network.0.as_ref().map(|runtime| runtime.handle().clone()) else {
            return Err(WorldError::Failed("the world is being taken down".into()));
        };
        let folder = ground.scratch.path().to_owned();
        let site = Site::new(self.clock, self.config.seed, folder, network.clone());
        let specs = self.system.plan(&site)?;
        let crew = Crew { clock: self.clock, reaper: Rc::clone(&ground.reaper), watch: network };
        let topology = Rc::new(Topology::install(site, specs, crew, &self.lines.0)?);
        *ground.topology.borrow_mut() = Some(Rc::clone(&topology));
        topology.start().await
    }

    fn supports(&self, fault: &Fault) -> Result<(), WorldError> {
        let what = match fault {
            Fault::ClockStep(_) => format!("{fault}: a process takes the machine's clock"),
            Fault::Flap(flap) => return self.supports(&flap.fault),
            fault => match fault.target() {
                Target::Service(_) => return Ok(()),
                Target::Edge(_) => match means(fault, &self.clock) {
                    Ok(_) => return Ok(()),
                    Err(why) => why,
                },
            },
        };
        Err(WorldError::Unsupported { world: WorldKind::Local, what })
    }

    async fn inject(&self, name: &str, fault: &Fault) -> Result<Option<Evidence>, WorldError> {
        self.supports(fault)?;
        let topology = self.topology()?;
        if self.broken.borrow().iter().any(|broken| broken.name == name) {
            return Err(WorldError::Failed(format!("{name} is in effect already")));
        }
        let action = topology.undo(fault)?.action()?;
        let about = format!("{name}: {fault}");
        let inverse = self.journal.borrow_mut().about_to(&self.owner, WorldKind::Local, &about, action);
        let inverse = inverse.map_err(|error| WorldError::Ground {
            problem: format!("the undo journal can't be written, so nothing is broken: {error}"),
            next_step: "make room on its disk, or make its folder writable".into(),
        })?;
        // From here on it is to be healed, even when this future is dropped at its next await.
        self.broken.borrow_mut().push(Broken { name: name.to_owned(), fault: fault.clone(), inverse });
        topology.inject(name, fault).await
    }

    async fn heal(&self, name: &str) -> Result<Healed, WorldError> {
        let fault =
            self.broken.borrow().iter().find(|broken| broken.name == name).map(|broken| broken.fault.clone());
        let Some(fault) = fault else { return Ok(Evidence("it was not broken".into()).into()) };
        let healed = self.topology()?.heal(name, &fault, &self.beside(name)).await?;
        self.mended(name);
        Ok(healed)
    }

    async fn strike(&self, strike: &Strike) -> Result<Option<Evidence>, WorldError> {
        let in_the_way = self
            .broken
            .borrow()
            .iter()
            .find(|broken| broken.fault.target() == strike.target())
            .map(|broken| broken.fault.clone());
        match (strike, in_the_way) {
            (Strike::Restart(_), Some(fault)) => {
                Err(WorldError::Failed(format!("{strike}: not while {fault}")))
            }
            _ => self.topology()?.strike(strike).await,
        }
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        match self.topology() {
            Ok(topology) => self.system.send(&topology.site, request, number).await,
            Err(error) => Answer::new("unavailable").with("error", error.to_string()),
        }
    }

    async fn observe(&self, recorder: &Recorder) {
        if let (Some(ground), Ok(topology)) = (self.ground(), self.topology()) {
            let system = self.system.observe(&topology.site, recorder);
            join(system, self.watch(&ground, &topology, recorder)).await;
        }
    }

    async fn stop(&self) -> Vec<String> {
        let Some(ground) = self.ground.take() else { return Vec::new() };
        let mut left = Vec::new();
        let topology = ground.topology.take();
        if let Some(topology) = topology {
            left.extend(topology.stop().await);
        }
        // Everything that was broken is gone.
        let broken: Vec<_> = self.broken.borrow().iter().map(|broken| broken.name.clone()).collect();
        for name in &broken {
            self.mended(name);
        }
        match Rc::try_unwrap(ground) {
            Ok(ground) => left.extend(ground.clear(left.is_empty())),
            Err(_) => left.push("the world is still being watched; it goes when that ends".into()),
        }
        left
    }
}

impl Ground {
    /// Gives everything back. A reaper that is not dismissed goes over it once more.
    fn clear(self, dismiss: bool) -> Option<String> {
        let Self { topology, _heartbeat: heartbeat, network, scratch, reaper, stalls: _ } = self;
        drop((topology, heartbeat, network));
        let folder = scratch.path().display().to_string();
        let left = scratch.close().err().map(|error| format!("{folder}: {error}"));
        if let (true, Ok(reaper)) = (dismiss, Rc::try_unwrap(reaper))
            && let Err(error) = reaper.dismiss()
        {
            tracing::debug!(%error, "the reaper was gone before");
        }
        left
    }
}

/// Makes exactly this folder, which must not exist yet. Nobody else sees what is in it, but whoever is told where
/// something is gets there: a service may be another user's.
fn make_folder(folder: &Path) -> std::io::Result<TempDir> {
    let (place, name) = folder.parent().zip(folder.file_name()).ok_or(std::io::ErrorKind::InvalidInput)?;
    let folder = tempfile::Builder::new().prefix(name).rand_bytes(0).tempdir_in(place)?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
    Ok(folder)
}

/// A mark for the processes of one world, unlike that of any other.
fn mark(owner: &Owner) -> String {
    static WORLDS: AtomicU64 = AtomicU64::new(0);
    format!("{owner}.{}", WORLDS.fetch_add(1, Ordering::Relaxed))
}

fn no_ground(what: &str, error: &std::io::Error) -> WorldError {
    WorldError::Ground {
        problem: format!("{what}: {error}"),
        next_step: "see that the machine has processes, memory and room for temporary files to spare".into(),
    }
}
