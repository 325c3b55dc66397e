//! What can happen in a run. The timeline of these events is the run: everything else is a fold over it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::{Fault, Strike};
use crate::time::Span;

/// One entry of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the order of writing, from 0 without gaps. Not the order of happening: see [`Event::at`].
    pub seq: u64,
    /// When it happened.
    pub at: Span,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// The kinds of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum What {
    /// The run entered a phase.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// A windowed fault moved through its life.
    Fault {
        /// Its name in the scenario.
        name: String,
        /// What it is.
        fault: Fault,
        /// How far it is.
        stage: Stage,
        /// What was done or seen: the evidence of [`Stage::InEffect`], the error of [`Stage::Failed`].
        detail: String,
    },
    /// A one-shot fault happened.
    Strike {
        /// Its name in the scenario; an anchor for expectations.
        name: String,
        /// What it was.
        strike: Strike,
        /// What was seen of it; nothing when its effect could not be shown.
        evidence: Option<String>,
    },
    /// A signal has a new value: `hub/circuit/opa` is `OPEN`.
    Signal {
        /// The signal's name.
        signal: String,
        /// Its new value.
        value: String,
        /// The value before, when it was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<String>,
    },
    /// A trigger of the scenario fired: `signal` has `value`, and the next step begins.
    Reached {
        /// The trigger's name, if any.
        name: Option<String>,
        /// The signal.
        signal: String,
        /// Its value.
        value: String,
        /// Whether it came to that within the trigger's time.
        in_time: bool,
    },
    /// A number was measured.
    Sample {
        /// The measure's name.
        measure: String,
        /// Its value, in the unit its declaration names.
        value: f64,
    },
    /// A request of a load was answered, or given up. `at` spans from its scheduled sending to its end.
    Request {
        /// The load or `send` step it belongs to.
        load: String,
        /// Position within the load, from 0.
        number: u64,
        /// What came of it.
        #[serde(flatten)]
        answer: Answer,
    },
    /// Something a witness said that invariants weigh: the engine's own record of a decision, say.
    Fact {
        /// Who says so.
        witness: String,
        /// What it is about: `decision`, `audit`.
        about: String,
        /// The particulars.
        detail: BTreeMap<String, String>,
    },
    /// A line a service logged.
    Log {
        /// The service.
        service: String,
        /// The line, shortened to at most [`LOG_LINE_LIMIT`] bytes.
        line: String,
    },
    /// For this span, changes of the signals whose names begin with `prefix` could not be seen.
    Blind {
        /// The signals concerned; empty for all.
        prefix: String,
        /// Why.
        why: String,
    },
    /// For this span the harness itself did not run: the machine stalled.
    Stall,
    /// Something worth telling.
    Note {
        /// The text.
        text: String,
    },
    /// The world was taken down.
    TornDown {
        /// What was still there afterwards; empty when clean.
        leftovers: Vec<String>,
    },
    /// The run is over. A record without this event was cut short.
    End {
        /// Why it ended before its scenario did, if so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interrupted: Option<String>,
    },
}

impl What {
    /// Whether this is something the runner did, rather than something that was seen.
    pub(crate) fn is_an_act(&self) -> bool {
        matches!(self, Self::Phase { .. } | Self::Fault { .. } | Self::Strike { .. } | Self::Reached { .. })
    }
}

/// The longest log line a record keeps, in bytes.
pub const LOG_LINE_LIMIT: usize = 2_048;

/// The parts of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The topology is brought up.
    SetUp,
    /// The steady state is being shown, before anything is broken.
    Steady,
    /// The scenario's steps.
    Experiment,
    /// Every fault is healed; the steady state must come back.
    Recovery,
    /// The topology is taken down.
    CleanUp,
}

/// The life of a windowed fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The inverse is in the journal, the injection begins.
    Injecting,
    /// The fault was injected and its effect was seen.
    InEffect,
    /// The fault was injected, but its effect could not be shown.
    Unproven,
    /// The healing begins.
    Healing,
    /// The fault was healed and what it had broken works again.
    Healed,
    /// The injection or the healing failed.
    Failed,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The binding's word for it, from the request's declared classes: `allowed`, `denied`, `unavailable`.
    pub class: String,
    /// Particulars that invariants weigh: ids, reasons, status codes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
}

impl Answer {
    /// An answer of a class, without particulars.
    pub fn new(class: &str) -> Self {
        Self { class: class.to_owned(), detail: BTreeMap::new() }
    }

    /// The same with one more particular.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.detail.insert(key.to_owned(), value.into());
        self
    }
}
