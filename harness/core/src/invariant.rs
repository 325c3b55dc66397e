//! What must hold throughout a run, judged from its timeline alone.

use crate::history::History;
use crate::scenario::Scenario;
use crate::time::Span;
use crate::verdict::{Axis, Finding, Verdict};

/// A property of every run, or of every run of the scenarios that name it.
///
/// A checker that can't tell says *inconclusive*. One that crashes fails the run: it is never green.
pub trait Invariant {
    /// Its name in scenarios.
    fn name(&self) -> &'static str;

    /// Its sentence, for people.
    fn about(&self) -> &'static str;

    /// Judges a timeline.
    fn judge(&self, scenario: &Scenario, history: &History) -> Ruling;

    /// The finding of a timeline.
    fn check(&self, scenario: &Scenario, history: &History) -> Finding {
        let ruling = self.judge(scenario, history);
        Finding {
            axis: Axis::Experiment,
            claim: format!("{}: {}", self.name(), self.about()),
            verdict: ruling.verdict,
            why: ruling.why,
            measured: None,
            window: None,
            seen: ruling.at,
        }
    }
}

/// What an invariant says of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// The answer.
    pub verdict: Verdict,
    /// Why, in words with the figures.
    pub why: String,
    /// Where it broke, if it did.
    pub at: Option<Span>,
}

impl Ruling {
    /// It holds; `why` says what was weighed, so that nobody takes an empty check for a full one.
    pub fn held(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Held, why: why.into(), at: None }
    }

    /// It can't be told.
    pub fn inconclusive(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Inconclusive, why: why.into(), at: None }
    }

    /// It broke, there.
    pub fn violated(why: impl Into<String>, at: Span) -> Self {
        Self { verdict: Verdict::Violated, why: why.into(), at: Some(at) }
    }
}
