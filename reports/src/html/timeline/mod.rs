//! The run as a picture: one time axis, a lane for everything that has a story to tell.

mod curves;
mod expectations;
mod faults;
mod signals;

use harness_core::event::Phase;
use harness_core::time::At;
use maud::{Markup, html};

use super::place::{Scale, ticks};
use crate::story::Story;
use crate::story::chronicle::phase_name;
use crate::tone::Tone;
use crate::words;

/// The most faults that are drawn, as lanes and as bands behind all lanes.
const BANDS: usize = 24;

pub(crate) fn section(story: &Story<'_>) -> Markup {
    let scale = Scale::new(At::START, story.end);
    let backdrop = backdrop(story, scale);
    html! {
        section #timeline aria-labelledby="timeline-title" {
            h2 #timeline-title { "What happened, when" }
            p.lede { (caption(story)) " " a href="#accounts" { "The same as text." } }
            div.timeline style=(backdrop) data-seconds=(story.end.since_start().as_secs_f64()) {
                (axis(scale, "top"))
                (phases(story, scale))
                (faults::faults(story, scale))
                (signals::signals(story, scale))
                (curves::traffic(story))
                (curves::measures(story))
                (expectations::expectations(story, scale))
                (axis(scale, "bottom"))
            }
            (legend(story))
        }
    }
}

fn caption(story: &Story<'_>) -> String {
    let whole = words::duration(story.end.since_start());
    let pace = pace(story.record.header.speed);
    format!("{whole} from left to right{pace}. The shaded columns are the times a fault was in effect.")
}

/// How much faster or slower than in system time a run was, if it was.
fn pace(speed: f64) -> String {
    let told = |times: f64, how: &str| format!(", told in system time: the run was {times}× {how}");
    if (speed - 1.0).abs() < 1e-9 {
        String::new()
    } else if speed < 1.0 {
        told((10.0 / speed).round() / 10.0, "slower")
    } else {
        told(speed, "faster")
    }
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
    for outage in story.outages.iter().take(BANDS) {
        band(outage.from(), outage.until().unwrap_or(story.end), "var(--band)");
    }
    for stall in story.stalls.iter().take(BANDS) {
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
    let long = marks.last().is_some_and(|last| last.since_start().as_secs() >= 600);
    let label = html! { span.quiet { "time" } };
    let lane = html! {
        @for (index, at) in marks.iter().enumerate() {
            span.tick.odd[index % 2 == 1].last[scale.percent(*at) > 94.0] style=(scale.at(*at)) { (if long { words::minutes(*at) } else { words::instant(*at) }) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_told_to_have_been_as_much_faster_or_slower_as_it_was() {
        assert_eq!(pace(1.0), "");
        assert_eq!(pace(10.0), ", told in system time: the run was 10× faster");
        assert_eq!(pace(0.4), ", told in system time: the run was 2.5× slower");
    }
}
