//! A machine, a database, and operators at work on both.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use dive_orchestrator::deploy::simulated::{SimulatedPlatform, newer_secrets};
use dive_orchestrator::deploy::{
    Confirmed, Engine, Event, Interrupted, Order, Platform, Report, Site, Thing,
};
use dive_orchestrator::pipeline::{Ask, Ending};
use dive_orchestrator::store::{Database, SqlStore};
use dive_orchestrator::{DeploymentState, Holder, Instance, Phase, Slot, Store, StoreError};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::time::Time;
use crate::watched::{Alive, Process, Watched};

enum Kept {
    Memory(Database),
    Sqlite(tempfile::TempDir),
}

/// What happened, and when.
pub(crate) type Log = Arc<Mutex<Vec<(std::time::Duration, Event)>>>;

pub(crate) struct World {
    pub(crate) time: Time,
    pub(crate) machine: SimulatedPlatform,
    /// What operators deploy onto: the machine, or something wrong before it.
    pub(crate) platform: Arc<dyn Platform>,
    kept: Kept,
    faults: Arc<Mutex<Option<crate::watched::Faults>>>,
    pub(crate) log: Log,
    pub(crate) order: Order,
    pids: AtomicU32,
    alive: Alive,
    forgets: AtomicBool,
    tokio: tokio::runtime::Runtime,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Deploy,
    Resume,
    Rollback(Option<Phase>),
    Remove,
    Down,
    Rotate,
}

pub(crate) fn spoke(code: &str) -> Instance {
    Instance::Spoke(code.parse().unwrap())
}

impl World {
    pub(crate) fn in_memory() -> Self {
        let time = Time::default();
        let clock = time.clone();
        Self::new(time, Kept::Memory(Database::new(move || clock.stamp())))
    }

    pub(crate) fn on_disk() -> Self {
        let world = Self::new(Time::default(), Kept::Sqlite(tempfile::tempdir().unwrap()));
        let store = world.client();
        world.tokio.block_on(store.migrate()).unwrap();
        world
    }

    fn new(time: Time, kept: Kept) -> Self {
        let machine = SimulatedPlatform::new(time.runtime());
        Self {
            platform: Arc::new(machine.clone()),
            machine,
            time,
            kept,
            faults: Arc::default(),
            log: Log::default(),
            order: Order::Parallel,
            pids: AtomicU32::new(1),
            alive: Alive::default(),
            forgets: AtomicBool::new(false),
            tokio: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    pub(crate) fn database(&self) -> &Database {
        match &self.kept {
            Kept::Memory(database) => database,
            Kept::Sqlite(_) => panic!("it is kept in a file"),
        }
    }

    fn client(&self) -> Box<dyn Store> {
        match &self.kept {
            Kept::Memory(database) => Box::new(database.connect()),
            Kept::Sqlite(dir) => {
                let file: PathBuf = dir.path().join("db");
                let clock = self.time.clone();
                Box::new(SqlStore::sqlite(&file).clocked_by(move || clock.stamp()))
            }
        }
    }

    /// From now on a call of the store fails when `faults` says so of its name.
    pub(crate) fn store_fails(&self, faults: impl Fn(&str) -> Option<StoreError> + Send + Sync + 'static) {
        *self.faults.lock() = Some(Arc::new(faults));
    }

    pub(crate) fn store_heals(&self) {
        *self.faults.lock() = None;
    }

    /// From now on nobody hears of a lock that was not given back.
    pub(crate) fn forgets_who_was_before(&self) {
        self.forgets.store(true, Ordering::Relaxed);
    }

    /// An operator's process, with a client of its own.
    pub(crate) fn engine(&self) -> Engine {
        let faults = Arc::clone(&self.faults);
        let (time, log) = (self.time.clone(), Arc::clone(&self.log));
        let (pid, alive) = (self.pids.fetch_add(1, Ordering::Relaxed), self.alive.clone());
        Engine {
            store: Arc::new(Watched {
                inner: self.client(),
                forgets: self.forgets.load(Ordering::Relaxed),
                _process: Process::started(pid, &alive),
                time: self.time.clone(),
                faults: Arc::new(move |name| faults.lock().clone().and_then(|faults| faults(name))),
            }),
            platform: Arc::clone(&self.platform),
            runtime: self.time.runtime(),
            chance: Arc::new(|| 0.5),
            observer: Arc::new(move |event: &Event| log.lock().push((time.since_start(), event.clone()))),
            holder: Holder { host: "here".to_owned(), pid },
            gone: Arc::new(move |holder| alive.is_gone(holder.pid)),
            order: self.order,
        }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.log.lock().iter().map(|(_, event)| event.clone()).collect()
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.cut(None, work).expect("it is not cut")
    }

    /// Runs `work` for this many steps; `None` when that was not enough.
    pub(crate) fn cut<T>(&self, steps: Option<u64>, work: impl Future<Output = T>) -> Option<T> {
        self.tokio.block_on(self.time.drive(steps, |_| {}, work))
    }

    /// Runs `work`, with `before` called before each of its steps.
    pub(crate) fn watch<T>(&self, before: impl FnMut(u64), work: impl Future<Output = T>) -> T {
        self.tokio.block_on(self.time.drive(None, before, work)).expect("it is not cut")
    }

    pub(crate) async fn command(
        engine: Engine,
        instance: &Instance,
        command: Command,
    ) -> Result<Report, Interrupted> {
        let stop = CancellationToken::new();
        match command {
            Command::Deploy => engine.deploy(instance, &Ask::Deploy.into(), &stop).await,
            Command::Resume => engine.deploy(instance, &Ask::Resume.into(), &stop).await,
            Command::Rollback(to) => engine.rollback(instance, to, &stop).await,
            Command::Remove => engine.remove(instance, true, Confirmed::said(true)?, &stop).await,
            Command::Down => engine.down(instance, &stop).await,
            Command::Rotate => {
                let site = Site { instance: instance.clone(), slot: Slot::HUB };
                let existing = engine.platform.existing(&site).await.map_err(Interrupted::Refused)?;
                engine.rotate(instance, &newer_secrets(instance, &existing), &stop).await
            }
        }
    }

    /// Runs a command to its end.
    pub(crate) fn does(&self, instance: &Instance, command: Command) -> Result<Report, Interrupted> {
        self.run(Box::pin(Self::command(self.engine(), instance, command)))
    }

    /// Runs a command that comes to this end.
    pub(crate) fn ends(&self, instance: &Instance, command: Command, ending: Ending) -> Report {
        let report = self.does(instance, command).unwrap();
        assert_eq!(report.ending, ending, "{command:?}: {:?}", report.failure);
        report
    }

    pub(crate) fn stored<T>(&self, read: impl AsyncFnOnce(&dyn Store) -> T) -> T {
        let client = self.client();
        self.tokio.block_on(read(&*client))
    }

    pub(crate) fn state(&self, instance: &Instance) -> DeploymentState {
        self.stored(async |store| store.state(instance).await.unwrap())
    }

    pub(crate) fn finished(&self, instance: &Instance) -> Vec<Phase> {
        self.stored(async |store| store.checkpoints(instance).await.unwrap())
            .iter()
            .map(|checkpoint| checkpoint.phase)
            .collect()
    }

    pub(crate) fn written_down(&self, instance: &Instance) -> BTreeSet<Thing> {
        let intents = self.stored(async |store| store.intents(instance).await.unwrap());
        intents.iter().map(|intent| Thing::from(&intent.resource)).collect()
    }

    pub(crate) fn there(&self, instance: &Instance) -> BTreeSet<Thing> {
        self.machine.left(instance).into_iter().collect()
    }

    /// What must hold whenever nobody is at work, whatever was cut short.
    pub(crate) fn is_sound(&self, instance: &Instance) {
        self.knows_its_secret(instance);
        let (there, written) = (self.there(instance), self.written_down(instance));
        assert!(there.is_subset(&written), "there, and not written down: {:?}", &there - &written);
        assert_eq!(self.machine.broken_rules(), Vec::<String>::new());
        let holder = self.stored(async |store| store.holder(instance).await.unwrap());
        assert_eq!(holder, None, "nobody is at work");
        if self.state(instance) == DeploymentState::Complete {
            self.stands(instance);
        }
    }

    /// It is COMPLETE, whole and healthy, and nothing else is there.
    pub(crate) fn stands(&self, instance: &Instance) {
        assert_eq!(self.state(instance), DeploymentState::Complete);
        assert!(self.machine.is_healthy(instance), "{:?}", self.machine);
        assert_eq!(self.there(instance), self.written_down(instance));
        let finished = self.finished(instance);
        assert!(
            Phase::ALL.iter().all(|phase| phase.is_optional() || finished.contains(phase)),
            "{finished:?}"
        );
        let versions = self.versions(instance);
        assert_eq!((self.machine.opening(instance), versions.len()), (versions, 1));
    }

    /// The versions of its secret that are there.
    pub(crate) fn versions(&self, instance: &Instance) -> BTreeSet<u32> {
        let there = self.machine.left(instance);
        there.iter().filter_map(|thing| thing.name.split("/secrets/keycloak.").nth(1)?.parse().ok()).collect()
    }

    /// What the identity provider takes is among what is there.
    fn knows_its_secret(&self, instance: &Instance) {
        let (opening, there) = (self.machine.opening(instance), self.versions(instance));
        let is_known = opening.is_empty() || !opening.is_disjoint(&there);
        assert!(
            is_known || self.state(instance) == DeploymentState::Unknown,
            "{opening:?} open, {there:?} are there"
        );
    }

    /// Nothing of it is there, written down or finished.
    pub(crate) fn is_gone(&self, instance: &Instance) {
        assert_eq!(self.there(instance), BTreeSet::new());
        assert_eq!(self.written_down(instance), BTreeSet::new());
        assert_eq!(self.finished(instance), []);
        assert_eq!(self.machine.running(instance), []);
    }
}
