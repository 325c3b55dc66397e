//! Held, violated, inconclusive.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::{Elapsed, Span, seconds};

/// The answer to a claim about a run.
///
/// The order is by gravity: the worst of several answers is their maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is so, whatever the uncertainty of the observations.
    Held,
    /// It may or may not be so: the observations do not tell.
    Inconclusive,
    /// It is not so, whatever the uncertainty of the observations.
    Violated,
}

impl Verdict {
    /// The process exit code that says this.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Held => 0,
            Self::Violated => 1,
            Self::Inconclusive => 2,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "held",
            Self::Inconclusive => "inconclusive",
            Self::Violated => "violated",
        })
    }
}

/// The parts of a run that are judged apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// What the scenario claims about the system under failure.
    Experiment,
    /// Whether the steady state came back after the last heal.
    Recovery,
    /// Whether nothing was left behind.
    CleanUp,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Experiment => "experiment",
            Self::Recovery => "recovery",
            Self::CleanUp => "clean-up",
        })
    }
}

/// One claim with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which part of the run it is about.
    pub axis: Axis,
    /// The claim, as a sentence.
    pub claim: String,
    /// The answer.
    pub verdict: Verdict,
    /// Why this answer, in words with the figures.
    pub why: String,
    /// What was measured against which bounds, when the claim has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// The part of the run that the claim is about, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// When what was claimed came about, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Span>,
}

/// A measured duration beside its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// What was measured; nothing when it never came about.
    pub elapsed: Option<Elapsed>,
    /// The lower bound.
    pub not_before: Duration,
    /// The upper bound.
    pub within: Duration,
}

impl Measured {
    /// How far inside the bounds the measurement lies, by its worst reading; `None` when it does not.
    pub fn margin(&self) -> Option<Duration> {
        let elapsed = self.elapsed?;
        let above = elapsed.least.checked_sub(self.not_before)?;
        let below = self.within.checked_sub(elapsed.most)?;
        Some(if self.not_before.is_zero() { below } else { above.min(below) })
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.elapsed {
            Some(elapsed) => elapsed.fmt(f)?,
            None => f.write_str("never")?,
        }
        f.write_str(" (bound: ")?;
        if !self.not_before.is_zero() {
            write!(f, "{} … ", seconds(self.not_before))?;
        }
        write!(f, "{})", seconds(self.within))
    }
}

/// Everything that was found about a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The findings, in the order of the scenario.
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// The worst verdict of an axis; held when nothing was claimed about it.
    pub fn of(&self, axis: Axis) -> Verdict {
        self.worst(|finding| finding.axis == axis)
    }

    /// The worst verdict of all. A run about which nothing was claimed is inconclusive, never green.
    pub fn overall(&self) -> Verdict {
        if self.findings.is_empty() { Verdict::Inconclusive } else { self.worst(|_| true) }
    }

    fn worst(&self, about: impl Fn(&Finding) -> bool) -> Verdict {
        self.findings
            .iter()
            .filter(|finding| about(finding))
            .map(|finding| finding.verdict)
            .max()
            .unwrap_or(Verdict::Held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_answer_counts_and_nothing_claimed_is_not_green() {
        assert!(Verdict::Held < Verdict::Inconclusive && Verdict::Inconclusive < Verdict::Violated);
        assert_eq!(Judgement::default().overall(), Verdict::Inconclusive);
    }

    #[test]
    fn the_margin_is_the_distance_to_the_nearer_bound() {
        let s = Duration::from_secs;
        let elapsed = Elapsed { least: s(22), most: s(26) };
        assert_eq!(
            Measured { elapsed: Some(elapsed), not_before: s(20), within: s(40) }.margin(),
            Some(s(2))
        );
        assert_eq!(Measured { elapsed: Some(elapsed), not_before: s(0), within: s(30) }.margin(), Some(s(4)));
        assert_eq!(Measured { elapsed: Some(elapsed), not_before: s(0), within: s(25) }.margin(), None);
    }
}
