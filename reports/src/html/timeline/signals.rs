//! A lane per signal, by the part of the system it belongs to.

use std::collections::BTreeMap;

use harness_core::history::Change;
use maud::{Markup, html};

use super::{heading, row};
use crate::html::place::{Piece, Scale, ribbon};
use crate::story::Story;
use crate::story::ribbons::{Value, stretches};
use crate::words;

/// Up to so many signals, each has its lane; beyond, only those that changed.
const QUIET_LANES: usize = 24;

/// The most lanes of signals.
const LANES: usize = 60;

/// The most names of signals that did not change.
const QUIET_NAMES: usize = 12;

pub(super) fn signals(story: &Story<'_>, scale: Scale) -> Markup {
    let all: Vec<(&str, &[Change])> = story.history.signals().collect();
    let few = all.len() <= QUIET_LANES;
    let (drawn, quiet): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, changes)| few || changes.len() > 1);
    let left_out = drawn.len().saturating_sub(LANES);
    let mut groups: BTreeMap<&str, Vec<(&str, &[Change])>> = BTreeMap::new();
    for (signal, changes) in drawn.into_iter().take(LANES) {
        let (group, name) = signal.split_once('/').unwrap_or((signal, signal));
        groups.entry(group).or_default().push((name, changes));
    }
    html! {
        @for (group, lanes) in &groups {
            (heading(group))
            @for (name, changes) in lanes {
                (row("signal", &html! { (name) }, &signal_lane(story, &format!("{group}/{name}"), changes, scale)))
            }
        }
        (unchanged(&quiet))
        @if left_out > 0 { p.left-out { (words::counted(left_out, "more signal")) " changed and is not drawn" } }
    }
}

/// Signals that never changed, by their value.
fn unchanged(quiet: &[(&str, &[Change])]) -> Markup {
    let mut by_value: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (signal, changes) in quiet {
        by_value.entry(changes.first().map_or("", |only| &only.value)).or_default().push(signal);
    }
    html! {
        @if !quiet.is_empty() {
            p.left-out {
                "Unchanged throughout. "
                @for (value, signals) in by_value {
                    b { (value) ": " } (signals[..signals.len().min(QUIET_NAMES)].join(", "))
                    @if signals.len() > QUIET_NAMES { " and " (words::number(signals.len() - QUIET_NAMES)) " more" }
                    ". "
                }
            }
        }
    }
}

fn signal_lane(story: &Story<'_>, signal: &str, changes: &[Change], scale: Scale) -> Markup {
    let finest = story.end.since_start() / 400;
    let pieces: Vec<Piece> = stretches(changes, story.end, finest)
        .into_iter()
        .map(|stretch| {
            let name = match &stretch.value {
                Value::One(value) => value.clone(),
                Value::Many(count) => words::counted(*count, "change"),
            };
            let title =
                format!("{name} from {} to {}", words::when(stretch.from), words::when(stretch.until));
            Piece { from: stretch.from, until: stretch.until, tone: stretch.value.tone(), name, title }
        })
        .collect();
    html! {
        (ribbon(scale, &pieces))
        @for (prefix, span, why) in story.blind.iter().take(LANES) {
            @if signal.starts_with(prefix.as_str()) {
                span.blind style=(scale.over(span.lo, span.hi)) title={ "not seen: " (why) } {}
            }
        }
    }
}
