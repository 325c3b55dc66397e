//! A world: where a system under test runs, and how its parts are broken there.
//!
//! The runner knows nothing else of where it is. A world runs one topology for one scenario: it is
//! made, [started](World::start), broken and healed, and [taken down](World::stop).
//!
//! All methods take `&self`: steps, loads and the observer run side by side within one task. None of
//! the futures needs to be `Send`, so a world may live on one thread with everything in it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::event::Answer;
use crate::fault::{Fault, Strike};
use crate::recorder::Recorder;
use crate::time::At;

/// The kinds of worlds a scenario can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorldKind {
    /// Simulated time, one thread, seeded.
    Virtual,
    /// Processes on loopback, real time compressed by the run's speed.
    Local,
    /// Containers with the real dependencies.
    Docker,
}

impl WorldKind {
    /// All of them, cheapest first.
    pub const ALL: [Self; 3] = [Self::Virtual, Self::Local, Self::Docker];

    /// The word for it in scenarios and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::Local => "local",
            Self::Docker => "docker",
        }
    }
}

impl fmt::Display for WorldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for WorldKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("`{text}` is not a world: virtual, local or docker"))
    }
}

/// Why a world could not do what was asked.
#[derive(Debug, Error)]
pub enum WorldError {
    /// This world can't produce the fault. Found by [`World::supports`] before anything starts.
    #[error("the {world} world can't do this: {what}")]
    Unsupported {
        /// The world.
        world: WorldKind,
        /// The fault, in words.
        what: String,
    },
    /// Something the world stands on is missing: no engine, no image, a port taken, a full disk.
    #[error("{problem}\n  next: {next_step}")]
    Ground {
        /// What is wrong.
        problem: String,
        /// What the person in front of it can do.
        next_step: String,
    },
    /// A service did not become ready.
    #[error("{service} did not become ready: {why}{}", tail(.log))]
    NotReady {
        /// The service.
        service: String,
        /// What was waited for.
        why: String,
        /// The last lines it logged.
        log: Vec<String>,
    },
    /// Anything else that failed, in words.
    #[error("{0}")]
    Failed(String),
}

impl WorldError {
    /// What is wrong, without the next step.
    pub fn problem(&self) -> String {
        match self {
            Self::Ground { problem, .. } => problem.clone(),
            error => error.to_string(),
        }
    }

    /// What the person in front of it can do, when it is known.
    pub fn next_step(&self) -> Option<&str> {
        match self {
            Self::Unsupported { .. } => {
                Some("choose another --world, or take that fault out of the scenario")
            }
            Self::Ground { next_step, .. } => Some(next_step),
            Self::NotReady { .. } | Self::Failed(_) => None,
        }
    }
}

fn tail(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!("\n  its last lines:\n    {}", log.join("\n    ")) }
}

/// What was seen of a fault. `None` in place of it means: injected, effect not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence(pub String);

/// What was seen of a healing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healed {
    /// What shows that it is whole.
    pub evidence: Evidence,
    /// The latest instant at which it was seen not to be; `None`: only when the healing began. It became whole
    /// after this, so what follows from that is measured from here at the earliest.
    pub broken_until: Option<At>,
}

impl From<Evidence> for Healed {
    fn from(evidence: Evidence) -> Self {
        Self { evidence, broken_until: None }
    }
}

/// Where a system under test runs.
#[allow(async_fn_in_trait, reason = "the futures stay on the runner's own thread, see the module's doc")]
pub trait World {
    /// Which world this is.
    fn kind(&self) -> WorldKind;

    /// The present instant, in system time since the world was made.
    fn now(&self) -> At;

    /// Completes at `at` or at once when that is past. Dropping it gives the timer back.
    async fn sleep_until(&self, at: At);

    /// How much later than it happened, in system time, something may be observed. The runner waits
    /// this much past a bound before it takes silence for an answer.
    fn observation_lag(&self) -> std::time::Duration;

    /// Brings the topology up and returns when every service is ready.
    async fn start(&self) -> Result<(), WorldError>;

    /// Whether the world can produce this fault.
    fn supports(&self, fault: &Fault) -> Result<(), WorldError>;

    /// Writes the inverse to the undo journal, injects the fault and looks for its effect.
    /// Returns what was seen, or `None` when the effect could not be shown in bounded time.
    async fn inject(&self, name: &str, fault: &Fault) -> Result<Option<Evidence>, WorldError>;

    /// Undoes the fault of that name and returns when it no longer works, with what shows it.
    /// Healing what is not broken is no error.
    async fn heal(&self, name: &str) -> Result<Healed, WorldError>;

    /// Does something once.
    async fn strike(&self, strike: &Strike) -> Result<Option<Evidence>, WorldError>;

    /// Sends one request of a kind that the vocabulary declares and waits for its end, in bounded time.
    /// `number` counts the requests of a load: it picks among users and resources.
    async fn send(&self, request: &str, number: u64) -> Answer;

    /// Watches the system and records what it sees, until it is dropped.
    ///
    /// Whatever it records, that it could not see included, is recorded within
    /// [`observation_lag`](World::observation_lag) of the beginning of its span. So a look that fails is
    /// a blind spot of its own, told at once, not one told when sight comes back.
    async fn observe(&self, recorder: &Recorder);

    /// Heals what is still broken, takes everything down and returns what is still there.
    async fn stop(&self) -> Vec<String>;
}
