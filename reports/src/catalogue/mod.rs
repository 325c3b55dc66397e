//! Many runs: how each scenario stands in each world, against its goals and its own past.

mod page;
mod scorecard;

use harness_core::record::Record;
use harness_core::time::Elapsed;
use harness_core::verdict::{Axis, Judgement, Verdict};
use harness_core::world::WorldKind;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::story::Story;
use crate::story::headline::{AXES, axes};

pub(crate) use page::page;
pub use scorecard::{About, Goal};

/// A run as the catalogue keeps it: small enough to hold thousands.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub(crate) scenario: String,
    pub(crate) title: String,
    pub(crate) world: WorldKind,
    pub(crate) run: String,
    pub(crate) started: String,
    pub(crate) verdict: Verdict,
    pub(crate) axes: [Option<Verdict>; 3],
    pub(crate) broken: bool,
    pub(crate) lasted: Duration,
    pub(crate) claims: Vec<Claimed>,
    pub(crate) link: Option<String>,
}

/// A claim of a run, without its reasons.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Claimed {
    pub(crate) claim: String,
    pub(crate) verdict: Verdict,
    pub(crate) measured: Option<(Option<Elapsed>, Duration)>,
}

impl Entry {
    /// Sums up a run. `link` is where its page is, seen from the catalogue's.
    pub fn of(record: &Record, judgement: &Judgement, link: Option<&str>) -> Self {
        let story = Story::of(record, judgement);
        let header = &record.header;
        Self {
            scenario: header.scenario.id.clone(),
            title: header.scenario.title.clone(),
            world: header.world,
            run: header.run.clone(),
            started: header.started.clone(),
            verdict: story.verdict,
            axes: axes(judgement).map(|result| result.verdict),
            broken: !story.outages.is_empty() || !story.blows.is_empty(),
            lasted: story.end.since_start(),
            claims: judgement
                .findings
                .iter()
                .map(|finding| Claimed {
                    claim: finding.claim.clone(),
                    verdict: finding.verdict,
                    measured: finding.measured.map(|measured| (measured.elapsed, measured.within)),
                })
                .collect(),
            link: link.map(str::to_owned),
        }
    }

    pub(crate) fn axis(&self, axis: Axis) -> Option<Verdict> {
        AXES.iter().position(|known| *known == axis).and_then(|index| self.axes[index])
    }

    pub(crate) fn held(&self) -> usize {
        self.claims.iter().filter(|claim| claim.verdict == Verdict::Held).count()
    }

    /// The claim that used up most of its bound.
    pub(crate) fn tightest(&self) -> Option<&Claimed> {
        self.claims
            .iter()
            .filter(|claim| claim.measured.is_some())
            .max_by(|a, b| a.used().unwrap_or(f64::INFINITY).total_cmp(&b.used().unwrap_or(f64::INFINITY)))
    }

    pub(crate) fn claim(&self, claim: &str) -> Option<&Claimed> {
        self.claims.iter().find(|found| found.claim == claim)
    }
}

impl Claimed {
    /// The share of the bound that was used up at most; nothing when it never came about.
    pub(crate) fn used(&self) -> Option<f64> {
        let (elapsed, within) = self.measured?;
        Some(elapsed?.most.as_secs_f64() / within.as_secs_f64().max(1e-9))
    }
}

/// The runs of one scenario in one world, oldest first, never empty.
pub(crate) struct Group<'a> {
    pub(crate) runs: Vec<&'a Entry>,
}

impl<'a> Group<'a> {
    pub(crate) fn latest(&self) -> &'a Entry {
        self.runs.last().expect("a group is made of at least one run")
    }

    pub(crate) fn before(&self) -> Option<&'a Entry> {
        self.runs.len().checked_sub(2).map(|index| self.runs[index])
    }
}

/// The runs by scenario and world. `entries` are oldest first.
pub(crate) fn groups(entries: &[Entry]) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(&str, WorldKind), Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        groups.entry((&entry.scenario, entry.world)).or_default().push(entry);
    }
    groups.into_values().map(|runs| Group { runs }).collect()
}
