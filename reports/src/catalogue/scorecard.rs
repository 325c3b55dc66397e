//! Goals over many runs, each answered like a claim: held, violated, or not to be told from these runs.

use harness_core::verdict::{Axis, Verdict};

use super::{Entry, Group};

/// A goal over many runs: a share of something that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// The goal as a short sentence: `failures recover unaided`.
    pub name: String,
    /// The share that must hold, from 0 to 1.
    pub at_least: f64,
    /// What it is a share of.
    pub about: About,
}

/// What a goal counts.
#[derive(Clone, Debug, PartialEq)]
pub enum About {
    /// Runs, by their verdict.
    Runs,
    /// Runs in which something was broken, by the verdict of this part.
    Failures(Axis),
    /// Claims with a time bound.
    Bounds,
    /// Claims whose sentence begins with this: the name of an invariant, say.
    Claims(String),
}

impl Goal {
    /// A goal about a share of something.
    pub fn new(name: &str, at_least: f64, about: About) -> Self {
        Self { name: name.to_owned(), at_least, about }
    }

    /// The goals that make sense for any system.
    pub fn common() -> Vec<Self> {
        vec![
            Self::new("every run holds", 1.0, About::Runs),
            Self::new("time bounds are met", 1.0, About::Bounds),
            Self::new("failures recover unaided", 0.8, About::Failures(Axis::Recovery)),
            Self::new("failures are contained", 1.0, About::Claims("contained".into())),
            Self::new("nothing is left behind", 1.0, About::Failures(Axis::CleanUp)),
        ]
    }
}

/// How a goal stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Score {
    pub(crate) held: usize,
    pub(crate) inconclusive: usize,
    pub(crate) total: usize,
    pub(crate) runs: usize,
}

impl Score {
    /// Of a choice of runs.
    pub(crate) fn of<'a>(goal: &Goal, runs: impl Iterator<Item = &'a Entry>) -> Self {
        let mut score = Self::default();
        for run in runs {
            let answers: Vec<Verdict> = match &goal.about {
                About::Runs => vec![run.verdict],
                About::Failures(axis) => run.axis(*axis).filter(|_| run.broken).into_iter().collect(),
                About::Bounds => claims(run, |claim| claim.measured.is_some()),
                About::Claims(name) => claims(run, |claim| claim.claim.starts_with(name.as_str())),
            };
            score.runs += usize::from(!answers.is_empty());
            score.total += answers.len();
            score.held += answers.iter().filter(|answer| **answer == Verdict::Held).count();
            score.inconclusive += answers.iter().filter(|answer| **answer == Verdict::Inconclusive).count();
        }
        score
    }

    /// The share that held; nothing when nothing was counted.
    pub(crate) fn share(self) -> Option<f64> {
        (self.total > 0).then(|| self.held as f64 / self.total as f64)
    }

    /// Held when what held suffices, violated when not even the undecided would help; nothing without data.
    pub(crate) fn verdict(self, at_least: f64) -> Option<Verdict> {
        let needed = at_least * self.total as f64 - 1e-9;
        if self.total == 0 {
            None
        } else if self.held as f64 >= needed {
            Some(Verdict::Held)
        } else if (self.held + self.inconclusive) as f64 >= needed {
            Some(Verdict::Inconclusive)
        } else {
            Some(Verdict::Violated)
        }
    }
}

fn claims(run: &Entry, about: impl Fn(&super::Claimed) -> bool) -> Vec<Verdict> {
    run.claims.iter().filter(|claim| about(claim)).map(|claim| claim.verdict).collect()
}

/// A goal over the latest run of every group, and over the ones before those.
pub(crate) fn score(goal: &Goal, groups: &[Group<'_>]) -> (Score, Score) {
    (
        Score::of(goal, groups.iter().map(Group::latest)),
        Score::of(goal, groups.iter().filter_map(Group::before)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::groups;
    use crate::fixtures;

    fn entries() -> Vec<Entry> {
        [fixtures::held(), fixtures::violated(), fixtures::cut_short()]
            .iter()
            .map(|(record, judgement)| Entry::of(record, judgement, None))
            .collect()
    }

    #[test]
    fn the_latest_runs_count_and_the_ones_before_are_the_trend() {
        let entries = entries();
        let groups = groups(&entries);
        assert_eq!(groups.len(), 2, "docker twice, local once");
        let (now, before) = score(&Goal::new("holds", 1.0, About::Runs), &groups);
        assert_eq!((now.held, now.inconclusive, now.total), (0, 1, 2));
        assert_eq!((before.held, before.total), (1, 1));
    }

    #[test]
    fn the_undecided_neither_fulfil_nor_break_a_goal() {
        let score = Score { held: 8, inconclusive: 1, total: 10, runs: 10 };
        assert_eq!(score.verdict(0.8), Some(Verdict::Held));
        assert_eq!(score.verdict(0.9), Some(Verdict::Inconclusive));
        assert_eq!(score.verdict(1.0), Some(Verdict::Violated));
        assert_eq!(Score::default().verdict(0.0), None);
    }
}
