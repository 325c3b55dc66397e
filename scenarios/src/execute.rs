//! One run, from a checked scenario to a judged record on disk.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use harness_core::history::History;
use harness_core::judge::judge;
use harness_core::record::{FORMAT, FileSink, Header, Record, Sink};
use harness_core::recorder::Recorder;
use harness_core::scenario::Scenario;
use harness_core::verdict::Judgement;
use harness_core::world::{WorldError, WorldKind};
use miette::Diagnostic;
use thiserror::Error;

use crate::binding::deployment::topology::DEPLOYMENT;
use crate::binding::invariants;
use crate::binding::kit::KitError;
use crate::catalogue;
use crate::folders::RECORD;
use crate::worlds;

/// What to run, where and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario.
    pub scenario: Scenario,
    /// The world.
    pub world: WorldKind,
    /// The seed of everything drawn by chance.
    pub seed: u64,
    /// System seconds in a real second. The virtual world knows no real second: it is 1 there.
    pub speed: f64,
    /// Settings over the scenario's own.
    pub settings: BTreeMap<String, String>,
    /// Where runs are stored.
    pub reports: PathBuf,
    /// What tells this run from others of the same scenario and world: its time, its number.
    pub stamp: String,
    /// When it starts, RFC 3339.
    pub started: String,
    /// The `chaos` binary: it plays every role of a topology.
    pub program: PathBuf,
}

impl Plan {
    /// A run in the virtual world that is judged where it is made: it is stored nowhere.
    pub fn simulated(scenario: Scenario, seed: u64) -> Self {
        Self {
            scenario,
            world: WorldKind::Virtual,
            seed,
            speed: 1.0,
            settings: BTreeMap::new(),
            reports: PathBuf::new(),
            stamp: String::new(),
            started: String::new(),
            program: PathBuf::new(),
        }
    }
}

/// A run that was made.
#[derive(Debug)]
pub struct Executed {
    /// Its folder.
    pub folder: PathBuf,
    /// Its record, as it was written.
    pub record: Record,
    /// What was found about it.
    pub judgement: Judgement,
    /// Its reports.
    pub written: reports::Written,
}

/// Why a run could not be made or stored.
#[derive(Debug, Error)]
pub enum ExecuteError {
    /// The scenario does not run in this world.
    #[error("{scenario} does not run in the {world} world")]
    OtherWorld {
        /// The scenario.
        scenario: String,
        /// The world asked for.
        world: WorldKind,
        /// The worlds it names.
        worlds: String,
    },
    /// A setting is unknown or out of range.
    #[error("{0}")]
    Setting(String),
    /// The world can't be made.
    #[error("{}", .0.problem())]
    World(WorldError),
    /// What runs stand on can't be made.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The run can't be stored.
    #[error("{}: {why}", path.display())]
    Store {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// The reports can't be written.
    #[error("{0}")]
    Reports(reports::WriteError),
}

impl From<WorldError> for ExecuteError {
    fn from(error: WorldError) -> Self {
        Self::World(error)
    }
}

impl ExecuteError {
    /// Whether the person, rather than the harness, has to change something.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::OtherWorld { .. } | Self::Setting(_) | Self::World(WorldError::Unsupported { .. })
        )
    }
}

impl Diagnostic for ExecuteError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let told = |text: &'a str| -> Box<dyn fmt::Display + 'a> { Box::new(text) };
        match self {
            Self::OtherWorld { worlds, .. } => {
                Some(Box::new(format!("it runs in: {worlds}; choose with --world")))
            }
            Self::Setting(_) => Some(told("mend what follows --set, or the settings of the scenario")),
            Self::World(error) => error.next_step().map(told),
            Self::Kit(_) => None,
            Self::Store { .. } => Some(told("choose another folder with --report-dir, or make room")),
            Self::Reports(error) => error.next_step().map(told),
        }
    }
}

impl Plan {
    /// The settings of the system in this run: the scenario's own, and those given over them.
    pub fn all_settings(&self) -> BTreeMap<String, String> {
        let mut settings = self.scenario.settings.clone();
        settings.extend(self.settings.clone());
        settings
    }

    /// The run's id.
    fn run(&self) -> String {
        format!("{}.{}.{}", self.scenario.id.replace('/', "."), self.world, self.stamp)
    }

    /// Where the run is stored.
    pub fn folder(&self) -> PathBuf {
        self.reports.join(self.run())
    }

    /// The command that runs it again.
    fn replay(&self, folder: &Path) -> String {
        // What is not in the catalogue is found nowhere but in the record.
        if !catalogue::has(&self.scenario) {
            return format!("cargo chaos replay {}", folder.display());
        }
        let mut replay =
            vec![format!("cargo chaos run {} --world {} --seed {}", self.scenario.id, self.world, self.seed)];
        if self.world != WorldKind::Virtual {
            replay.push(format!("--speed {}", self.speed));
        }
        replay.extend(self.settings.iter().map(|(key, value)| format!("--set {key}={value}")));
        replay.join(" ")
    }

    fn header(&self, run: String, folder: &Path) -> Header {
        Header {
            format: FORMAT.into(),
            run,
            world: self.world,
            seed: self.seed,
            speed: self.speed,
            started: if self.world == WorldKind::Virtual { String::new() } else { self.started.clone() },
            settings: self.settings.clone(),
            versions: BTreeMap::from([("harness".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
            replay: self.replay(folder),
            scenario: self.scenario.clone(),
        }
    }
}

/// The tag of scenarios that measure how fast the machine answers, or durations of its own that nothing scales: their
/// time is that of the clock.
const REAL_TIME: &str = "real-time";

/// System seconds in a real second when nothing is said.
pub fn usual_speed(world: WorldKind, scenario: &Scenario) -> f64 {
    match world {
        _ if scenario.tags.iter().any(|tag| tag == REAL_TIME) => 1.0,
        // A process takes as long to start as it does, and deployments are made of them.
        WorldKind::Local if scenario.topology == DEPLOYMENT => 3.0,
        WorldKind::Local => 10.0,
        // The real components take longer to start than scenarios reckon with.
        WorldKind::Docker if scenario.topology == DEPLOYMENT => 0.4,
        WorldKind::Virtual | WorldKind::Docker => 1.0,
    }
}

/// Makes a run: brings the world up, runs the scenario, judges it, stores the record and the reports.
/// `watch` sees every event as it happens; `interrupt` ends the run early with a reason.
///
/// # Errors
/// [`ExecuteError`] when nothing could be run or stored. A run that was made and came out badly is no
/// error: see its judgement.
pub fn execute(
    plan: &Plan,
    watch: Vec<Box<dyn Sink>>,
    interrupt: impl Future<Output = String>,
) -> Result<Executed, ExecuteError> {
    if !plan.scenario.worlds.contains(&plan.world) {
        let worlds = plan.scenario.worlds.iter().map(|world| world.name()).collect::<Vec<_>>().join(", ");
        return Err(ExecuteError::OtherWorld {
            scenario: plan.scenario.id.clone(),
            world: plan.world,
            worlds,
        });
    }
    let (run, folder) = (plan.run(), plan.folder());
    let header = plan.header(run, &folder);
    let store = |why| ExecuteError::Store { path: folder.join(RECORD), why };
    let first = !plan.reports.exists();
    fs::create_dir_all(&folder).map_err(store)?;
    let file = FileSink::create(&folder.join(RECORD), &header).inspect_err(|_| discard(plan, &folder, first));
    let file = Rc::new(RefCell::new(file.map_err(store)?));

    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(file.clone())];
    sinks.extend(watch);
    let recorder = Recorder::new(sinks);
    let outcome = worlds::run(plan, &folder, &recorder, interrupt);
    let events = recorder.into_events();
    let outcome = match outcome {
        // Nothing ran: a folder with a header and nothing else would only be in the way.
        Err(error) if events.is_empty() => {
            discard(plan, &folder, first);
            return Err(error);
        }
        outcome => outcome,
    };
    if let Some(failed) = file.borrow_mut().take_failure() {
        return Err(store(failed));
    }
    let history = History::of(events);
    let judgement = judge(&plan.scenario, &history, invariants::of(&plan.scenario.topology));
    let record = Record { header, events: history.into_events(), cut: false };
    let written = reports::write_all(&folder, &record, &judgement).map_err(ExecuteError::Reports)?;
    // A run that broke off has its report like any other.
    outcome?;
    Ok(Executed { folder, record, judgement, written })
}

/// Removes the folder of a run that never was; that of all runs, too, when it was made for this one.
fn discard(plan: &Plan, folder: &Path, first: bool) {
    let _ = fs::remove_dir_all(folder);
    if first {
        let _ = fs::remove_dir(&plan.reports);
    }
}
