//! Each bad input, and what is said about it: the file, the line and column, the remedy.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use harness_core::scenario::{Problem, ScenarioError};
use miette::{Diagnostic as _, GraphicalReportHandler, GraphicalTheme, NarratableReportHandler};
use proptest::prelude::*;

use crate::{WHOLE, read};

fn told(error: &ScenarioError) -> String {
    let mut told = String::new();
    let theme = GraphicalTheme::unicode_nocolor();
    GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_width(100)
        .render_report(&mut told, error)
        .expect("a string takes everything");
    told
}

fn refused(text: &str) -> ScenarioError {
    read(text).expect_err("this must be refused")
}

/// The whole scenario with one thing changed.
fn with(from: &str, to: &str) -> String {
    assert!(WHOLE.contains(from), "{from}");
    WHOLE.replacen(from, to, 1)
}

macro_rules! refused {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(told(&refused(&$text)));
        }
    )*};
}

const OPENED: &str = "becomes: OPEN, after: outage, not-before: 500ms, within: 30s";

refused! {
    unknown_key: with("topology: hub", "topologie: hub");
    unknown_key_of_an_expectation: with("not-before: 500ms", "not-befor: 500ms");
    key_missing: with("topology: hub\n", "");
    key_of_a_load_missing: with("{request: read, every: 500ms}", "{request: read}");
    unknown_kind_of_step: with("- wait: 1s", "- sleep: 1s");
    unknown_kind_of_fault: with("{stop: opa}", "{stopp: opa}");
    unknown_world: with("[virtual, local]", "[virtual, moon]");
    unknown_service: with("{stop: opa}", "{stop: oppa}");
    unknown_edge: with("{refuse: hub -> opa}", "{refuse: hub -> kas}");
    not_an_edge: with("{refuse: hub -> opa}", "{refuse: hub}");
    unknown_signal: with("{signal: hub/circuit/opa, stays", "{signal: hub/circit/opa, stays");
    unknown_signal_of_the_steady_state: with("hub/status: healthy", "hub/stats: healthy");
    impossible_value: with("is: unhealthy", "is: OPEN");
    unknown_setting: with("breaker.opa.threshold", "breaker.opa.treshold");
    setting_out_of_range: with("breaker.opa.threshold: ", "breaker.opa.threshold: x");
    unknown_invariant: with("fail-closed", "fail-open");
    unknown_request: with("request: read,", "request: write,");
    unknown_answer: with("none: [allowed]", "none: [alowed]");
    unknown_load: with("{requests: herd", "{requests: heard");
    unknown_topology: with("topology: hub", "topology: hubs");
    negative_duration: with("within: 30s", "within: -30s");
    not_a_duration: with("wait: 1s", "wait: soon");
    a_number_without_a_unit: with("wait: 1s", "wait: 10");
    a_wait_that_ends_before_it_begins: with("wait: 1s", "wait: 5s..1s");
    a_list_where_a_word_belongs: with("topology: hub", "topology: [hub]");
    expectation_before_its_fault: with("from: slow, for", "from: flapping, for");
    heal_of_something_not_active: with("  - heal: slow", "  - heal: flapping");
    injected_twice: with("  - heal: slow", "  - fault: slow");
    fault_never_injected: with("  - fault: slow\n", "").replace("from: slow", "from: start").replace("  - heal: slow\n", "");
    not_before_the_upper_bound: with("not-before: 500ms, within: 30s", "not-before: 40s, within: 30s");
    window_that_ends_where_it_begins: with("from: cut, until: healed outage", "from: cut, until: cut");
    window_that_ends_before_it_begins: with("from: opened, until: healed outage", "from: healed outage, until: outage");
    window_of_no_length: with("from: slow, for: 20s", "from: slow, for: 0s");
    two_ends_of_a_window: with("from: slow, for: 20s", "from: slow, for: 20s, until: end");
    two_claims_in_one: with(OPENED, "becomes: OPEN, stays: [OPEN], after: outage, within: 30s");
    two_subjects_in_one: with("{measure: in-flight", "{signal: hub/status, measure: in-flight");
    a_key_of_another_claim: with(OPENED, "becomes: OPEN, after: outage, within: 30s, at-most: 3");
    no_bound: with(", at-most: 3", "");
    bounds_that_nothing_meets: with("at-most: 3", "at-least: 4, at-most: 3");
    half_a_time: with("at-most: 3", "at-most: 2.5");
    not_a_number: with("at-most: 1.5", "at-most: .nan");
    a_list_of_nothing: with("stays: [CLOSED, HALF_OPEN]", "stays: []");
    a_name_that_is_taken: with("as: sick", "as: opened");
    a_name_that_cannot_be: with("as: sick", "as: end");
    a_load_that_is_taken: with("as: herd", "as: reads");
    too_many_requests: with("count: 200", "count: 20000");
    steady_for_longer_than_it_may_take: with("within: 1m", "within: 4s");
    latency_spread_beyond_itself: with("jitter: 100ms", "jitter: 400ms");
    flap_of_a_flap: with("{refuse: hub -> opa}", "{flap: {fault: {refuse: hub -> opa}, down: 1s, up: 1s}}");
    not_an_id: with("id: circuit/opa-outage", "id: OPA Outage");
    no_steps: WHOLE.split("steps:").next().unwrap().to_owned() + "steps: []\n";
    several_problems_at_once: with("{stop: opa}", "{stop: opaa}").replace("fail-closed", "fail-clsed").replace("none: [allowed]", "none: [granted]");
    empty_file: "";
    blank_file: "\n  \n# nothing\n";
    broken_yaml: with("steady:\n", "steady: [\n");
    bad_indentation: with("  for: 5s", " for: 5s");
    a_tab: with("  for: 5s", "\tfor: 5s");
    duplicate_key: with("  for: 5s\n", "  for: 5s\n  for: 6s\n");
    duplicate_fault: with("  outage: {stop: opa}\n", "  outage: {stop: opa}\n  outage: {kill: opa}\n");
    two_documents: format!("{WHOLE}---\n{WHOLE}");
    not_a_mapping: "- a\n- b\n";
    unknown_alias: with("topology: hub", "topology: *hub");
    a_tag: with("topology: hub", "topology: !hub hub");
}

/// Each problem's place, and the words there.
fn places(error: &ScenarioError, text: &str) -> Vec<(Problem, String)> {
    let labels = error.labels().into_iter().flatten();
    let words = labels.map(|label| text[label.offset()..label.offset() + label.len()].to_owned());
    error.problems().iter().cloned().zip(words).collect()
}

#[test]
fn whatever_lines_end_with_a_place_is_the_same() {
    let texts = [
        with("topology: hub", "topologie: hub"),
        with("{stop: opa}", "{stop: opaa}").replace("none: [allowed]", "none: [granted]"),
        with("  - heal: slow", "  - heal: flapping"),
        with("  for: 5s\n", "  for: 5s\n  for: 6s\n"),
    ];
    for text in texts {
        let expected = places(&refused(&text), &text);
        assert!(!expected.is_empty());
        for end in ["\r", "\r\n"] {
            let text = text.replace('\n', end);
            assert_eq!(places(&refused(&text), &text), expected, "{end:?}");
        }
    }
    read(&format!("# not all there is\r{WHOLE}").replace('\n', "\r"))
        .expect("the comment ends with its line");
}

#[test]
fn a_file_of_ten_megabytes() {
    let text = format!("{WHOLE}# {}\n", "x".repeat(10 << 20));
    let error = refused(&text);
    insta::assert_snapshot!(told(&error));
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let nest =
        |depth: usize| format!("{}{{stop: opa}}{}", "{flap: {fault: ".repeat(depth), "}}".repeat(depth));
    let error = refused(&with("{stop: opa}", &nest(40)));
    insta::assert_snapshot!("deep_nesting", format!("{:#?}", error.problems()));
    for text in ["[".repeat(100_000), "{a: ".repeat(50_000), "- ".repeat(100_000), "a:\n ".repeat(50_000)] {
        refused(&text);
    }
}

#[test]
fn an_alias_bomb_is_refused_in_no_time() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1);
        let ten = before.repeat(10);
        let ten = ten.trim_end_matches(", ");
        writeln!(text, "a{level}: &a{level} [{ten}]").unwrap();
    }
    let bombs = [
        text.clone() + WHOLE,
        WHOLE.replace("tags: [circuit-breaker]", &format!("{text}tags: *a9")),
        WHOLE.replace("tags: [circuit-breaker]", &format!("tags: &t [{}]", "x,".repeat(1000)))
            + &"why: *t\n".repeat(1000),
    ];
    #[expect(clippy::disallowed_methods, reason = "this test is about real time")]
    let began = Instant::now();
    for bomb in bombs {
        refused(&bomb);
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whatever is cut out, doubled or typed over: an answer, never a panic, and every problem inside the
    /// file and told with its place.
    #[test]
    fn no_edit_of_a_file_breaks_its_check(
        from in 0usize..2_400, length in 0usize..40, typed in "[a-z:{}\\[\\],&*!|>'\"#\\- \n0-9é-]{0,12}",
    ) {
        let mut text: Vec<char> = WHOLE.chars().collect();
        let from = from.min(text.len());
        let until = (from + length).min(text.len());
        text.splice(from..until, typed.chars());
        let text: String = text.into_iter().collect();
        if let Err(error) = read(&text) {
            prop_assert!(!error.problems().is_empty());
            let lines = text.lines().count();
            for problem in error.problems() {
                prop_assert!(problem.line <= lines + 1, "{}: {}", problem.line, problem.message);
                prop_assert!(!problem.message.contains(" at line "), "{}", problem.message);
            }
            told(&error);
            let mut narrated = String::new();
            NarratableReportHandler::new().render_report(&mut narrated, &error).unwrap();
        }
    }
}
