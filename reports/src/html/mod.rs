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

#[cfg(test)]
mod tests {
    use harness_core::event::What;
    use harness_core::record::Record;
    use harness_core::verdict::Judgement;

    use crate::fixtures;

    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'";

    /// A run in which every text that a record can carry tries to be markup.
    fn hostile() -> (Record, Judgement) {
        let (mut record, mut judgement) = fixtures::violated();
        let header = &mut record.header;
        for text in [
            &mut header.run,
            &mut header.started,
            &mut header.replay,
            &mut header.scenario.id,
            &mut header.scenario.title,
            &mut header.scenario.why,
            &mut header.scenario.topology,
        ] {
            *text = HOSTILE.into();
        }
        header.scenario.tags.push(HOSTILE.into());
        header.settings.insert(HOSTILE.into(), HOSTILE.into());
        for event in &mut record.events {
            match &mut event.what {
                What::Signal { signal, value, .. } => {
                    signal.push_str(HOSTILE);
                    value.push_str(HOSTILE);
                }
                What::Request { load, answer, .. } => {
                    *load = HOSTILE.into();
                    answer.class.push_str(HOSTILE);
                }
                What::Fault { name, detail, .. } => {
                    *name = HOSTILE.into();
                    *detail = HOSTILE.into();
                }
                What::Log { service, line } => {
                    *service = HOSTILE.into();
                    *line = HOSTILE.into();
                }
                What::Sample { measure, .. } => *measure = HOSTILE.into(),
                What::TornDown { leftovers } => leftovers.push(HOSTILE.into()),
                _ => {}
            }
        }
        for finding in &mut judgement.findings {
            finding.claim = HOSTILE.into();
            finding.why = HOSTILE.into();
        }
        (record, judgement)
    }

    #[test]
    fn nothing_of_a_record_becomes_markup() {
        let (record, judgement) = hostile();
        let page = crate::html(&record, &judgement);
        assert!(page.contains("&lt;script&gt;alert(1)"), "the text is there");
        assert!(!page.contains("<script>alert") && !page.contains("<img"));
        assert_eq!(page.matches("<script").count(), 1, "only the page's own");
    }

    #[test]
    fn a_page_stands_alone() {
        let (record, judgement) = fixtures::held();
        let page = crate::html(&record, &judgement);
        let outward = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!outward.contains("http://") && !outward.contains("https://") && !outward.contains(" src="));
        assert!(!outward.contains("@import") && !outward.contains("url("));
    }

    #[test]
    fn a_page_says_first_how_the_run_came_out() {
        for ((record, judgement), word) in [
            (fixtures::held(), "Held."),
            (fixtures::violated(), "Violated."),
            (fixtures::cut_short(), "Inconclusive."),
        ] {
            let page = crate::html(&record, &judgement);
            let body = &page[page.find("<main").unwrap()..];
            assert!(body.find(word).unwrap() < body.find("<section").unwrap(), "{word}");
        }
    }

    #[test]
    fn nothing_is_green_in_a_run_without_claims() {
        let (record, _) = fixtures::held();
        let page = crate::html(&record, &Judgement::default());
        let body = &page[page.find("<main").unwrap()..];
        assert!(body.contains("Nothing was claimed about this run"));
        assert!(!body.contains("glyph held") && body.contains("not judged"));
    }

    #[test]
    fn a_page_stays_small_and_counts_what_it_leaves_out() {
        let (record, judgement) = fixtures::crowded();
        assert!(record.events.len() > 20_000);
        let page = crate::html(&record, &judgement);
        assert!(page.len() < 700_000, "{} bytes", page.len());
        assert!(page.contains("400 of 6,002 lines"), "logs are counted");
        assert!(page.contains("Unchanged throughout"), "quiet signals are named");
    }
}
