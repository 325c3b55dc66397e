//! The run as a picture: one time axis, a lane for everything that has a story to tell.

use std::collections::BTreeMap;

use harness_core::event::Phase;
use harness_core::history::Change;
use harness_core::time::{At, Span};
use harness_core::verdict::{Finding, Verdict};
use maud::{Markup, html};

use super::place::{Piece, Scale, ribbon, ticks};
use super::{glyph, plots};
use crate::story::Story;
use crate::story::chronicle::phase_name;
use crate::story::outages::Outage;
use crate::story::ribbons::{Value, stretches};
use crate::story::traffic::Traffic;
use crate::tone::Tone;
use crate::words;

/// Up to so many signals, each has its lane; beyond, only those that changed.
const QUIET_LANES: usize = 24;
/// The most lanes of signals.
const LANES: usize = 60;
/// The most lanes of measures.
const MEASURES: usize = 12;
/// The most lanes of faults.
const FAULTS: usize = 24;
/// The most lanes of expectations.
const EXPECTATIONS: usize = 40;

pub(crate) fn section(story: &Story<'_>) -> Markup {
    let scale = Scale::new(At::START, story.end);
    let backdrop = backdrop(story, scale);
    html! {
        section #timeline aria-labelledby="timeline-title" {
            h2 #timeline-title { "What happened, when" }
            p.lede { (caption(story)) }
            div.timeline style=(backdrop) data-seconds=(story.end.since_start().as_secs_f64()) {
                (axis(scale, "top"))
                (phases(story, scale))
                (faults(story, scale))
                (signals(story, scale))
                @for traffic in &story.traffic { (requests(story, traffic)) }
                (measures(story))
                (expectations(story, scale))
                (axis(scale, "bottom"))
            }
            (legend(story))
        }
    }
}

fn caption(story: &Story<'_>) -> String {
    let whole = words::duration(story.end.since_start());
    let speed = story.record.header.speed;
    let compressed = if (speed - 1.0).abs() < 1e-9 {
        String::new()
    } else {
        format!(", told in system time: the run was {speed}× faster")
    };
    format!("{whole} from left to right{compressed}. The shaded columns are the times a fault was in effect.")
}

/// Fault bands, stalls and grid lines, behind all lanes, as one background.
fn backdrop(story: &Story<'_>, scale: Scale) -> String {
    let mut layers = Vec::new();
    let mut band = |from: At, until: At, colour: &str| {
        let (left, right) = (scale.percent(from), scale.percent(until));
        layers.push(format!(
            "linear-gradient(to right,transparent {left:.3}%,{colour} {left:.3}% {right:.3}%,transparent {right:.3}%)"
        ));
    };
    for outage in story.outages.iter().take(FAULTS) {
        band(outage.from(), outage.until().unwrap_or(story.end), "var(--band)");
    }
    for stall in story.stalls.iter().take(FAULTS) {
        band(stall.lo, stall.hi, "var(--stall)");
    }
    let marks = ticks(scale, 10);
    let step = marks.get(1).map_or(100.0, |at| scale.percent(*at));
    layers.push(format!("repeating-linear-gradient(to right,var(--grid) 0 1px,transparent 1px {step:.3}%)"));
    format!("--backdrop:{}", layers.join(","))
}

fn row(class: &str, label: &Markup, lane: &Markup) -> Markup {
    html! {
        div class={ "row " (class) } {
            div.label { (label) }
            div.lane { (lane) }
        }
    }
}

fn heading(text: &str) -> Markup {
    html! { div.row.heading { div.label { h3 { (text) } } div.lane {} } }
}

fn axis(scale: Scale, place: &str) -> Markup {
    let marks = ticks(scale, 10);
    let label = html! { span.quiet { "time" } };
    let lane = html! {
        @for (index, at) in marks.iter().enumerate() {
            span.tick.odd[index % 2 == 1].last[scale.percent(*at) > 94.0] style=(scale.at(*at)) { (words::instant(*at)) }
        }
    };
    row(&format!("axis {place}"), &label, &lane)
}

fn phases(story: &Story<'_>, scale: Scale) -> Markup {
    if story.phases.is_empty() {
        return html! {};
    }
    let lane = html! {
        @for (phase, from, until) in &story.phases {
            span.phase.main[*phase == Phase::Experiment] style=(scale.over(*from, *until))
                title={ (phase_name(*phase)) ", " (words::instant(*from)) " to " (words::instant(*until)) } {
                span { (phase_name(*phase)) }
            }
        }
        @if story.record.cut { span.cut { "record ends" } }
    };
    row("phases", &html! { span.quiet { "phase" } }, &lane)
}

fn faults(story: &Story<'_>, scale: Scale) -> Markup {
    if story.outages.is_empty() && story.blows.is_empty() {
        return html! {};
    }
    // The lives of one fault share a lane.
    let mut lanes: Vec<(&str, &str, Vec<&Outage>)> = Vec::new();
    for outage in &story.outages {
        match lanes.iter_mut().find(|(name, ..)| *name == outage.name) {
            Some((.., lives)) => lives.push(outage),
            None => lanes.push((&outage.name, &outage.what, vec![outage])),
        }
    }
    let left_out = lanes.len().saturating_sub(FAULTS);
    html! {
        (heading("What was broken"))
        @for (_, what, lives) in lanes.iter().take(FAULTS) {
            (row("fault", &html! { (what) }, &html! { @for life in lives { (life_bar(story, life, scale)) } }))
        }
        @if !story.blows.is_empty() {
            (row("fault", &html! { "once" }, &html! {
                @for blow in &story.blows {
                    span.blow style=(scale.at(blow.at.lo)) title={ (words::when(blow.at)) } { span { (blow.what) } }
                }
            }))
        }
        @if left_out > 0 { p.left-out { (words::counted(left_out, "more fault")) " not drawn" } }
    }
}

fn life_bar(story: &Story<'_>, life: &Outage, scale: Scale) -> Markup {
    let end = life.healed.map_or(story.end, |at| at.lo);
    let healing = life.healing.unwrap_or(end);
    let state = match (&life.failed, &life.evidence, life.in_effect) {
        (Some(why), ..) => format!("failed: {why}"),
        (None, Some(_), _) => "in effect".to_owned(),
        (None, None, Some(_)) => "effect not seen".to_owned(),
        (None, None, None) => "injected".to_owned(),
    };
    let title = format!(
        "{state} from {}{}",
        life.in_effect.map_or_else(|| words::instant(life.begun), words::when),
        life.healed.map_or_else(
            || ", never healed in this record".into(),
            |at| format!(", healed at {}", words::when(at))
        )
    );
    html! {
        span.turning style=(scale.over(life.begun, life.from())) title="being injected" {}
        span.life.unproven[life.evidence.is_none()] style=(scale.over(life.from(), healing)) title=(title) {
            span { (state) @if let Some(evidence) = &life.evidence { @if !evidence.is_empty() { span.detail { ": " (evidence) } } } }
        }
        span.turning style=(scale.over(healing, end)) title="being healed" {}
    }
}

fn signals(story: &Story<'_>, scale: Scale) -> Markup {
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
        @if !quiet.is_empty() {
            p.left-out {
                "Unchanged throughout: "
                @for (index, (signal, changes)) in quiet.iter().take(LANES).enumerate() {
                    @if index > 0 { ", " }
                    (signal) " " @if let Some(only) = changes.first() { (only.value) }
                }
                @if quiet.len() > LANES { " and " (words::number(quiet.len() - LANES)) " more" }
            }
        }
        @if left_out > 0 { p.left-out { (words::counted(left_out, "more signal")) " changed and is not drawn" } }
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

fn requests(story: &Story<'_>, traffic: &Traffic) -> Markup {
    let (low, high) = plots::decades(traffic);
    // Five labels are as many as stand above each other without touching.
    let labelled = (low..=high).rev().step_by(((high - low) / 4 + 1).unsigned_abs() as usize);
    let decade = |exponent: i32| f64::from(exponent - low) / f64::from(high - low) * 100.0;
    let outcomes_label = html! {
        span { "answers in " (words::duration(traffic.bin)) }
        ul.classes {
            @for (class, tone, count) in &traffic.classes {
                li { i class={ "swatch " (tone.name()) } {} (class) " " b { (words::number(*count)) } }
            }
        }
    };
    let latency_label = html! {
        span { "time to answer" }
        span.quiet.block { "p50 " (words::duration(traffic.took[0])) }
        span.quiet.block { "p95 " (words::duration(traffic.took[1])) }
        span.quiet.block { "longest " (words::duration(traffic.took[2])) }
    };
    html! {
        (heading(&format!("{}: {}", traffic.load, words::counted(traffic.total(), "request"))))
        (row("plotted", &outcomes_label, &html! {
            div.canvas {
                (plots::outcomes(traffic, story.end))
                span.y.top { (words::number(traffic.highest())) }
            }
        }))
        (row("plotted", &latency_label, &html! {
            div.canvas {
                @for exponent in labelled.clone() {
                    span.rule style={ "bottom:" (format!("{:.2}", decade(exponent))) "%" } {}
                }
                (plots::latency(traffic, story.end))
                @for exponent in labelled {
                    span.y.top[exponent == high] style={ "bottom:" (format!("{:.2}", decade(exponent))) "%" } { (power(exponent)) }
                }
            }
        }))
    }
}

/// Ten to the power, in seconds, as a unit people read.
fn power(exponent: i32) -> String {
    match exponent {
        ..=-4 => format!("{} µs", 10_u64.pow((exponent + 6).max(0).unsigned_abs())),
        -3..=-1 => format!("{} ms", 10_u64.pow((exponent + 3).unsigned_abs())),
        _ => format!("{} s", 10_u64.pow(exponent.unsigned_abs())),
    }
}

fn measures(story: &Story<'_>) -> Markup {
    let all: Vec<_> = story.history.measures().filter(|(_, samples)| !samples.is_empty()).collect();
    if all.is_empty() {
        return html! {};
    }
    let left_out = all.len().saturating_sub(MEASURES);
    html! {
        (heading("Measures"))
        @for (name, samples) in all.into_iter().take(MEASURES) {
            @let values = || samples.iter().map(|(_, value)| *value).filter(|value| value.is_finite());
            @let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            @if low.is_finite() {
                (row("plotted measure", &html! {
                    span { (name) }
                    span.quiet.block { (figure(low)) " to " (figure(high)) }
                }, &html! { div.canvas { (plots::measure(samples, low, high, story.end)) } }))
            }
        }
        @if left_out > 0 { p.left-out { (words::counted(left_out, "more measure")) " not drawn" } }
    }
}

fn figure(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn expectations(story: &Story<'_>, scale: Scale) -> Markup {
    let dated: Vec<(usize, &Finding, Span)> = story
        .judgement
        .findings
        .iter()
        .enumerate()
        .filter_map(|(index, finding)| Some((index, finding, finding.window.or(finding.seen)?)))
        .collect();
    if dated.is_empty() {
        return html! {};
    }
    let undated = story.judgement.findings.len() - dated.len();
    let left_out = dated.len().saturating_sub(EXPECTATIONS);
    html! {
        (heading("What had to hold"))
        @for (index, finding, window) in dated.into_iter().take(EXPECTATIONS) {
            (row("expectation", &html! {
                a.claim href={ "#finding-" (index + 1) } title=(finding.claim) {
                    (glyph(Some(finding.verdict))) " " (finding.claim)
                }
            }, &window_bar(finding, window, scale)))
        }
        @if left_out + undated > 0 {
            p.left-out.aside {
                (words::counted(left_out + undated, "further claim")) ", "
                @if left_out > 0 { (words::number(left_out)) " for want of room and " (words::number(undated)) }
                @else if undated == 1 { "which has" } @else { "which have" }
                " no one place in time: all are listed " a href="#findings" { "below" } "."
            }
        }
    }
}

fn window_bar(finding: &Finding, window: Span, scale: Scale) -> Markup {
    let early = finding.measured.map(|measured| measured.not_before).filter(|bound| !bound.is_zero());
    let held = finding.measured.is_none().then_some(finding.verdict);
    html! {
        span.window.beyond[scale.is_beyond(window.hi)].held[held == Some(Verdict::Held)]
            .violated[held == Some(Verdict::Violated)].inconclusive[held == Some(Verdict::Inconclusive)]
            style=(scale.over(window.lo, window.hi))
            title={ "from " (words::instant(window.lo)) " to " (words::instant(window.hi)) } {}
        @if let Some(early) = early {
            span.early style=(scale.over(window.lo, window.lo + early)) title={ "too early: not before " (words::duration(early)) } {}
        }
        @if let Some(seen) = finding.seen {
            span class={ "seen " (finding.verdict) } style=(scale.over(seen.lo, seen.hi))
                title={ "seen at " (words::when(seen)) } {}
        }
        (reading(finding, window, scale))
    }
}

/// What was measured, beside its bar on the side that has room.
fn reading(finding: &Finding, window: Span, scale: Scale) -> Markup {
    let Some(measured) = finding.measured else { return html! {} };
    let elapsed = measured.elapsed.map_or_else(|| "never".into(), words::elapsed);
    let seen = finding.seen.unwrap_or(window);
    let (left, right) = (scale.percent(window.lo.min(seen.lo)), scale.percent(window.hi.max(seen.hi)));
    let on_the_right = right < 76.0;
    let place =
        if on_the_right { format!("left:{right:.2}%") } else { format!("right:{:.2}%", 100.0 - left) };
    html! {
        span.reading.cramped[right >= 76.0 && left <= 25.0] style=(place) {
            b { (elapsed) } " of " (words::duration(measured.within))
        }
    }
}

fn legend(story: &Story<'_>) -> Markup {
    let has_seen = story.judgement.findings.iter().any(|finding| finding.seen.is_some());
    html! {
        ul.legend aria-label="How to read the picture" {
            li { i class={ "swatch " (Tone::Good.name()) } {} "as it should be" }
            li { i class={ "swatch " (Tone::Warn.name()) } {} "in between" }
            li { i class={ "swatch " (Tone::Bad.name()) } {} "trouble" }
            li { i.slant {} "a slanted edge: seen by polling, it happened somewhere along the slope" }
            @if has_seen { li { i.interval {} "a claim’s window; the bar inside is when it was seen, as exactly as it is known" } }
            @if !story.blind.is_empty() { li { i.blind {} "could not be seen" } }
            @if !story.stalls.is_empty() { li { i.stall {} "the machine stalled" } }
        }
    }
}
