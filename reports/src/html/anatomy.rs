//! The anatomy of each recovery: a bar from the fault to the steady state, and its stages as a table.

use harness_core::time::{At, Span};
use maud::{Markup, html};

use super::place::{Piece, Scale, ribbon};
use crate::story::Story;
use crate::story::anatomy::{Anatomy, Mark, Reached};
use crate::tone::Tone;
use crate::words;

/// The most anatomies on a page.
const SHOWN: usize = 12;
/// So many have their stages unfolded.
const UNFOLDED: usize = 3;

pub(crate) fn section(story: &Story<'_>) -> Markup {
    if story.anatomies.is_empty() {
        return html! {};
    }
    let left_out = story.anatomies.len().saturating_sub(SHOWN);
    html! {
        section #recovery aria-labelledby="recovery-title" {
            h2 #recovery-title { "Anatomy of the recovery" }
            p.lede { "From the moment a fault took effect: when it was noticed, what was done about it, when all was well again." }
            @for (index, anatomy) in story.anatomies.iter().take(SHOWN).enumerate() { (one(story, anatomy, index < UNFOLDED)) }
            @if left_out > 0 {
                p.left-out { (words::counted(left_out, "more recovery")) " not drawn; the record has them" }
            }
        }
    }
}

fn one(story: &Story<'_>, anatomy: &Anatomy, unfolded: bool) -> Markup {
    let last = anatomy.marks.last().map_or(anatomy.in_effect.hi, |mark| mark.at.hi);
    let complete = anatomy.marks.iter().any(|mark| mark.stage == Reached::Well);
    let until = if complete { last.max(anatomy.healed.map_or(At::START, |at| at.hi)) } else { story.end };
    let scale = Scale::new(anatomy.in_effect.lo, until);
    html! {
        article.anatomy {
            h3 { (anatomy.what) span.arrow { "→" } (anatomy.signal) }
            div.lane {
                (ribbon(scale, &pieces(anatomy, until)))
                @for probe in &anatomy.failed_probes {
                    span.failed-probe style=(scale.at(probe.hi)) title={ "a probe failed, " (words::when(*probe)) } {}
                }
            }
            div.heals {
                @if let Some(healed) = anatomy.healed {
                    span.heal.late[scale.percent(healed.hi) > 70.0] style=(scale.at(healed.hi)) {
                        span { "▲ healed after " (words::elapsed(healed.elapsed_since(anatomy.in_effect))) }
                    }
                }
            }
            @if unfolded { (table(anatomy)) } @else { details { summary { "Stages" } (table(anatomy)) } }
            p.remark { (remark(anatomy, complete)) }
        }
    }
}

fn pieces(anatomy: &Anatomy, until: At) -> Vec<Piece> {
    anatomy
        .marks
        .iter()
        .enumerate()
        .filter_map(|(index, mark)| {
            let next = anatomy.marks.get(index + 1);
            if next.is_none() && mark.stage == Reached::Steady {
                return None;
            }
            let end = next.map_or(Span::exactly(until), |next| next.at);
            let name = match mark.stage {
                Reached::Trouble | Reached::Probe => mark.seen.clone(),
                stage => stage.then().to_owned(),
            };
            let lasted = words::elapsed(end.elapsed_since(mark.at));
            Some(Piece {
                from: mark.at,
                until: end,
                tone: tone(mark.stage),
                title: format!("{name}: {lasted}"),
                name: format!("{name} {lasted}"),
            })
        })
        .collect()
}

const fn tone(stage: Reached) -> Tone {
    match stage {
        Reached::InEffect => Tone::Plain,
        Reached::FirstSign | Reached::Probe => Tone::Warn,
        Reached::Trouble => Tone::Bad,
        Reached::Well | Reached::Steady => Tone::Good,
    }
}

fn table(anatomy: &Anatomy) -> Markup {
    let after = |mark: &Mark| words::elapsed(mark.at.elapsed_since(anatomy.in_effect));
    let after_heal = |mark: &Mark| {
        anatomy
            .healed
            .filter(|healed| mark.at.hi >= healed.lo)
            .map(|healed| words::elapsed(mark.at.elapsed_since(healed)))
    };
    html! {
        table.stages {
            thead { tr {
                th scope="col" { "stage" } th scope="col" { "what was seen" }
                th.figure scope="col" { "after the fault" } th.figure scope="col" { "after the heal" }
                th.figure scope="col" { "in the run" }
            } }
            tbody {
                @for mark in &anatomy.marks {
                    tr {
                        th scope="row" { i class={ "swatch " (tone(mark.stage).name()) } {} (name(mark)) }
                        td { (mark.seen) }
                        td.figure.none[mark.stage == Reached::InEffect] data-name="after the fault" {
                            @if mark.stage == Reached::InEffect { "–" } @else { (after(mark)) }
                        }
                        td.figure.none[after_heal(mark).is_none()] data-name="after the heal" {
                            (after_heal(mark).unwrap_or_else(|| "–".into()))
                        }
                        td.figure.quiet data-name="in the run" { (words::when(mark.at)) }
                    }
                }
            }
        }
    }
}

fn name(mark: &Mark) -> &'static str {
    match mark.stage {
        Reached::InEffect => "fault in effect",
        Reached::FirstSign => "first sign",
        Reached::Trouble => "in trouble",
        Reached::Probe => "decisive probe",
        Reached::Well => "well again",
        Reached::Steady => "steady",
    }
}

fn remark(anatomy: &Anatomy, complete: bool) -> String {
    let reached = |stage| anatomy.marks.iter().any(|mark| mark.stage == stage);
    let mut said = Vec::new();
    if !reached(Reached::Trouble) {
        said.push("It was never in trouble during this fault.".to_owned());
    } else if !complete {
        said.push("This record does not show it well again.".to_owned());
    } else if !reached(Reached::Steady) {
        said.push("The whole steady state was not seen to come back after it.".to_owned());
    }
    if !anatomy.failed_probes.is_empty() {
        said.push(format!(
            "{} failed before the decisive one.",
            words::counted(anatomy.failed_probes.len(), "probe")
        ));
    }
    if anatomy.relapses > 0 {
        said.push(format!("It fell back {} afterwards.", words::counted(anatomy.relapses, "time")));
    }
    said.join(" ")
}
