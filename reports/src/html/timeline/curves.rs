//! Requests and measures over time, with their scales beside them.

use maud::{Markup, html};

use super::{heading, row};
use crate::html::plots;
use crate::story::Story;
use crate::story::traffic::Traffic;
use crate::words;

/// The most lanes of measures.
const MEASURES: usize = 12;

/// So few requests are events: one narrow lane shows when they were and what came of them.
const FEW: usize = 10;

/// Every load, those of few requests together.
pub(super) fn traffic(story: &Story<'_>) -> Markup {
    let (single, steady): (Vec<_>, Vec<_>) = story.traffic.iter().partition(|traffic| traffic.total() <= FEW);
    html! {
        @for traffic in steady { (requests(story, traffic)) }
        @if !single.is_empty() {
            (heading("Single requests"))
            @for traffic in single { (few(story, traffic)) }
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

fn few(story: &Story<'_>, traffic: &Traffic) -> Markup {
    let label = html! {
        span { (traffic.load) }
        span.quiet.block {
            @for (class, tone, count) in &traffic.classes {
                i class={ "swatch " (tone.name()) } {} (class) " " b { (words::number(*count)) } " "
            }
            "in at most " (words::duration(traffic.took[2]))
        }
    };
    row("plotted measure", &label, &html! { div.canvas { (plots::outcomes(traffic, story.end)) } })
}

/// Ten to the power, in seconds, as a unit people read.
fn power(exponent: i32) -> String {
    match exponent {
        ..=-4 => format!("{} µs", 10_u64.pow((exponent + 6).max(0).unsigned_abs())),
        -3..=-1 => format!("{} ms", 10_u64.pow((exponent + 3).unsigned_abs())),
        _ => format!("{} s", 10_u64.pow(exponent.unsigned_abs())),
    }
}

pub(super) fn measures(story: &Story<'_>) -> Markup {
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
