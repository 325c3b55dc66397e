//! Two runs of one scenario, claim by claim.
//!
//! A difference is told only where the intervals tell it: two measurements that overlap may be equal.

mod page;
mod text;

use std::collections::BTreeMap;

use harness_core::record::Record;
use harness_core::time::Elapsed;
use harness_core::verdict::{Finding, Judgement, Verdict};
use thiserror::Error;

use crate::story::Story;
use crate::words;

/// Two runs beside each other.
pub struct Comparison<'a> {
    pub(crate) first: Story<'a>,
    pub(crate) second: Story<'a>,
    pub(crate) claims: Vec<Pair<'a>>,
    pub(crate) circumstances: Vec<Circumstance>,
}

/// Why two runs can't be compared.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CompareError {
    /// They are runs of different scenarios, whose claims have nothing in common.
    #[error("{first} and {second} are different scenarios: only runs of one scenario can be compared")]
    DifferentScenarios {
        /// The first run's scenario.
        first: String,
        /// The second run's scenario.
        second: String,
    },
}

/// A claim in both runs, or in one of them.
pub(crate) struct Pair<'a> {
    pub(crate) claim: &'a str,
    pub(crate) first: Option<&'a Finding>,
    pub(crate) second: Option<&'a Finding>,
}

/// Something about the runs themselves that differs.
pub(crate) struct Circumstance {
    pub(crate) name: String,
    pub(crate) first: String,
    pub(crate) second: String,
}

impl<'a> Comparison<'a> {
    /// Compares two runs of one scenario.
    ///
    /// # Errors
    /// [`CompareError::DifferentScenarios`] when they are not.
    pub fn of(
        first: (&'a Record, &'a Judgement),
        second: (&'a Record, &'a Judgement),
    ) -> Result<Self, CompareError> {
        let (one, other) = (&first.0.header, &second.0.header);
        if one.scenario.id != other.scenario.id {
            return Err(CompareError::DifferentScenarios {
                first: one.scenario.id.clone(),
                second: other.scenario.id.clone(),
            });
        }
        Ok(Self {
            claims: pairs(&first.1.findings, &second.1.findings),
            circumstances: circumstances(first.0, second.0),
            first: Story::of(first.0, first.1),
            second: Story::of(second.0, second.1),
        })
    }

    /// As text for a terminal of `width` columns.
    pub fn text(&self, width: usize) -> String {
        text::text(self, width)
    }

    /// As one self-contained HTML page.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// What changed, as a sentence.
    pub(crate) fn sentence(&self) -> String {
        let count =
            |change: fn(&Change) -> bool| self.claims.iter().filter(|pair| change(&pair.change())).count();
        let worse = count(|change| matches!(change, Change::Verdict(from, to) if to > from));
        let better = count(|change| matches!(change, Change::Verdict(from, to) if to < from));
        let moved = count(|change| matches!(change, Change::Faster(_) | Change::Slower(_)));
        let mut parts = Vec::new();
        if worse > 0 {
            parts.push(format!("{} came out worse", words::counted(worse, "claim")));
        }
        if better > 0 {
            parts.push(format!("{} came out better", words::counted(better, "claim")));
        }
        if moved > 0 {
            parts.push(format!("{} took a different time", words::counted(moved, "claim")));
        }
        let verdicts = match (self.first.verdict, self.second.verdict) {
            (a, b) if a == b => format!("Both runs: {a}."),
            (a, b) => format!("From {a} to {b}."),
        };
        if parts.is_empty() {
            format!("{verdicts} No difference between the claims that the measurements could tell.")
        } else {
            format!("{verdicts} {}.", words::capital(&words::list(&parts)))
        }
    }
}

/// How a claim changed from the first run to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Another verdict.
    Verdict(Verdict, Verdict),
    /// Surely faster, by so much.
    Faster(Elapsed),
    /// Surely slower, by so much.
    Slower(Elapsed),
    /// No difference that can be told.
    Same,
    /// Claimed only in the first.
    Gone,
    /// Claimed only in the second.
    New,
}

impl Pair<'_> {
    pub(crate) fn change(&self) -> Change {
        let (Some(first), Some(second)) = (self.first, self.second) else {
            return if self.first.is_some() { Change::Gone } else { Change::New };
        };
        if first.verdict != second.verdict {
            return Change::Verdict(first.verdict, second.verdict);
        }
        let elapsed = |finding: &Finding| finding.measured.and_then(|measured| measured.elapsed);
        elapsed(first).zip(elapsed(second)).map_or(Change::Same, |(then, now)| shift(then, now))
    }
}

fn shift(then: Elapsed, now: Elapsed) -> Change {
    if now.least > then.most {
        Change::Slower(Elapsed {
            least: now.least.saturating_sub(then.most),
            most: now.most.saturating_sub(then.least),
        })
    } else if now.most < then.least {
        Change::Faster(Elapsed {
            least: then.least.saturating_sub(now.most),
            most: then.most.saturating_sub(now.least),
        })
    } else {
        Change::Same
    }
}

impl Change {
    /// In words.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Verdict(from, to) => format!("{from} → {to}"),
            Self::Faster(by) => format!("faster by {}", words::elapsed(by)),
            Self::Slower(by) => format!("slower by {}", words::elapsed(by)),
            Self::Same => "no difference to be told".into(),
            Self::Gone => "only in the first".into(),
            Self::New => "only in the second".into(),
        }
    }
}

/// How far a measurement moved, in words.
pub(crate) fn moved(then: Elapsed, now: Elapsed) -> String {
    shift(then, now).words()
}

/// Claims by their sentence, in the order of the second run; what only the first has comes last.
fn pairs<'a>(first: &'a [Finding], second: &'a [Finding]) -> Vec<Pair<'a>> {
    let mut open: Vec<Option<&Finding>> = first.iter().map(Some).collect();
    let mut pairs: Vec<Pair<'a>> = second
        .iter()
        .map(|now| {
            let same = |then: Option<&Finding>| {
                then.is_some_and(|then| then.axis == now.axis && then.claim == now.claim)
            };
            let then = open.iter().copied().position(same).and_then(|index| open[index].take());
            Pair { claim: &now.claim, first: then, second: Some(now) }
        })
        .collect();
    pairs.extend(open.into_iter().flatten().map(|then| Pair {
        claim: &then.claim,
        first: Some(then),
        second: None,
    }));
    pairs
}

fn circumstances(first: &Record, second: &Record) -> Vec<Circumstance> {
    let facts = |record: &Record| {
        let header = &record.header;
        let mut facts: BTreeMap<String, String> = BTreeMap::new();
        facts.insert("world".into(), header.world.to_string());
        facts.insert("seed".into(), header.seed.to_string());
        facts.insert("speed".into(), format!("{}×", header.speed));
        facts.insert("record".into(), if record.cut { "cut short" } else { "whole" }.into());
        facts.extend(
            header.scenario.settings.iter().chain(&header.settings).map(|(k, v)| (k.clone(), v.clone())),
        );
        facts.extend(
            header.versions.iter().map(|(name, version)| (format!("version of {name}"), version.clone())),
        );
        facts
    };
    let (one, other) = (facts(first), facts(second));
    let names: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let value = |facts: &BTreeMap<String, String>, name: &String| {
        facts.get(name).cloned().unwrap_or_else(|| "–".into())
    };
    let mut differing: Vec<Circumstance> = names
        .into_iter()
        .map(|name| Circumstance {
            name: name.clone(),
            first: value(&one, name),
            second: value(&other, name),
        })
        .filter(|fact| fact.first != fact.second)
        .collect();
    if first.header.scenario != second.header.scenario {
        let text = |which: &str| format!("{which} version");
        differing.push(Circumstance {
            name: "scenario file".into(),
            first: text("one"),
            second: text("another"),
        });
    }
    differing
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fixtures;

    fn elapsed(least: u64, most: u64) -> Elapsed {
        Elapsed { least: Duration::from_secs(least), most: Duration::from_secs(most) }
    }

    #[test]
    fn overlapping_measurements_are_no_difference() {
        assert_eq!(shift(elapsed(10, 20), elapsed(20, 30)), Change::Same);
        assert_eq!(shift(elapsed(10, 20), elapsed(21, 30)), Change::Slower(elapsed(1, 20)));
        assert_eq!(shift(elapsed(21, 30), elapsed(10, 20)), Change::Faster(elapsed(1, 20)));
    }

    #[test]
    fn claims_are_paired_by_their_sentence() {
        let (a, b) = (fixtures::held(), fixtures::violated());
        let found = Comparison::of((&a.0, &a.1), (&b.0, &b.1)).unwrap();
        assert_eq!(found.claims.len(), 10);
        assert_eq!(found.claims[0].change(), Change::Verdict(Verdict::Held, Verdict::Violated));
        assert_eq!(found.claims[9].change(), Change::Gone);
    }

    #[test]
    fn different_scenarios_are_refused() {
        let (a, mut b) = (fixtures::held(), fixtures::violated());
        b.0.header.scenario.id = "circuit/hang".into();
        assert!(Comparison::of((&a.0, &a.1), (&b.0, &b.1)).is_err());
    }

    #[test]
    fn text_of_a_comparison() {
        let (a, b) = (fixtures::held(), fixtures::violated());
        insta::assert_snapshot!(Comparison::of((&a.0, &a.1), (&b.0, &b.1)).unwrap().text(96));
    }

    #[test]
    fn a_run_is_like_itself() {
        let (a, b) = (fixtures::held(), fixtures::held());
        let found = Comparison::of((&a.0, &a.1), (&b.0, &b.1)).unwrap();
        assert!(found.circumstances.is_empty());
        assert!(found.sentence().contains("No difference"), "{}", found.sentence());
    }
}
