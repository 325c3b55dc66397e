//! A run as one HTML page: no network, no script needed to read it, everything of the record escaped.
//!
//! | module | what it draws |
//! |---|---|
//! | [`verdict`] | the verdict in words, the three axes, what went wrong |
//! | [`timeline`] | the picture; [`place`] puts instants on it, [`plots`] draws the curves |
//! | [`anatomy`] | each recovery, from the fault to the steady state |
//! | [`findings`] | every claim with its bound, interval and margin |
//! | [`accounts`] | what happened, logs and facts as text |
//! | [`particulars`] | seed, settings, versions, the scenario in words, the replay command |

mod accounts;
mod anatomy;
mod findings;
mod particulars;
mod place;
mod plots;
mod timeline;
mod verdict;

use harness_core::verdict::Verdict;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::story::Story;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page of one run.
pub(crate) fn page(story: &Story<'_>) -> String {
    let header = &story.record.header;
    let title = format!("{}: {} ({})", story.verdict, header.scenario.id, header.world);
    let body = html! {
        (verdict::section(story))
        (timeline::section(story))
        (anatomy::section(story))
        (findings::section(story))
        (accounts::section(story))
        (particulars::section(story))
    };
    document(&title, &body)
}

/// A whole document around a body, with everything it needs inside.
pub(crate) fn document(title: &str, body: &Markup) -> String {
    // Nothing may be loaded from anywhere, whatever a record contains.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy);
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to the verdict" }
                button #theme type="button" hidden aria-label="Switch between light and dark" { "◐" }
                main #content { (body) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// The sign of a verdict: told by its shape, not by its colour alone.
pub(crate) fn glyph(verdict: Option<Verdict>) -> Markup {
    let (class, sign, word) = match verdict {
        Some(Verdict::Held) => ("held", "✓", "held"),
        Some(Verdict::Violated) => ("violated", "✕", "violated"),
        Some(Verdict::Inconclusive) => ("inconclusive", "?", "inconclusive"),
        None => ("none", "–", "not judged"),
    };
    html! { span class={ "glyph " (class) } role="img" aria-label=(word) { (sign) } }
}
