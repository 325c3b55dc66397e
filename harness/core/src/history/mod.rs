//! A timeline, indexed for judging: signals over time, anchors, requests, blind spots.

mod stalls;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{Answer, Event, Phase, Stage, What};
use crate::time::{At, Span};

use stalls::Stalls;

/// A signal took a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: Span,
    /// The value it took.
    pub value: String,
}

/// One injection of a fault, and what became of it. A fault can be injected several times in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// When its injection began.
    pub injecting: Span,
    /// When its effect was seen.
    pub in_effect: Option<Span>,
    /// When it was known that its effect could not be shown.
    pub unproven: Option<Span>,
    /// When it was healed.
    pub healed: Option<Span>,
}

/// A request and its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// From its scheduled sending to its end.
    pub at: Span,
    /// Position within its load.
    pub number: u64,
    /// What came of it.
    pub answer: Answer,
}

/// A fold over the timeline that grows with it.
#[derive(Clone, Debug, Default)]
pub struct History {
    events: Vec<Event>,
    signals: BTreeMap<String, Vec<Change>>,
    samples: BTreeMap<String, Vec<(Span, f64)>>,
    requests: BTreeMap<String, Vec<Exchange>>,
    stages: BTreeMap<(String, Stage), Vec<Span>>,
    outages: BTreeMap<String, Vec<Outage>>,
    strikes: BTreeMap<String, (Span, bool)>,
    reached: BTreeMap<String, Span>,
    phases: BTreeMap<Phase, At>,
    blind: Vec<(String, Span, String)>,
    stalls: Stalls,
    leftovers: Option<Vec<String>>,
    last: At,
    last_act: At,
}

impl History {
    /// The fold of a whole timeline.
    pub fn of(events: Vec<Event>) -> Self {
        let mut history = Self::default();
        for event in events {
            history.push(event);
        }
        history
    }

    /// Takes the next event.
    pub fn push(&mut self, event: Event) {
        let at = event.at;
        self.last = self.last.max(at.hi);
        if event.what.is_an_act() {
            self.last_act = self.last_act.max(at.lo);
        }
        match &event.what {
            What::Phase { phase } => {
                self.phases.insert(*phase, at.lo);
            }
            What::Fault { name, stage, .. } => {
                self.stages.entry((name.clone(), *stage)).or_default().push(at);
                self.outage(name, *stage, at);
            }
            What::Strike { name, evidence, .. } => {
                self.strikes.insert(name.clone(), (at, evidence.is_some()));
            }
            What::Reached { name: Some(name), in_time: true, .. } => {
                self.reached.insert(name.clone(), at);
            }
            What::Signal { signal, value, .. } => {
                let changes = self.signals.entry(signal.clone()).or_default();
                // Witnesses report late at times; the order is that of happening. The spans of one
                // signal don't nest: it has one witness at a time, which sees its changes in order.
                let position = changes.partition_point(|change| change.at <= at);
                changes.insert(position, Change { at, value: value.clone() });
            }
            What::Sample { measure, value } => {
                self.samples.entry(measure.clone()).or_default().push((at, *value));
            }
            What::Request { load, number, answer } => self
                .requests
                .entry(load.clone())
                .or_default()
                .push(Exchange { at, number: *number, answer: answer.clone() }),
            What::Blind { prefix, why } => self.blind.push((prefix.clone(), at, why.clone())),
            What::Stall => self.stalls.add(at),
            What::TornDown { leftovers } => self.leftovers = Some(leftovers.clone()),
            What::Reached { .. }
            | What::Fact { .. }
            | What::Log { .. }
            | What::Note { .. }
            | What::End { .. } => {}
        }
        self.events.push(event);
    }

    fn outage(&mut self, name: &str, stage: Stage, at: Span) {
        let outages = self.outages.entry(name.to_owned()).or_default();
        if stage == Stage::Injecting {
            outages.push(Outage { injecting: at, in_effect: None, unproven: None, healed: None });
        }
        let Some(outage) = outages.last_mut() else { return };
        match stage {
            Stage::InEffect => outage.in_effect = outage.in_effect.or(Some(at)),
            Stage::Unproven => outage.unproven = outage.unproven.or(Some(at)),
            Stage::Healed => outage.healed = Some(at),
            Stage::Injecting | Stage::Healing | Stage::Failed => {}
        }
    }

    /// The whole timeline, in the order of writing.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The timeline itself.
    pub fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// The latest instant that any event touches.
    pub fn last_instant(&self) -> At {
        self.last
    }

    /// The beginning of the latest thing the runner did: entered a phase, broke or healed something,
    /// reached a trigger. Before it does anything, it waits for what it expects to be seen.
    pub fn last_act(&self) -> At {
        self.last_act
    }

    /// The changes of a signal, in the order of happening.
    pub fn signal(&self, name: &str) -> &[Change] {
        self.signals.get(name).map_or(&[], Vec::as_slice)
    }

    /// All signals with their changes.
    pub fn signals(&self) -> impl Iterator<Item = (&str, &[Change])> {
        self.signals.iter().map(|(name, changes)| (name.as_str(), changes.as_slice()))
    }

    /// The value a signal has after the latest change that surely happened by `at`.
    pub fn value_at(&self, signal: &str, at: At) -> Option<&str> {
        let changes = self.signal(signal);
        changes.iter().rev().find(|change| change.at.hi <= at).map(|change| change.value.as_str())
    }

    /// The samples of a measure.
    pub fn samples(&self, measure: &str) -> &[(Span, f64)] {
        self.samples.get(measure).map_or(&[], Vec::as_slice)
    }

    /// All measures with their samples.
    pub fn measures(&self) -> impl Iterator<Item = (&str, &[(Span, f64)])> {
        self.samples.iter().map(|(name, samples)| (name.as_str(), samples.as_slice()))
    }

    /// The requests of a load that have ended, in the order of their end.
    pub fn requests(&self, load: &str) -> &[Exchange] {
        self.requests.get(load).map_or(&[], Vec::as_slice)
    }

    /// All loads with their requests.
    pub fn loads(&self) -> impl Iterator<Item = (&str, &[Exchange])> {
        self.requests.iter().map(|(name, requests)| (name.as_str(), requests.as_slice()))
    }

    /// When a fault last came to a stage.
    pub fn fault(&self, name: &str, stage: Stage) -> Option<Span> {
        self.stages.get(&(name.to_owned(), stage)).and_then(|spans| spans.last()).copied()
    }

    /// Every time a fault came to a stage.
    pub fn fault_times(&self, name: &str, stage: Stage) -> &[Span] {
        self.stages.get(&(name.to_owned(), stage)).map_or(&[], Vec::as_slice)
    }

    /// The injections of a fault, in order.
    pub fn outages(&self, name: &str) -> &[Outage] {
        self.outages.get(name).map_or(&[], Vec::as_slice)
    }

    /// The names of the faults that were injected or tried.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        let mut last = None;
        self.stages
            .keys()
            .map(|(name, _)| name.as_str())
            .filter(move |name| last.replace(*name) != Some(*name))
    }

    /// When a strike happened, and whether its effect was seen.
    pub fn strike(&self, name: &str) -> Option<(Span, bool)> {
        self.strikes.get(name).copied()
    }

    /// When a named trigger fired.
    pub fn reached(&self, name: &str) -> Option<Span> {
        self.reached.get(name).copied()
    }

    /// When a phase began.
    pub fn phase(&self, phase: Phase) -> Option<At> {
        self.phases.get(&phase).copied()
    }

    /// Why `subject` may have changed unseen within `window`, if it may.
    pub fn blind_within(&self, subject: &str, window: Span) -> Option<&str> {
        self.blind
            .iter()
            .find(|(prefix, at, _)| subject.starts_with(prefix.as_str()) && at.overlaps(window))
            .map(|(_, _, why)| why.as_str())
    }

    /// The end of the last blind spot of `subject`; the run's start when it has none.
    pub fn blind_until(&self, subject: &str) -> At {
        self.blind
            .iter()
            .filter(|(prefix, _, _)| subject.starts_with(prefix.as_str()))
            .map(|(_, at, _)| at.hi)
            .max()
            .unwrap_or(At::START)
    }

    /// For how long altogether the machine stalled within `window`.
    pub fn stalled_within(&self, window: Span) -> Duration {
        self.stalls.within(window)
    }

    /// How long the machine stalled just then or, by no more than as long again, before `at`.
    pub fn stall_behind(&self, at: Span) -> Option<Duration> {
        self.stalls.behind(at)
    }

    /// The last instant at which no more than `within` has passed since `from`, the time for which the
    /// machine stalled not counted: it holds everything up, the system under test included.
    pub fn deadline(&self, from: At, within: Duration) -> At {
        self.stalls.deadline(from, within)
    }

    /// What was left behind, once the world was taken down.
    pub fn leftovers(&self) -> Option<&[String]> {
        self.leftovers.as_deref()
    }
}
