//! The same steps for each row of a table: they are what they are written out by hand, and what is wrong with them
//! is told where it stands and with the value in whose turn it is.

use std::fmt::Write as _;

use harness_core::scenario::{Scenario, ScenarioError};
use proptest::prelude::*;

use crate::read;

/// A scenario with these steps. Both faults are injected and healed, whatever else is done.
fn scenario(steps: &str) -> String {
    format!(
        "id: circuit/each\ntitle: Each\nworlds: [virtual]\ntopology: hub\n\
         faults:\n  outage: {{stop: opa}}\n  slow: {{stall: hub -> opa}}\n\
         steps:\n{steps}  - fault: outage\n  - heal: outage\n  - fault: slow\n  - heal: slow\n"
    )
}

/// What is told, each with its place: `line:column message (help)`.
fn told(error: &ScenarioError) -> Vec<String> {
    let problem = |problem: &harness_core::scenario::Problem| {
        let help = problem.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
        format!("{}:{} {}{help}", problem.line, problem.column, problem.message)
    };
    error.problems().iter().map(problem).collect()
}

fn refused(steps: &str) -> Vec<String> {
    told(&read(&scenario(steps)).expect_err("this must be refused"))
}

/// An `each` over two outages, with one step changed. The table begins in line 11, the steps in line 14.
fn two(from: &str, to: &str) -> String {
    let steps = "  - each:
      of:
        - {name: outage, state: OPEN, held: 30s}
        - {name: slow, state: CLOSED, held: 1m}
      steps:
        - fault: <name>
        - expect: {signal: hub/circuit/opa, becomes: <state>, after: <name>, within: <held>, as: seen-<name>}
        - heal: <name>
";
    assert!(steps.contains(from), "{from}");
    steps.replacen(from, to, 1)
}

/// What is named, and then what may be said of it, by the name of the row.
const NAMED: [fn(&str) -> String; 2] = [
    |name| format!("- send: {{as: herd-{name}, request: read, count: 3}}"),
    |name| format!("- strike: {{as: cut-{name}, do: {{cut: hub -> opa}}}}"),
];
const SAID: [fn(&str) -> String; 6] = [
    |name| format!("- expect: {{requests: herd-{name}, all: [allowed], at-least: 1}}"),
    |name| {
        format!(
            "- expect: {{signal: hub/status, becomes: healthy, after: cut-{name}, within: 5s, as: well-{name}}}"
        )
    },
    |name| format!("- until: {{signal: hub/status, is: healthy, within: 9s, as: until-{name}}}"),
    |name| format!("- expect: {{measure: in-flight, at-most: 4, from: cut-{name}, for: 3s}}"),
    |name| {
        format!(
            "- expect: {{requests: herd-{name}, percent: 50, answered-within: 1s, from: answered herd-{name}}}"
        )
    },
    |_| "- wait: 1s..2s".to_owned(),
];

/// The steps of one turn, indented.
fn turn(said: &[usize], name: &str, indented: usize) -> String {
    let said = said.iter().map(|said| SAID[*said](name));
    let steps = NAMED.iter().map(|named| named(name)).chain(said);
    steps.fold(String::new(), |mut steps, step| {
        writeln!(steps, "{:indented$}{step}", "").expect("a string takes everything");
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is repeated for whatever rows: it is the scenario that has the steps written out by hand, and it
    /// survives being recorded.
    #[test]
    fn steps_for_each_row_are_the_steps_written_out_by_hand(
        names in prop::collection::btree_set("[a-z0-9]{1,4}", 1..6),
        said in Just((0..SAID.len()).collect::<Vec<_>>()).prop_shuffle(),
        many in 0..=SAID.len(),
    ) {
        let said = &said[..many];
        let mut each = String::from("  - each:\n      of:\n");
        for name in &names {
            writeln!(each, "        - {{name: '{name}'}}").expect("a string takes everything");
        }
        each.push_str("      steps:\n");
        each.push_str(&turn(said, "<name>", 8));
        let by_hand: String = names.iter().map(|name| turn(said, name, 2)).collect();

        let each = read(&scenario(&each)).expect("a scenario");
        prop_assert_eq!(&each, &read(&scenario(&by_hand)).expect("a scenario"));
        let recorded = serde_json::to_string(&each).expect("a scenario can be recorded");
        prop_assert_eq!(serde_json::from_str::<Scenario>(&recorded).expect("a record can be read"), each);
    }
}

#[test]
fn times_and_numbers_come_from_a_row_as_well() {
    let each = "  - each:
      of: [{n: 7, time: 0s..5s, share: 99.5}]
      steps:
        - send: {as: herd, request: read, count: <n>}
        - wait: <time>
        - expect: {requests: herd, percent: <share>, answered-within: <n>ms, at-least: <n>}
";
    let by_hand = "  - send: {as: herd, request: read, count: 7}
  - wait: 0s..5s
  - expect: {requests: herd, percent: 99.5, answered-within: 7ms, at-least: 7}
";
    assert_eq!(read(&scenario(each)).unwrap(), read(&scenario(by_hand)).unwrap());
}

#[test]
fn a_table_can_be_named_and_used_again() {
    let of =
        |table: &str, step: &str| format!("  - each:\n      of: {table}\n      steps:\n        - {step}\n");
    let table = "&herds [{herd: a, answer: allowed}, {herd: b, answer: denied}]";
    let send = of(table, "send: {as: <herd>, request: read}");
    let claim = of("*herds", "expect: {requests: <herd>, all: [<answer>]}");
    let steps = read(&scenario(&format!("{send}{claim}"))).unwrap().steps;
    assert_eq!(steps.len(), 4 + 4);
    // Alone, the first doesn't use all of the table.
    assert_eq!(
        refused(&send),
        ["10:29 no step uses the column `answer` (remove it, or write `<answer>` where it belongs)"]
    );
}

#[test]
fn what_is_wrong_in_some_turns_names_them() {
    let refused_two = |from: &str, to: &str| refused(&two(from, to));
    assert_eq!(
        refused_two("state: CLOSED", "state: CLOZED"),
        ["15:54 hub/circuit/opa is never `CLOZED`, when `<name>` is `slow` (did you mean `CLOSED`?)"]
    );
    assert_eq!(
        refused_two("held: 1m", "held: soon"),
        ["15:86 `soon` is not a duration: write 250ms, 30s, 1m 30s or 24h, when `<name>` is `slow`"]
    );
    assert_eq!(
        refused_two("name: slow", "name: slw"),
        ["14:18 unknown fault `slw`, when `<name>` is `slw` (did you mean `slow`?)",]
    );
    assert_eq!(
        refused_two(", as: seen-<name>", ", as: seen"),
        ["15:98 the name `seen` is taken by an expectation, when `<name>` is `slow` \
             (what each turn names needs a placeholder in its name: `<name>`)"]
    );
}

#[test]
fn what_is_wrong_in_every_turn_is_told_once() {
    assert_eq!(
        refused(&two("hub/circuit/opa", "hub/circit/opa")),
        ["15:28 unknown signal `hub/circit/opa` (did you mean `hub/circuit/opa`?)"]
    );
}

#[test]
fn placeholders_that_stand_for_nothing_and_columns_that_nobody_uses_are_refused() {
    assert_eq!(
        refused(&two("becomes: <state>", "becomes: <stat>")),
        ["15:54 the table has no column `stat` (did you mean `state`?)"]
    );
    assert_eq!(
        refused(&two("held: 1m}", "held: 1m, more: b}").replace("held: 30s}", "held: 30s, more: a}")),
        ["11:50 no step uses the column `more` (remove it, or write `<more>` where it belongs)"]
    );
    assert_eq!(
        refused("  - wait: <pause>\n"),
        ["9:11 `<pause>` stands for nothing here (placeholders belong in the steps of an `each`)"]
    );
    let nested =
        two("- fault: <name>", "- each: {of: [{a: b}], steps: [{wait: <name>}]}\n        - fault: <name>");
    assert_eq!(refused(&nested), ["14:11 an `each` within an `each` (write a row for every pair)"]);
}

#[test]
fn every_row_has_the_columns_of_the_first() {
    assert_eq!(
        refused(&two("state: CLOSED", "stat: CLOSED")),
        [
            "12:11 this row has no `state` (every row has the columns of the first)",
            "12:24 the first row has no column `stat` (did you mean `state`?)",
        ]
    );
    assert_eq!(
        refused(&two("held: 30s}", "held: 30s, Held: 30s}")),
        [
            "11:50 `Held` can't be the name of a column (lower case, digits and hyphens, a letter first)",
            "12:11 this row has no `Held` (every row has the columns of the first)",
        ]
    );
    assert_eq!(
        refused(&two("state: OPEN", "state: <name>")),
        ["11:33 `<name>` has a placeholder in it (a row's values are what they say)"]
    );
}

#[test]
fn what_repeats_nothing_is_refused() {
    let each = |of: &str, steps: &str| refused(&format!("  - each: {{of: {of}, steps: {steps}}}\n"));
    assert_eq!(each("[]", "[{wait: 1s}]"), ["9:16 the table has no row (write one for each turn)"]);
    assert_eq!(each("[{}]", "[{wait: 1s}]"), ["9:17 the row has no column (write `{column: value}`)"]);
    assert!(
        each("[{a: b}]", "[]")
            .contains(&"9:5 an `each` without steps repeats nothing (give it `steps`)".into())
    );
}

#[test]
fn turns_and_steps_are_bounded_and_what_is_beyond_is_not_written_out() {
    let each = |rows: usize, steps: usize| {
        let rows: Vec<String> = (0..rows).map(|row| format!("{{n: {row}}}")).collect();
        let steps = "{wait: 1s}, ".repeat(steps) + "{strike: {as: cut-<n>, do: {cut: hub -> opa}}}";
        format!("  - each: {{of: [{}], steps: [{steps}]}}\n", rows.join(", "))
    };
    let steps = |rows, more| read(&scenario(&each(rows, more))).map(|scenario| scenario.steps.len());
    assert_eq!(steps(64, 2).unwrap(), 64 * 3 + 4);
    assert_eq!(
        told(&steps(65, 2).unwrap_err()),
        ["9:16 the table has 65 rows (an `each` takes at most 64 turns)"]
    );
    assert_eq!(steps(62, 31).unwrap(), 62 * 32 + 4);
    let too_many = told(&steps(63, 31).unwrap_err());
    assert_eq!(
        too_many,
        ["9:5 with these there are more than 2000 steps, or more than 262144 bytes of them"]
    );
    let long = "a".repeat(201);
    assert_eq!(
        refused(&two("state: OPEN", &format!("state: {long}"))),
        ["11:33 a value of a row has at most 200 characters"]
    );
    let placeholders = "<n>".repeat(2_000);
    let huge = format!(
        "  - each: {{of: [{{n: {}}}], steps: [{{strike: {{as: {placeholders}, do: {{cut: hub -> opa}}}}}}]}}\n",
        "a".repeat(200)
    );
    assert_eq!(refused(&huge), too_many);
}
