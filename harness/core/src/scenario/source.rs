//! A scenario file, as people write it.
//!
//! Every key is refused when it is unknown, and every name keeps its place in the file, so that
//! [`check`](super::check()) can point at it. The JSON schema for editors is made from these types.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::diagnostics::ScenarioError;
use super::placeholder::Row;
use super::reading;
use super::slot::Slot;
use super::wait::Wait;
use crate::fault::{Fault, Strike};
use crate::time::HumanDuration;
use crate::world::WorldKind;

/// The largest scenario file that is read, in bytes.
pub const FILE_LIMIT: usize = 256 * 1024;

/// For how long the steady state must last when the file does not say.
pub const DEFAULT_STEADY_FOR: Duration = Duration::from_secs(5);
/// How long the steady state may take to appear when the file does not say.
pub const DEFAULT_STEADY_WITHIN: Duration = Duration::from_mins(2);
/// How long recovery may take when the file does not say.
pub const DEFAULT_RECOVERY: Duration = Duration::from_secs(120);

/// What breaks, what must hold, and by when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "Scenario")]
pub struct File {
    /// `family/name`, as the file's path under the catalogue.
    #[schemars(with = "String")]
    pub id: Spanned<String>,
    /// One line for people.
    pub title: String,
    /// Why it exists: what it shows, what would go wrong otherwise.
    #[serde(default)]
    pub why: String,
    /// Words to select it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The worlds it runs in.
    #[schemars(with = "Vec<WorldKind>")]
    pub worlds: Spanned<Vec<WorldKind>>,
    /// The topology it runs on.
    #[schemars(with = "String")]
    pub topology: Spanned<String>,
    /// Settings of the system that differ from their defaults.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub settings: BTreeMap<String, Spanned<String>>,
    /// Requests that go on throughout, by name.
    #[serde(default)]
    pub load: BTreeMap<String, LoadSource>,
    /// What must be so before anything is broken, and again in the end. Default: the topology is at rest.
    #[serde(default)]
    pub steady: SteadySource,
    /// Invariants that must hold throughout, beside those that always do.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub always: Vec<Spanned<String>>,
    /// What can be broken, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Fault>")]
    pub faults: BTreeMap<String, Spanned<Fault>>,
    /// What is done, in order.
    #[schemars(with = "Vec<StepSource>")]
    pub steps: Vec<Spanned<StepSource>>,
    /// How long the steady state may take to come back after the last heal. Default: 2m.
    #[serde(default)]
    pub recovery_within: Option<HumanDuration>,
}

/// Requests at a constant rate, whether or not earlier ones were answered.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadSource {
    /// The kind of request.
    #[schemars(with = "String")]
    pub request: Spanned<String>,
    /// The time between two requests.
    #[schemars(with = "HumanDuration")]
    pub every: Spanned<HumanDuration>,
}

/// The steady state.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SteadySource {
    /// Signals and the value each must have, beside those by which the topology is seen to be at rest.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub signals: BTreeMap<String, Spanned<String>>,
    /// For how long, without a break. Default: 5s.
    #[serde(default, rename = "for")]
    pub lasting: Option<HumanDuration>,
    /// How long they may take to get there, and to last. Default: 2m.
    #[serde(default)]
    #[schemars(with = "Option<HumanDuration>")]
    pub within: Option<Spanned<HumanDuration>>,
}

/// One step.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StepSource {
    /// Inject the fault of this name.
    Fault(#[schemars(with = "String")] Spanned<String>),
    /// Heal the fault of this name.
    Heal(#[schemars(with = "String")] Spanned<String>),
    /// Do something once.
    Strike(StrikeSource),
    /// Send requests all together.
    Send(SendSource),
    /// Claim something about the run.
    Expect(Box<ExpectSource>),
    /// Go on as soon as a signal has a value.
    Until(UntilSource),
    /// Let time pass: so long, or as the run's seed says.
    Wait(#[schemars(with = "Slot<Wait>")] Spanned<Slot<Wait>>),
    /// Do the same steps for each row of a table.
    Each(EachSource),
}

/// The same steps for each row of a table. In their names, words, times and numbers `<column>` stands for what the
/// row has in that column. None of them is an `each` itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EachSource {
    /// The rows, 1 to 64, each with the same columns. The first column tells the turns apart in messages.
    #[schemars(with = "Vec<Row>", length(min = 1, max = 64))]
    pub of: Spanned<Vec<Spanned<Row>>>,
    /// What is done in each turn.
    #[schemars(with = "Vec<StepSource>", length(min = 1))]
    pub steps: Vec<Spanned<StepSource>>,
}

/// Something done once.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StrikeSource {
    /// The name by which expectations refer to it.
    #[serde(rename = "as")]
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// What.
    #[serde(rename = "do")]
    #[schemars(with = "Strike")]
    pub strike: Spanned<Strike>,
}

/// Requests sent all together.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SendSource {
    /// The name of the load they count as.
    #[serde(rename = "as")]
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// The kind of request.
    #[schemars(with = "String")]
    pub request: Spanned<String>,
    /// How many, 1 to 10 000. Default: 1.
    #[serde(default)]
    #[schemars(with = "Option<Slot<u32>>", extend("minimum" = 1, "maximum" = 10_000))]
    pub count: Option<Spanned<Slot<u32>>>,
}

/// A trigger.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UntilSource {
    /// The signal.
    #[schemars(with = "String")]
    pub signal: Spanned<String>,
    /// The value to wait for.
    #[schemars(with = "String")]
    pub is: Spanned<String>,
    /// How long that may take.
    #[schemars(with = "Slot<HumanDuration>")]
    pub within: Spanned<Slot<HumanDuration>>,
    /// The name by which expectations refer to this instant.
    #[serde(default, rename = "as")]
    #[schemars(with = "Option<String>")]
    pub name: Option<Spanned<String>>,
}

/// A claim. It is about a `signal`, a `measure` or `requests`, and says one thing of it:
///
/// - `signal` with `becomes`, `within`, `after` and perhaps `not-before`;
/// - `signal` with `stays`, from `from` on, `for` a time or `until` an anchor;
/// - `signal` with `turns` and `at-most`, `at-least`, in a window;
/// - `measure` with `at-most`, `at-least`, in a window;
/// - `requests` with `all`, `none` or `some` classes of answers, in a window;
/// - `requests` with `percent` and `answered-within`, in a window.
///
/// An anchor is `start`, `end`, the name of a fault (in effect), `healed <fault>`, the name of a
/// strike, `answered <send>`, or the name given to an earlier expectation or trigger by `as`. Of a fault that is injected
/// several times, the latest injection by then is meant. Injecting and healing take time that belongs
/// to no window: one begins when they are done and ends when they begin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExpectSource {
    /// The signal the claim is about.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub signal: Option<Spanned<String>>,
    /// The measure the claim is about.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub measure: Option<Spanned<String>>,
    /// The load the claim is about.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub requests: Option<Spanned<String>>,
    /// The signal turns to this value.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub becomes: Option<Spanned<String>>,
    /// The signal has one of these values all through the window.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub stays: Option<Vec<Spanned<String>>>,
    /// The signal turns to this value so many times in the window.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub turns: Option<Spanned<String>>,
    /// Every answer is of one of these classes.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub all: Option<Vec<Spanned<String>>>,
    /// No answer is of any of these classes.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub none: Option<Vec<Spanned<String>>>,
    /// At least one answer is of one of these classes.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub some: Option<Vec<Spanned<String>>>,
    /// So many of a hundred requests are answered within `answered-within`.
    #[serde(default)]
    #[schemars(with = "Option<Slot<f64>>")]
    pub percent: Option<Spanned<Slot<f64>>>,
    /// No answer takes longer, or none of those that `percent` counts.
    #[serde(default)]
    #[schemars(with = "Option<Slot<HumanDuration>>")]
    pub answered_within: Option<Spanned<Slot<HumanDuration>>>,
    /// The least number: of turns, of answers, or the least value of a measure.
    #[serde(default)]
    #[schemars(with = "Option<Slot<f64>>")]
    pub at_least: Option<Spanned<Slot<f64>>>,
    /// The greatest number of turns, or the greatest value of a measure.
    #[serde(default)]
    #[schemars(with = "Option<Slot<f64>>")]
    pub at_most: Option<Spanned<Slot<f64>>>,
    /// The anchor that `within` and `not-before` are counted from.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub after: Option<Spanned<String>>,
    /// The upper bound.
    #[serde(default)]
    #[schemars(with = "Option<Slot<HumanDuration>>")]
    pub within: Option<Spanned<Slot<HumanDuration>>>,
    /// The lower bound.
    #[serde(default)]
    #[schemars(with = "Option<Slot<HumanDuration>>")]
    pub not_before: Option<Spanned<Slot<HumanDuration>>>,
    /// The anchor at which the window begins. Default: start.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub from: Option<Spanned<String>>,
    /// The anchor at which the window ends. Default: end.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub until: Option<Spanned<String>>,
    /// How long the window lasts.
    #[serde(default, rename = "for")]
    #[schemars(with = "Option<Slot<HumanDuration>>")]
    pub lasting: Option<Spanned<Slot<HumanDuration>>>,
    /// The name by which later expectations refer to the moment this one is met.
    #[serde(default, rename = "as")]
    #[schemars(with = "Option<String>")]
    pub name: Option<Spanned<String>>,
}

impl File {
    /// Reads a file's text; `path` is for messages.
    ///
    /// # Errors
    /// [`ScenarioError`] with the place in the text.
    pub fn parse(text: &str, path: &str) -> Result<Self, ScenarioError> {
        if text.len() > FILE_LIMIT {
            return Err(ScenarioError::too_large(path, text.len()));
        }
        if reading::is_blank(text) {
            return Err(ScenarioError::empty(path));
        }
        reading::read(text).map_err(|problem| ScenarioError::new(path, text, vec![problem]))
    }

    /// The JSON schema of scenario files, for editors.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
