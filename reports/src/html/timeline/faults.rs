//! The lanes of what was broken, and for how long.

use maud::{Markup, html};

use super::{BANDS, heading, row};
use crate::html::place::Scale;
use crate::story::Story;
use crate::story::outages::Outage;
use crate::words;

pub(super) fn faults(story: &Story<'_>, scale: Scale) -> Markup {
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
    let left_out = lanes.len().saturating_sub(BANDS);
    html! {
        (heading("What was broken"))
        @for (_, what, lives) in lanes.iter().take(BANDS) {
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
