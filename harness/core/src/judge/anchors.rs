//! Where in the timeline the anchors of a scenario lie.

use super::becomes::{Becomes, Turn};
use super::view::View;
use super::{Decision, Observed, TICK};
use crate::event::Phase;
use crate::history::Outage;
use crate::scenario::{Anchor, Claim, Expectation, Step, Until};
use crate::time::{At, Span};
use crate::verdict::Verdict;

/// An anchor in the timeline.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// It came then.
    At(Span),
    /// It came, if at all, at an instant that nothing can be counted from; the reason.
    Unclear(String),
    /// It seems to have come, but what may still be recorded could move it, until everything before
    /// this instant has been observed.
    Settling(At),
    /// It did not come (yet).
    NotYet,
}

impl From<Option<Span>> for Found {
    fn from(at: Option<Span>) -> Self {
        at.map_or(Self::NotYet, Self::At)
    }
}

impl View<'_> {
    pub(super) fn find(&self, anchor: &Anchor) -> Found {
        match anchor {
            Anchor::Start => self.history.phase(Phase::Experiment).map(Span::exactly).into(),
            Anchor::End => self.history.phase(Phase::Recovery).map(Span::exactly).into(),
            Anchor::InEffect(name) => self.of_outage(name, |outage| outage.in_effect),
            Anchor::Healed(name) => self.of_outage(name, |outage| outage.healed),
            Anchor::Struck(name) => match self.history.strike(name) {
                Some((_, false)) => unproven(name),
                struck => struck.map(|(at, _)| at).into(),
            },
            Anchor::Answered(name) => self.answered(name).into(),
            Anchor::Met(name) => match self.history.reached(name) {
                Some(at) => Found::At(at),
                None => self.met(name),
            },
        }
    }

    /// The first anchor of a claim that never came, in words.
    pub(super) fn missing(&self, claim: &Claim) -> Option<String> {
        let anchors = match claim {
            Claim::Becomes { after, .. } => vec![after],
            Claim::Stays { window, .. }
            | Claim::Turns { window, .. }
            | Claim::Measures { window, .. }
            | Claim::Pace { window, .. }
            | Claim::Requests { window, .. } => match &window.until {
                Until::Anchor(until) => vec![&window.from, until],
                Until::Lasting(_) => vec![&window.from],
            },
        };
        let missing = anchors.into_iter().find(|anchor| self.find(anchor) == Found::NotYet)?;
        Some(match self.last_failure() {
            Some(failure) => format!("{missing} ({failure})"),
            None => missing.to_string(),
        })
    }

    /// From the sending of requests that went out together to the last answer.
    fn answered(&self, name: &str) -> Option<Span> {
        let sent = self.scenario.steps.iter().find_map(|step| match step {
            Step::Send { name: this, count, .. } if this == name => Some(*count as usize),
            _ => None,
        })?;
        let answers = self.history.requests(name);
        let all = (answers.len() == sent).then_some(answers)?;
        all.iter().map(|exchange| exchange.at).reduce(|a, b| Span { lo: a.lo.min(b.lo), hi: a.hi.max(b.hi) })
    }

    /// A fault that is injected several times means, at each step, its latest injection by then, and
    /// before its first the one to come.
    fn of_outage(&self, name: &str, moment: impl Fn(&Outage) -> Option<Span>) -> Found {
        let before = &self.scenario.steps[..self.step];
        let injections =
            before.iter().filter(|step| matches!(step, Step::Fault(this) if this == name)).count();
        match self.history.outages(name).get(injections.max(1) - 1) {
            Some(outage) if outage.unproven.is_some() => unproven(name),
            outage => outage.and_then(moment).into(),
        }
    }

    /// The signal and the value whose change meets the expectation or trigger of that name.
    pub(super) fn met_by(&self, name: &str) -> Option<(&str, &str)> {
        self.scenario.steps[..self.step].iter().rev().find_map(|step| match step {
            Step::Expect(Expectation { name: Some(this), claim: Claim::Becomes { signal, value, .. } })
            | Step::Until { name: Some(this), signal, value, .. }
                if this == name =>
            {
                Some((signal.as_str(), value.as_str()))
            }
            _ => None,
        })
    }

    /// When the expectation of that name came about. It is one of an earlier step, so this ends.
    fn met(&self, name: &str) -> Found {
        let mut earlier = self.scenario.steps[..self.step].iter().enumerate().rev();
        let named = earlier.find_map(|(step, what)| match what {
            Step::Expect(expectation) if expectation.name.as_deref() == Some(name) => {
                Some((step, &expectation.claim))
            }
            _ => None,
        });
        let Some((step, claim)) = named else { return Found::NotYet };
        let view = View { step, observed: Observed { complete: false, ..self.observed }, ..*self };
        if let Claim::Becomes { signal, value, after, not_before, within } = claim {
            let becomes = Becomes { signal, value, after, not_before: *not_before, within: *within };
            return match becomes.turn(&view) {
                Turn::At(turn) if view.observed.until <= turn.lo => Found::Settling(turn.lo + TICK),
                Turn::At(turn) => Found::At(turn),
                Turn::Unclear(why) => Found::Unclear(why),
                Turn::Settling(at) => Found::Settling(at),
                Turn::Never | Turn::NoAnchor => Found::NotYet,
            };
        }
        match view.decide(claim) {
            Decision::Decided(finding) => match (finding.verdict, finding.seen) {
                (Verdict::Held, Some(at)) => Found::At(at),
                (Verdict::Held | Verdict::Violated, _) => Found::NotYet,
                (Verdict::Inconclusive, _) => {
                    Found::Unclear(format!("it is not known whether {name} was met: {}", finding.why))
                }
            },
            Decision::Pending(Some(at)) => Found::Settling(at),
            Decision::Pending(None) => Found::NotYet,
        }
    }
}

fn unproven(name: &str) -> Found {
    Found::Unclear(format!("the effect of {name} was not seen, so nothing follows from what came after it"))
}
