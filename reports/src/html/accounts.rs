//! The run as text: what happened, what was logged, what witnesses said. Folded, to be searched.

use maud::{Markup, html};

use crate::story::Story;
use crate::story::chronicle::{Excerpt, facts, happenings, lines};
use crate::words;

pub(crate) fn section(story: &Story<'_>) -> Markup {
    let events = &story.record.events;
    let (happened, logged, said) = (happenings(events), lines(events), facts(events));
    html! {
        section #accounts aria-labelledby="accounts-title" {
            h2 #accounts-title { "In the record’s own words" }
            (folded("Timeline", "entry", "entries", &happened, |entry| html! {
                td.time { (words::when(entry.at)) }
                td.who { (entry.kind) }
                td { span class={ "mark " (entry.tone.name()) } {} (entry.text) }
            }))
            (folded("Logs", "line", "lines", &logged, |line| html! {
                td.time { (words::when(line.at)) }
                td.who { (line.service) }
                td.log { span class={ "mark " (line.tone.name()) } {} (line.text) }
            }))
            (folded("Facts from witnesses", "fact", "facts", &said, |fact| html! {
                td.time { (words::when(fact.at)) }
                td.who { (fact.witness) }
                td.log { b { (fact.about) } " " (fact.detail) }
            }))
        }
    }
}

fn folded<T>(
    name: &str,
    one: &str,
    many: &str,
    excerpt: &Excerpt<T>,
    cells: impl Fn(&T) -> Markup,
) -> Markup {
    let noun = if excerpt.total == 1 { one } else { many };
    html! {
        @if excerpt.total == 0 {
            p.nothing { (name) span.quiet { " none in this record" } }
        } @else {
            details {
                summary {
                    (name) " " span.quiet {
                        @if excerpt.left_out() > 0 { (words::number(excerpt.shown.len())) " of " }
                        (words::number(excerpt.total)) " " (noun)
                        @if excerpt.left_out() > 0 { "; the others are in the record" }
                    }
                }
                label.filter hidden { "Filter " input type="search" aria-label={ "Filter: " (name) }; span.quiet aria-live="polite" {} }
                table.account {
                    tbody {
                        @for (before, entry) in &excerpt.shown {
                            @if *before > 0 { (gap(*before, many)) }
                            tr { (cells(entry)) }
                        }
                        @if excerpt.left_out_at_end > 0 { (gap(excerpt.left_out_at_end, many)) }
                    }
                }
            }
        }
    }
}

fn gap(count: usize, noun: &str) -> Markup {
    html! { tr.gap { td colspan="3" { (words::number(count)) " " (noun) " left out here" } } }
}
