//! The run told as text: what happened, what was logged, what witnesses said.
//!
//! Each list is bounded. What is left out is counted where it was left out, never passed over.

use std::collections::BTreeSet;

use harness_core::event::{Event, Phase, Stage, What};
use harness_core::time::Span;

use crate::tone::Tone;
use crate::words;

/// The most entries of what happened.
const HAPPENINGS: usize = 400;
/// The most log lines.
const LINES: usize = 400;
/// The most facts.
const FACTS: usize = 200;

/// A list that was cut to a bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Excerpt<T> {
    /// What is shown, each with the number of entries left out just before it.
    pub(crate) shown: Vec<(usize, T)>,
    /// How many were left out after the last one shown.
    pub(crate) left_out_at_end: usize,
    /// How many there were.
    pub(crate) total: usize,
}

impl<T> Excerpt<T> {
    /// Keeps at most `most` entries: the weighty ones first, then the earliest of the others.
    fn of(entries: Vec<(bool, T)>, most: usize) -> Self {
        let total = entries.len();
        let by_weight =
            |weighty| entries.iter().enumerate().filter(move |(_, (w, _))| *w == weighty).map(|(i, _)| i);
        let kept: BTreeSet<usize> = by_weight(true).chain(by_weight(false)).take(most).collect();
        let mut shown = Vec::with_capacity(kept.len());
        let mut left_out = 0;
        for (index, (_, entry)) in entries.into_iter().enumerate() {
            if kept.contains(&index) {
                shown.push((std::mem::take(&mut left_out), entry));
            } else {
                left_out += 1;
            }
        }
        Self { shown, left_out_at_end: left_out, total }
    }

    /// How many were left out.
    pub(crate) fn left_out(&self) -> usize {
        self.total - self.shown.len()
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    /// When.
    pub(crate) at: Span,
    /// What kind of thing.
    pub(crate) kind: &'static str,
    /// In words.
    pub(crate) text: String,
    /// How it is to be read.
    pub(crate) tone: Tone,
}

/// A logged line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line<'a> {
    /// When.
    pub(crate) at: Span,
    /// The service.
    pub(crate) service: &'a str,
    /// The text.
    pub(crate) text: &'a str,
    /// How it is to be read, by its level.
    pub(crate) tone: Tone,
}

/// What a witness said.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said<'a> {
    /// When.
    pub(crate) at: Span,
    /// Who.
    pub(crate) witness: &'a str,
    /// About what.
    pub(crate) about: &'a str,
    /// The particulars.
    pub(crate) detail: String,
}

/// What happened, without requests, samples, logs and facts, in the order of happening.
pub(crate) fn happenings(events: &[Event]) -> Excerpt<Happening> {
    let mut all: Vec<_> = events.iter().filter_map(happening).collect();
    all.sort_by_key(|(_, happening)| happening.at);
    Excerpt::of(all, HAPPENINGS)
}

fn happening(event: &Event) -> Option<(bool, Happening)> {
    let (kind, text, tone) = match &event.what {
        What::Phase { phase } => ("phase", phase_name(*phase).to_owned(), Tone::Plain),
        What::Fault { name, fault, stage, detail } => {
            let (said, tone) = match stage {
                Stage::Injecting => ("being injected", Tone::Plain),
                Stage::InEffect => ("in effect", Tone::Bad),
                Stage::Unproven => ("injected, but its effect was not seen", Tone::Warn),
                Stage::Healing => ("being healed", Tone::Plain),
                Stage::Healed => ("healed", Tone::Good),
                Stage::Failed => ("failed", Tone::Bad),
            };
            let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
            ("fault", format!("{name} ({fault}) {said}{detail}"), tone)
        }
        What::Strike { name, strike, evidence } => {
            let seen = evidence.as_deref().unwrap_or("its effect was not seen");
            ("strike", format!("{name} ({strike}): {seen}"), Tone::Bad)
        }
        What::Signal { signal, value, was } => {
            let was = was.as_ref().map(|was| format!("{was} → ")).unwrap_or_default();
            ("signal", format!("{signal}: {was}{value}"), Tone::of_value(value))
        }
        What::Reached { signal, value, in_time, .. } => {
            let late = if *in_time { "" } else { " did not come in time" };
            let tone = if *in_time { Tone::Plain } else { Tone::Warn };
            ("trigger", format!("{signal} is {value}{late}"), tone)
        }
        What::Blind { prefix, why } => {
            let what = if prefix.is_empty() { "everything" } else { prefix };
            ("blind", format!("could not see {what}: {why}"), Tone::Warn)
        }
        What::Stall => (
            "stall",
            format!(
                "the machine stood still or had too much to do for {}",
                words::duration(event.at.width())
            ),
            Tone::Warn,
        ),
        What::Note { text } => ("note", text.clone(), Tone::Plain),
        What::TornDown { leftovers } if leftovers.is_empty() => {
            ("torn down", "nothing was left behind".into(), Tone::Good)
        }
        What::TornDown { leftovers } => {
            ("torn down", format!("left behind: {}", leftovers.join(", ")), Tone::Bad)
        }
        What::End { interrupted: None } => ("end", "the run is over".into(), Tone::Plain),
        What::End { interrupted: Some(why) } => ("end", format!("interrupted: {why}"), Tone::Warn),
        What::Sample { .. } | What::Request { .. } | What::Fact { .. } | What::Log { .. } => return None,
    };
    let weighty = !matches!(kind, "signal" | "note");
    Some((weighty, Happening { at: event.at, kind, text, tone }))
}

/// The name of a phase, as reports print it.
pub(crate) const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::SetUp => "set-up",
        Phase::Steady => "steady",
        Phase::Experiment => "experiment",
        Phase::Recovery => "recovery",
        Phase::CleanUp => "clean-up",
    }
}

/// What the services logged: every warning and error as long as there is room, then the earliest rest.
pub(crate) fn lines(events: &[Event]) -> Excerpt<Line<'_>> {
    let mut all: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Log { service, line } => {
                let tone = level(line);
                Some((tone != Tone::Plain, Line { at: event.at, service, text: line, tone }))
            }
            _ => None,
        })
        .collect();
    all.sort_by_key(|(_, line)| line.at);
    Excerpt::of(all, LINES)
}

fn level(line: &str) -> Tone {
    let has =
        |word: &str| line.split(|c: char| !c.is_alphanumeric()).any(|found| found.eq_ignore_ascii_case(word));
    if has("error") || has("panic") || has("panicked") || has("fatal") {
        Tone::Bad
    } else if has("warn") || has("warning") {
        Tone::Warn
    } else {
        Tone::Plain
    }
}

/// What witnesses said, earliest first.
pub(crate) fn facts(events: &[Event]) -> Excerpt<Said<'_>> {
    let all = events
        .iter()
        .filter_map(|event| match &event.what {
            What::Fact { witness, about, detail } => {
                let detail: Vec<String> =
                    detail.iter().map(|(key, value)| format!("{key}={value}")).collect();
                Some((false, Said { at: event.at, witness, about, detail: detail.join("  ") }))
            }
            _ => None,
        })
        .collect();
    Excerpt::of(all, FACTS)
}

#[cfg(test)]
mod tests {
    use harness_core::time::At;

    use super::*;

    fn log(seq: u64, line: &str) -> Event {
        let what = What::Log { service: "hub".into(), line: line.into() };
        Event { seq, at: Span::exactly(At::START), what }
    }

    #[test]
    fn warnings_outlast_the_bound_and_the_rest_is_counted() {
        let mut events: Vec<_> = (0..1_000).map(|i| log(i, "INFO polled")).collect();
        events[999] = log(999, "WARN breaker opened");
        let found = lines(&events);
        assert_eq!((found.shown.len(), found.total, found.left_out()), (LINES, 1_000, 600));
        let (before, last) = found.shown.last().unwrap();
        assert_eq!((*before, last.text), (600, "WARN breaker opened"));
        let counted: usize =
            found.shown.iter().map(|(before, _)| before + 1).sum::<usize>() + found.left_out_at_end;
        assert_eq!(counted, found.total);
    }

    #[test]
    fn requests_and_samples_are_no_happenings() {
        let sample = What::Sample { measure: "m".into(), value: 1.0 };
        let events = [Event { seq: 0, at: Span::exactly(At::START), what: sample }, log(1, "x")];
        assert_eq!(happenings(&events).total, 0);
    }
}
