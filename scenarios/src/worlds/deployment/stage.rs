//! What the processes of a run must know of each other, and the run's time, which is the same in all of them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dive_orchestrator::Stamp;
use dive_orchestrator::store::{PATIENCE, SqlStore};
use dive_runtime::{Monotonic, Runtime, Task, TokioRuntime, Wall};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The file it is written to, in the folder of each service.
pub(in crate::worlds) const STAGE: &str = "stage.json";
/// The orchestration's database, in the folder of the machine.
pub(in crate::worlds) const DATABASE: &str = "orchestration.db";

/// Where the orchestration keeps its state, as one process reaches it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::worlds) enum Database {
    /// A SQLite file. Who else has something to tell adds it there, too.
    Sqlite(PathBuf),
    /// A server. What others tell must not need it: it is in a SQLite file of its own.
    Postgres {
        /// Where it is, and how to log in.
        url: String,
        /// That file.
        told: PathBuf,
    },
}

impl Database {
    /// The SQLite file to which others add what they tell.
    pub(in crate::worlds) fn told(&self) -> &Path {
        match self {
            Self::Sqlite(file) | Self::Postgres { told: file, .. } => file,
        }
    }

    /// How `dive` is told which it is: by a file's name, or a URL.
    pub(in crate::worlds) fn named(&self) -> &OsStr {
        match self {
            Self::Sqlite(file) => file.as_os_str(),
            Self::Postgres { url, .. } => url.as_ref(),
        }
    }
}

/// It, as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::worlds) struct Stage {
    /// What plays every role.
    pub(in crate::worlds) program: PathBuf,
    /// The orchestration's database.
    pub(in crate::worlds) database: Database,
    /// When the run's time began, in real milliseconds since 1970.
    pub(in crate::worlds) origin_ms: u64,
    /// System seconds in a real second.
    pub(in crate::worlds) speed: f64,
    /// What decides what is drawn by chance.
    pub(in crate::worlds) seed: u64,
    /// How orders are carried out.
    pub(in crate::worlds) means: Means,
}

/// How an order is carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::worlds) enum Means {
    /// By the engine of `dive`, which reaches each part of the machine where this says.
    Engine {
        /// By the part's name.
        ways: BTreeMap<String, SocketAddr>,
    },
    /// By the command `dive` itself, onto this machine's containers.
    Dive {
        /// The command.
        program: PathBuf,
        /// What it is told by its environment.
        environment: BTreeMap<String, String>,
    },
}

impl Means {
    /// The role of the program that carries orders out so.
    pub(in crate::worlds) const fn role(&self) -> &'static str {
        match self {
            Self::Engine { .. } => "order",
            Self::Dive { .. } => "dive-order",
        }
    }
}

/// Real milliseconds since 1970.
pub(in crate::worlds) fn wall_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

impl Stage {
    /// Reads it.
    ///
    /// # Errors
    /// When it can't be read.
    pub(in crate::worlds) fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(path)?)?)
    }

    /// The present instant, in the run's time.
    pub(in crate::worlds) fn now(&self) -> Stamp {
        at(self.origin_ms, self.speed, wall_ms())
    }

    /// The real duration within which a system time passes.
    pub(in crate::worlds) fn real(&self, system: Duration) -> Duration {
        system.div_f64(self.speed)
    }

    /// A session of its own with the database, in the run's time.
    pub(in crate::worlds) fn connect(&self) -> SqlStore {
        let stage = self.clone();
        let store = match &self.database {
            Database::Sqlite(file) => SqlStore::sqlite(file),
            Database::Postgres { url, .. } => SqlStore::postgres(url).expect("the run's own URL is one"),
        };
        store.clocked_by(move || stage.now()).patience(self.real(PATIENCE))
    }

    /// The run's time for the engine. Must be called within a tokio runtime.
    pub(in crate::worlds) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(Scaled { stage: self.clone(), real: TokioRuntime::new() })
    }
}

/// The instant of the run that a real one is.
fn at(origin_ms: u64, speed: f64, wall_ms: u64) -> Stamp {
    let since = Duration::from_millis(wall_ms.saturating_sub(origin_ms)).mul_f64(speed);
    Stamp::from_millis(origin_ms) + since
}

/// Real time, in which a run's seconds are shorter.
struct Scaled {
    stage: Stage,
    real: TokioRuntime,
}

impl Runtime for Scaled {
    fn now(&self) -> Monotonic {
        Monotonic::from_start(self.real.now().since_start().mul_f64(self.stage.speed))
    }

    fn wall(&self) -> Wall {
        Wall::from_epoch(Duration::from_millis(self.stage.now().millis()))
    }

    fn sleep_until(&self, deadline: Monotonic) -> Task {
        self.real.sleep_until(Monotonic::from_start(self.stage.real(deadline.since_start())))
    }

    fn spawn(&self, name: &'static str, task: Task) {
        self.real.spawn(name, task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_second_is_as_many_of_the_run_as_its_speed() {
        assert_eq!(at(5_000, 4.0, 5_000), Stamp::from_millis(5_000));
        assert_eq!(at(5_000, 4.0, 6_000), Stamp::from_millis(9_000));
        assert_eq!(at(5_000, 4.0, 4_000), Stamp::from_millis(5_000), "a clock that was set back");
    }

    #[tokio::test(start_paused = true)]
    async fn who_sleeps_in_the_runs_time_wakes_when_it_is_over() {
        let stage = Stage {
            program: PathBuf::new(),
            database: Database::Sqlite(PathBuf::new()),
            origin_ms: 0,
            speed: 4.0,
            seed: 1,
            means: Means::Engine { ways: BTreeMap::new() },
        };
        let (runtime, real) = (stage.runtime(), TokioRuntime::new());
        let before = runtime.now();
        runtime.sleep(Duration::from_secs(20)).await;
        assert_eq!(real.now().since_start().as_secs(), 5);
        assert_eq!(runtime.now().saturating_since(before).as_secs(), 20);
    }
}
