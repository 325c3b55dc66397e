//! A scenario: what breaks, what must hold, and by when.
//!
//! [`source`] reads the YAML people write, with positions; `written_out` repeats the steps of each `each`, so that
//! nothing after it knows of repetition; [`check`](check()) holds them against the system's vocabulary and turns
//! them into the model of this file; [`ScenarioBuilder`] says the same in Rust. The model is what runs and what a
//! run record keeps. What is wrong is told by `diagnostics`.

mod build;
mod check;
mod diagnostics;
mod placeholder;
mod reading;
mod slot;
pub mod source;
mod wait;
mod written_out;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use build::ScenarioBuilder;
pub use check::check;
pub use diagnostics::{Place, Problem, ScenarioError};
pub use placeholder::Row;
pub use slot::{Slot, Written};
pub(crate) use wait::drawn;
pub use wait::{NoWait, Wait};

use crate::fault::{Fault, Strike};
use crate::time::seconds;
use crate::world::WorldKind;

/// A checked scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scenario {
    /// `family/name`, unique in a catalogue.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// Why it exists: what it shows, what would go wrong otherwise.
    pub why: String,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// The worlds it runs in.
    pub worlds: Vec<WorldKind>,
    /// The topology it runs on.
    pub topology: String,
    /// Settings of the system that differ from their defaults.
    pub settings: BTreeMap<String, String>,
    /// Requests that go on throughout.
    pub load: Vec<Load>,
    /// What must be so before anything is broken, and again in the end.
    pub steady: Steady,
    /// Names of invariants that must hold throughout.
    pub always: Vec<String>,
    /// What can be broken, by name.
    pub faults: BTreeMap<String, Fault>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// How long the steady state may take to come back after the last heal.
    pub recovery_within: Duration,
}

/// Requests at a constant rate, whether or not earlier ones were answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// The kind of request.
    pub request: String,
    /// The time between two requests.
    pub every: Duration,
}

/// The steady state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Steady {
    /// Signals and the value each must have.
    pub signals: BTreeMap<String, String>,
    /// For how long they must have them, without a break.
    pub lasting: Duration,
    /// How long they may take to get there.
    pub within: Duration,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Inject a windowed fault.
    Fault(String),
    /// Heal it.
    Heal(String),
    /// Do something once.
    Strike {
        /// The name by which expectations refer to it.
        name: String,
        /// What.
        strike: Strike,
    },
    /// Send requests at once, all together, and go on without waiting for their answers.
    Send {
        /// The name of the load they count as.
        name: String,
        /// The kind of request.
        request: String,
        /// How many.
        count: u32,
    },
    /// Wait until it is decided whether a claim holds. What can be decided only later is judged then.
    Expect(Expectation),
    /// Go on as soon as a signal has a value; a trigger for what follows.
    Until {
        /// The name by which expectations refer to this instant, if any.
        name: Option<String>,
        /// The signal.
        signal: String,
        /// Its value.
        value: String,
        /// How long that may take.
        within: Duration,
    },
    /// Let time pass.
    Wait(Duration),
    /// Let a time pass that is drawn from the run's seed.
    WaitBetween {
        /// At least so long.
        least: Duration,
        /// At most so long.
        most: Duration,
    },
}

/// A claim about the run, with the name by which later ones refer to its fulfilment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Its name, if any.
    pub name: Option<String>,
    /// The claim.
    pub claim: Claim,
}

/// The claims a scenario can make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// A signal turns to a value, not before and within a time after an anchor.
    Becomes {
        /// The signal.
        signal: String,
        /// The value.
        value: String,
        /// What the time is counted from.
        after: Anchor,
        /// The lower bound.
        not_before: Duration,
        /// The upper bound.
        within: Duration,
    },
    /// A signal has one of these values all through a window.
    Stays {
        /// The signal.
        signal: String,
        /// The values it may have.
        values: Vec<String>,
        /// The window.
        window: Window,
    },
    /// A signal turns to a value so many times in a window.
    Turns {
        /// The signal.
        signal: String,
        /// The value.
        value: String,
        /// The least number of times.
        at_least: u32,
        /// The greatest number of times.
        at_most: u32,
        /// The window.
        window: Window,
    },
    /// A measure stays within bounds in a window, and is measured there at all.
    Measures {
        /// The measure.
        measure: String,
        /// The least value it may have.
        at_least: f64,
        /// The greatest value it may have.
        at_most: f64,
        /// The window.
        window: Window,
    },
    /// What comes of the requests that were sent and answered in a window.
    Requests {
        /// The load.
        load: String,
        /// How their answers are distributed.
        answers: Answers,
        /// So many there must be, at least: else nothing was shown.
        at_least: u32,
        /// No answer takes longer.
        answered_within: Option<Duration>,
        /// The window.
        window: Window,
    },
    /// How soon most of the requests that were sent in a window are answered, each counted from when it was
    /// due. One that was never sent or answered was not in time.
    Pace {
        /// The load.
        load: String,
        /// So many of a hundred, above 0, at most 100.
        percent: f64,
        /// The time they may take.
        within: Duration,
        /// So many there must be, at least: else nothing was shown.
        at_least: u32,
        /// The window.
        window: Window,
    },
}

/// Which classes of answers a window may show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// Every answer is of one of these classes.
    All(Vec<String>),
    /// No answer is of any of these classes.
    None(Vec<String>),
    /// At least one answer is of one of these classes.
    Some(Vec<String>),
}

/// An event that times are counted from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anchor {
    /// The steady state was shown, the experiment begins.
    Start,
    /// A fault is in effect.
    InEffect(String),
    /// A fault is healed.
    Healed(String),
    /// A strike was made.
    Struck(String),
    /// The last of the requests sent together under this name got its answer.
    Answered(String),
    /// A named expectation was met, a named trigger fired.
    Met(String),
    /// The experiment's last step is over.
    End,
}

/// A part of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Where it begins.
    pub from: Anchor,
    /// Where it ends.
    pub until: Until,
}

/// The end of a window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// At another anchor.
    Anchor(Anchor),
    /// So long after the window's beginning.
    Lasting(Duration),
}

impl Scenario {
    /// A scenario with a name and nothing in it, to build on.
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: String::new(),
            why: String::new(),
            tags: Vec::new(),
            worlds: Vec::new(),
            topology: String::new(),
            settings: BTreeMap::new(),
            load: Vec::new(),
            steady: Steady {
                signals: BTreeMap::new(),
                lasting: source::DEFAULT_STEADY_FOR,
                within: source::DEFAULT_STEADY_WITHIN,
            },
            always: Vec::new(),
            faults: BTreeMap::new(),
            steps: Vec::new(),
            recovery_within: source::DEFAULT_RECOVERY,
        }
    }

    /// Its expectations, in order.
    pub fn expectations(&self) -> impl Iterator<Item = &Expectation> {
        self.steps.iter().filter_map(|step| match step {
            Step::Expect(expectation) => Some(expectation),
            _ => None,
        })
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("the start"),
            Self::End => f.write_str("the end"),
            Self::InEffect(name) | Self::Struck(name) | Self::Met(name) => f.write_str(name),
            Self::Healed(name) => write!(f, "the heal of {name}"),
            Self::Answered(name) => write!(f, "the answer to {name}"),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.until {
            Until::Anchor(anchor) => write!(f, "from {} until {anchor}", self.from),
            Until::Lasting(duration) => write!(f, "for {} from {}", seconds(*duration), self.from),
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Becomes { signal, value, after, not_before, within } => {
                write!(f, "{signal} becomes {value} within {} after {after}", seconds(*within))?;
                if not_before.is_zero() { Ok(()) } else { write!(f, ", not before {}", seconds(*not_before)) }
            }
            Self::Stays { signal, values, window } => {
                write!(f, "{signal} stays {} {window}", values.join(" or "))
            }
            Self::Turns { signal, value, at_least, at_most, window } => {
                write!(f, "{signal} turns {value} {} {window}", times(*at_least, *at_most))
            }
            Self::Measures { measure, at_least, at_most, window } => {
                match (*at_least > f64::MIN, *at_most < f64::MAX) {
                    (true, true) => write!(f, "{measure} is from {at_least} to {at_most} {window}"),
                    (true, false) => write!(f, "{measure} is at least {at_least} {window}"),
                    _ => write!(f, "{measure} is at most {at_most} {window}"),
                }
            }
            Self::Requests { load, answers, at_least, answered_within, window } => {
                match answers {
                    Answers::All(classes) => write!(f, "every answer to {load} is {}", classes.join(" or "))?,
                    Answers::None(classes) => write!(f, "no answer to {load} is {}", classes.join(" or "))?,
                    Answers::Some(classes) => write!(f, "some answer to {load} is {}", classes.join(" or "))?,
                }
                write!(f, " {window}, of at least {at_least}")?;
                answered_within.map_or(Ok(()), |limit| write!(f, ", each within {}", seconds(limit)))
            }
            Self::Pace { load, percent, within, at_least, window } => {
                let within = seconds(*within);
                write!(
                    f,
                    "{percent} % of {load} are answered within {within} {window}, of at least {at_least}"
                )
            }
        }
    }
}

fn times(at_least: u32, at_most: u32) -> String {
    match (at_least, at_most) {
        (0, 0) => "never".into(),
        (0, most) => format!("at most {most} times"),
        (least, u32::MAX) => format!("at least {least} times"),
        (least, most) if least == most => format!("{least} times"),
        (least, most) => format!("{least} to {most} times"),
    }
}
