//! The world of containers: [`DockerWorld`].
//!
//! ```text
//!                 DockerSystem::plan ──► ContainerPlan, Site::via      what to run, which edges there are
//!                        │
//!   DockerWorld ──► ground ──► a network of its own and Toxiproxy on it
//!     (World)   └─► fleet ───► plan (can it be carried out, are its images there)
//!                     ├──────► service ──► the toolkit's outages
//!                     ├──────► edge ─────► Toxiproxy (control) ◄── canary: means (what to do), proof (what must show)
//!                     │         └────────► interceptors
//!                     └──────► watch ────► DockerSystem::on_log, on_exit
//!   undo: how any process takes a fault back
//! ```
//!
//! Every edge is a proxy of one real Toxiproxy: a caller calls Toxiproxy's container, at a port that is the
//! edge's own. Durations of a scenario are in system time, those of the engine in real time.

mod control;
mod edge;
mod errors;
mod fleet;
mod ground;
mod interceptors;
mod means;
mod plan;
mod proof;
mod service;
mod site;
mod system;
mod undo;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::join;
use harness_core::event::{Answer, What};
use harness_core::fault::{Fault, Strike, Target};
use harness_core::journal::Journal;
use harness_core::owner::Owner;
use harness_core::recorder::Recorder;
use harness_core::time::{At, Span};
use harness_core::world::{Evidence, Healed, World, WorldError, WorldKind};
use harness_local::clock::Clock;
use harness_local::heartbeat::Heartbeat;
use tokio::sync::{Mutex, mpsc};

use self::errors::engine_failed;
use self::fleet::Fleet;
use self::ground::Ground;
use self::interceptors::Interceptors;
use self::means::means;
use self::watch::{Death, Listener};
use crate::engine::Engine;
use crate::images::{Images, Recipe, Source};
use crate::logs::Line;
use crate::reaper::Watched;

pub use self::interceptors::InterceptorRole;
pub use self::site::Site;
pub use self::system::{ContainerPlan, DockerSystem, ImageChoice};
pub use self::undo::{EdgeUndo, Undo, heal};

/// Lines of all services that may wait to be read; then the engine keeps them.
const UNREAD_LINES: usize = 16_384;
const UNREAD_DEATHS: usize = 64;
/// How much later than the engine stamped it, in real time, a line or an end may be told.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// How a world of containers is to be.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// System seconds in a real second, more than 0; usually 1.
    pub speed: f64,
    /// For the system to draw from. Toxiproxy draws from no seed.
    pub seed: u64,
    /// Whom everything belongs to: this process, by the reaper that it has armed.
    pub owner: Watched,
    /// Where images come from.
    pub images: Source,
    /// What recipes for the running executable put in: usually [`std::env::current_exe`].
    pub executable: PathBuf,
    /// How to come by Toxiproxy.
    pub toxiproxy: Recipe,
    /// How to come by an interceptor; without, no certificate can be foreign.
    pub interceptor: Option<InterceptorRole>,
}

/// A world whose services are containers on a network of their own, and whose edges are proxies of a Toxiproxy
/// there.
///
/// However it ends, nothing of it stays: stopped or dropped it takes everything down; when its process is
/// killed, the reaper does.
pub struct DockerWorld<S> {
    system: S,
    config: DockerConfig,
    owner: Owner,
    journal: Rc<RefCell<Journal>>,
    clock: Clock,
    broken: RefCell<Vec<Broken>>,
    injected: Cell<u64>,
    /// Ids of what is written down and not yet undone.
    open: RefCell<BTreeSet<u64>>,
    lines: (mpsc::Sender<Line>, Mutex<mpsc::Receiver<Line>>),
    deaths: (mpsc::Sender<Death>, Mutex<mpsc::Receiver<Death>>),
    pulse: RefCell<Option<Rc<Pulse>>>,
    listener: RefCell<Option<Listener>>,
    /// Before the ground: containers go with their network.
    fleet: RefCell<Option<Rc<Fleet>>>,
    ground: RefCell<Option<Rc<Ground>>>,
    settled: Cell<bool>,
    set_up: Cell<Duration>,
}

/// A [`Site`] in use.
#[derive(Debug)]
pub struct SiteRef(Rc<Fleet>);

impl std::ops::Deref for SiteRef {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.0.site
    }
}

/// Whether the machine itself kept going.
struct Pulse {
    _heartbeat: Heartbeat,
    stalls: Mutex<mpsc::Receiver<Span>>,
}

/// A fault that is in effect, or was on its way there.
struct Broken {
    name: String,
    number: u64,
    fault: Fault,
    inverse: u64,
}

impl<S: DockerSystem> DockerWorld<S> {
    /// A world that has not started yet. Its time starts now.
    ///
    /// # Errors
    /// When the speed is impossible or `/proc` can't be read.
    pub fn new(system: S, config: DockerConfig, journal: Rc<RefCell<Journal>>) -> Result<Self, WorldError> {
        let clock = Clock::start(config.speed).map_err(|error| WorldError::Ground {
            problem: error.to_string(),
            next_step: "choose another --speed".into(),
        })?;
        let owner = Owner::current()
            .map_err(|error| WorldError::Failed(format!("this process is not in /proc: {error}")))?;
        let (lines, unread_lines) = mpsc::channel(UNREAD_LINES);
        let (deaths, unread_deaths) = mpsc::channel(UNREAD_DEATHS);
        Ok(Self {
            system,
            config,
            owner,
            journal,
            clock,
            broken: RefCell::default(),
            injected: Cell::default(),
            open: RefCell::default(),
            lines: (lines, Mutex::new(unread_lines)),
            deaths: (deaths, Mutex::new(unread_deaths)),
            pulse: RefCell::default(),
            listener: RefCell::default(),
            fleet: RefCell::default(),
            ground: RefCell::default(),
            settled: Cell::new(false),
            set_up: Cell::default(),
        })
    }

    /// The system, as it was given.
    pub fn system(&self) -> &S {
        &self.system
    }

    /// The ground the services stand on, from the start of the world to its end.
    pub fn site(&self) -> Option<SiteRef> {
        self.fleet().ok().map(SiteRef)
    }

    fn fleet(&self) -> Result<Rc<Fleet>, WorldError> {
        let fleet = self.fleet.borrow().clone();
        fleet.ok_or_else(|| WorldError::Failed("the world has not started".into()))
    }

    fn start_heart(&self) -> Result<(), WorldError> {
        let (heartbeat, stalls) = Heartbeat::start(self.clock).map_err(|error| WorldError::Ground {
            problem: format!("no thread can be started: {error}"),
            next_step: "see that the machine has processes and memory to spare".into(),
        })?;
        *self.pulse.borrow_mut() = Some(Rc::new(Pulse { _heartbeat: heartbeat, stalls: Mutex::new(stalls) }));
        Ok(())
    }

    /// Writes an inverse down; its id in the journal.
    fn about_to(&self, about: &str, action: serde_json::Value) -> Result<u64, WorldError> {
        let inverse = self.journal.borrow_mut().about_to(&self.owner, WorldKind::Docker, about, action);
        let inverse = inverse.map_err(|error| WorldError::Ground {
            problem: format!("the undo journal can't be written, so nothing is broken: {error}"),
            next_step: "make room on its disk, or make its folder writable".into(),
        })?;
        self.open.borrow_mut().insert(inverse);
        Ok(inverse)
    }

    fn done(&self, inverse: u64) {
        self.open.borrow_mut().remove(&inverse);
        if let Err(error) = self.journal.borrow_mut().done(inverse) {
            // It stays open and is carried out once more, to no effect.
            tracing::warn!(%error, "the undo journal can't be written");
        }
    }

    fn mended(&self, name: &str) {
        let mut broken = self.broken.borrow_mut();
        if let Some(at) = broken.iter().position(|broken| broken.name == name) {
            self.done(broken.remove(at).inverse);
        }
    }

    /// Passes on what the services logged, when they ended and when the machine stalled.
    async fn watch(&self, fleet: &Fleet, recorder: &Recorder) {
        let Some(pulse) = self.pulse.borrow().clone() else { return };
        let mut stalls = pulse.stalls.lock().await;
        let mut lines = self.lines.1.lock().await;
        let mut deaths = self.deaths.1.lock().await;
        let began = self.clock.now();
        loop {
            tokio::select! {
                biased;
                Some(stall) = stalls.recv() => recorder.record(stall, What::Stall),
                Some(death) = deaths.recv() => {
                    let at = watch::instant(death.at, &self.clock);
                    let unasked = fleet.service(&death.service).map_or(true, |service| service.ended_unasked(at));
                    if unasked && !interceptors::is_one(&death.service) {
                        let at = Span::exactly(at);
                        self.system.on_exit(&fleet.site, recorder, &death.service, &death.how(), at);
                    }
                }
                Some(line) = lines.recv() => {
                    let line = watch::told(line, &self.clock);
                    let now = self.clock.now();
                    if line.received > began && now - line.received > self.clock.system(TOLD_WITHIN) {
                        let late = Span::between(line.received, now);
                        self.system.on_late_log(&fleet.site, recorder, &line.service, late);
                    }
                    self.system.on_log(&fleet.site, recorder, line);
                }
            }
        }
    }
}

impl<S: DockerSystem> World for DockerWorld<S> {
    fn kind(&self) -> WorldKind {
        WorldKind::Docker
    }

    fn now(&self) -> At {
        self.clock.now()
    }

    async fn sleep_until(&self, at: At) {
        self.clock.sleep_until(at).await;
    }

    fn observation_lag(&self) -> Duration {
        self.system.observation_lag(&self.clock).max(self.clock.system(TOLD_WITHIN))
    }

    async fn start(&self) -> Result<(), WorldError> {
        let began = self.clock.now();
        self.start_heart()?;
        let engine = Engine::connect().await.map_err(engine_failed)?;
        let ground = Rc::new(Ground::lay(&engine, &self.config.owner).await?);
        *self.ground.borrow_mut() = Some(Rc::clone(&ground));
        *self.listener.borrow_mut() =
            Some(watch::deaths(&engine, ground.topology.name(), self.deaths.0.clone()));
        let images = Images::new(&engine, self.config.images, &self.config.executable);
        let toxiproxy = ground.start_toxiproxy(&images, &self.config.toxiproxy).await?;
        let site =
            Site::new(self.clock, self.config.seed, ground.topology.name(), toxiproxy.container.address());
        let plans = self.system.plan(&site)?;
        let interceptors = Interceptors::new(Rc::clone(&ground), self.config.interceptor.clone());
        let fleet = Rc::new(Fleet::new(ground, toxiproxy, interceptors, site, self.lines.0.clone()));
        *self.fleet.borrow_mut() = Some(Rc::clone(&fleet));
        fleet.start(plans, &images).await?;
        self.system.prepare(&fleet.site).await?;
        self.settled.set(true);
        self.set_up.set(self.clock.real(self.clock.now() - began));
        Ok(())
    }

    fn supports(&self, fault: &Fault) -> Result<(), WorldError> {
        let what = match fault {
            Fault::ClockStep(_) => format!("{fault}: a container takes the machine's clock"),
            Fault::Flap(flap) => return self.supports(&flap.fault),
            fault => match fault.target() {
                Target::Service(_) => return Ok(()),
                Target::Edge(_) => match means(fault, &self.clock) {
                    Ok(_) => return Ok(()),
                    Err(why) => why,
                },
            },
        };
        Err(WorldError::Unsupported { world: WorldKind::Docker, what })
    }

    async fn inject(&self, name: &str, fault: &Fault) -> Result<Option<Evidence>, WorldError> {
        self.supports(fault)?;
        let fleet = self.fleet()?;
        if self.broken.borrow().iter().any(|broken| broken.name == name) {
            return Err(WorldError::Failed(format!("{name} is in effect already")));
        }
        let number = self.injected.get();
        let action = fleet.undo(number, fault)?.action()?;
        let inverse = self.about_to(&format!("{name}: {fault}"), action)?;
        self.injected.set(number + 1);
        // From here on it is to be healed, even when this future is dropped at its next await.
        self.broken.borrow_mut().push(Broken {
            name: name.to_owned(),
            number,
            fault: fault.clone(),
            inverse,
        });
        fleet.inject(number, fault).await
    }

    async fn heal(&self, name: &str) -> Result<Healed, WorldError> {
        let (mut this, mut beside) = (None, Vec::new());
        for broken in self.broken.borrow().iter() {
            if broken.name == name {
                this = Some((broken.number, broken.fault.clone()));
            } else {
                beside.push(broken.fault.clone());
            }
        }
        let Some((number, fault)) = this else { return Ok(Evidence("it was not broken".into()).into()) };
        let healed = self.fleet()?.heal(number, &fault, &beside).await?;
        self.mended(name);
        Ok(healed)
    }

    async fn strike(&self, strike: &Strike) -> Result<Option<Evidence>, WorldError> {
        let in_the_way = |broken: &&Broken| match strike {
            Strike::Restart(_) => broken.fault.target() == strike.target(),
            // Opening the edge again would heal it.
            Strike::Cut(edge) => broken.fault == Fault::Refuse(edge.clone()),
        };
        let in_the_way = self.broken.borrow().iter().find(in_the_way).map(|broken| broken.fault.clone());
        if let Some(fault) = in_the_way {
            return Err(WorldError::Failed(format!("{strike}: not while {fault}")));
        }
        let fleet = self.fleet()?;
        let inverse = self.about_to(&strike.to_string(), fleet.undo_strike(strike)?.action()?)?;
        let beside: Vec<_> = self.broken.borrow().iter().map(|broken| broken.fault.clone()).collect();
        let struck = fleet.strike(strike, &beside).await?;
        self.done(inverse);
        Ok(struck)
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        match self.fleet() {
            Ok(fleet) => self.system.send(&fleet.site, request, number).await,
            Err(error) => Answer::new("unavailable").with("error", error.to_string()),
        }
    }

    async fn observe(&self, recorder: &Recorder) {
        if let Ok(fleet) = self.fleet() {
            let text = format!("set up in {:.1?} {}", self.set_up.get(), fleet.inventory());
            recorder.record_at(self.clock.now(), What::Note { text });
            join(self.system.observe(&fleet.site, recorder), self.watch(&fleet, recorder)).await;
        }
    }

    async fn stop(&self) -> Vec<String> {
        let Some(ground) = self.ground.take() else { return Vec::new() };
        drop((self.fleet.take(), self.listener.take(), self.pulse.take()));
        let left = ground.clear(self.settled.get()).await;
        if left.is_empty() {
            // Everything that was broken is gone.
            self.broken.borrow_mut().clear();
            self.open.take().into_iter().for_each(|inverse| self.done(inverse));
        }
        left
    }
}
