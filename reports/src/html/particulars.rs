//! What was run, where and how: enough to run it again.

use std::collections::BTreeMap;

use harness_core::scenario::{Scenario, Step};
use maud::{Markup, html};

use crate::story::Story;
use crate::words;

pub(crate) fn section(story: &Story<'_>) -> Markup {
    let header = &story.record.header;
    let scenario = &header.scenario;
    html! {
        section #particulars aria-labelledby="particulars-title" {
            h2 #particulars-title { "Run it again" }
            div.replay {
                code #replay { (header.replay) }
                button type="button" data-copy="replay" hidden { "Copy" }
            }
            @if !scenario.why.is_empty() { p.lede { (scenario.why) } }
            dl.particulars {
                (term("Run", &html! { (header.run) }))
                (term("Scenario", &html! { (scenario.id) @if !scenario.tags.is_empty() { span.quiet { " " (scenario.tags.join(", ")) } } }))
                (term("World", &html! { (header.world) }))
                (term("Seed", &html! { (header.seed) }))
                (term("Speed", &html! { (header.speed) "× real time" }))
                @if !header.started.is_empty() { (term("Started", &html! { (header.started) })) }
                (term("Topology", &html! { (scenario.topology) }))
                (term("Load", &load(scenario)))
                @if !scenario.always.is_empty() { (term("Always", &html! { (scenario.always.join(", ")) })) }
                (term("Steady state", &steady(scenario)))
                (term("Settings", &pairs(&[&scenario.settings, &header.settings])))
                (term("Versions", &pairs(&[&header.versions])))
                (term("Record", &html! {
                    (words::counted(story.record.events.len(), "event")) ", " (header.format)
                    @if story.record.cut { ", cut short" }
                }))
            }
            details {
                summary { "The scenario in words " span.quiet { (words::counted(scenario.steps.len(), "step")) } }
                ol.steps { @for step in &scenario.steps { li { (words_of(step, scenario)) } } }
            }
        }
    }
}

fn term(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn load(scenario: &Scenario) -> Markup {
    html! {
        @if scenario.load.is_empty() { "none" }
        @for (index, load) in scenario.load.iter().enumerate() {
            @if index > 0 { ", " }
            (load.name) ": " (load.request) " every " (words::duration(load.every))
        }
    }
}

fn steady(scenario: &Scenario) -> Markup {
    html! {
        @for (index, (signal, value)) in scenario.steady.signals.iter().enumerate() {
            @if index > 0 { ", " }
            (signal) " " (value)
        }
        @if scenario.steady.signals.is_empty() { "nothing asked for" }
        span.quiet { " for " (words::duration(scenario.steady.lasting)) }
    }
}

fn pairs(maps: &[&BTreeMap<String, String>]) -> Markup {
    let all: Vec<_> = maps.iter().flat_map(|map| map.iter()).collect();
    html! {
        @if all.is_empty() { "defaults" }
        @for (index, (key, value)) in all.iter().enumerate() {
            @if index > 0 { ", " }
            (key) " " (value)
        }
    }
}

/// A step as a sentence.
pub(crate) fn words_of(step: &Step, scenario: &Scenario) -> String {
    let fault = |name: &String| {
        scenario.faults.get(name).map_or_else(|| name.clone(), |fault| format!("{name}: {fault}"))
    };
    match step {
        Step::Fault(name) => format!("break {}", fault(name)),
        Step::Heal(name) => format!("heal {name}"),
        Step::Strike { name, strike } => format!("strike {name}: {strike}"),
        Step::Send { name, request, count } => format!("send {count} × {request} at once, as {name}"),
        Step::Expect(expectation) => format!("expect that {}", expectation.claim),
        Step::Until { signal, value, within, .. } => {
            format!("go on when {signal} is {value}, at most {} later", words::duration(*within))
        }
        Step::Wait(duration) => format!("wait {}", words::duration(*duration)),
        Step::WaitBetween { least, most } => {
            format!("wait {} to {}, as the seed says", words::duration(*least), words::duration(*most))
        }
    }
}
