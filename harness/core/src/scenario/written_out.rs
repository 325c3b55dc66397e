//! The steps of a file written out: each `each` once for each of its rows, with the row's values in the place of
//! its placeholders.
//!
//! What is wrong with a table or a placeholder is found here, before any step is looked at for what it says.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::{Location, Spanned};

use super::check::nearest;
use super::diagnostics::{Place, Problem, key_before};
use super::placeholder::{self, Row};
use super::slot::Slot;
use super::source::{EachSource, FILE_LIMIT, StepSource};

/// How many turns an `each` may take.
const TURNS_LIMIT: usize = 64;
/// How many steps a scenario may have, written out.
const STEPS_LIMIT: usize = 2_000;
/// How many characters a value of a row may have.
const VALUE_LIMIT: usize = 200;

/// A step, where it stands in the file, and in which turn it is done there.
#[derive(Debug)]
pub(super) struct WrittenStep {
    pub(super) step: StepSource,
    pub(super) at: Location,
    pub(super) turn: Option<Turn>,
}

/// One turn of an `each`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Where the `each` stands among the file's steps.
    pub(super) each: usize,
    /// Which of its turns.
    pub(super) number: usize,
    /// How many turns it takes.
    pub(super) of: usize,
    /// The first column of its row, and what it has there.
    pub(super) column: String,
    pub(super) value: String,
}

/// Writes the steps out. `text` is the file they were read from.
///
/// # Errors
/// Everything that is wrong with tables and placeholders.
pub(super) fn written_out(
    steps: &[Spanned<StepSource>],
    text: &str,
) -> Result<Vec<WrittenStep>, Vec<Problem>> {
    let mut writer =
        Writer { text, bytes: 0, written: Vec::new(), tables: BTreeMap::new(), problems: Vec::new() };
    for (position, step) in steps.iter().enumerate() {
        match &step.value {
            StepSource::Each(each) => writer.each(position, each, step.referenced),
            plain => writer.once(plain, step.referenced),
        }
        if writer.is_full() {
            let message = format!(
                "with these there are more than {STEPS_LIMIT} steps, or more than {FILE_LIMIT} bytes of them"
            );
            writer.problems.push(Problem::at(step.referenced, message));
            break;
        }
    }
    // What is misspelt in a step is not told of its column as well.
    if writer.problems.is_empty() {
        writer.unused();
    }
    if writer.problems.is_empty() { Ok(writer.written) } else { Err(writer.problems) }
}

struct Writer<'a> {
    text: &'a str,
    /// How long the texts are that were filled in.
    bytes: usize,
    written: Vec<WrittenStep>,
    /// The tables by where they are defined, the first row of each, and the columns that steps have used: a table
    /// that is named by an alias is used by all who name it.
    tables: BTreeMap<(u64, u64), (&'a Row, BTreeSet<String>)>,
    problems: Vec<Problem>,
}

impl<'a> Writer<'a> {
    fn is_full(&self) -> bool {
        self.bytes > FILE_LIMIT || self.written.len() > STEPS_LIMIT
    }

    fn problem(&mut self, at: impl Into<Place>, message: impl Into<String>, help: &str) {
        self.problems.push(Problem::at(at, message).help(help));
    }

    fn once(&mut self, step: &StepSource, at: Location) {
        let mut step = step.clone();
        for (at, text) in texts(&mut step) {
            if let Some(name) = placeholder::names(text).next() {
                let message = format!("`<{name}>` stands for nothing here");
                self.problem(at, message, "placeholders belong in the steps of an `each`");
            }
        }
        self.written.push(WrittenStep { step, at, turn: None });
    }

    fn each(&mut self, position: usize, each: &'a EachSource, at: Location) {
        let before = self.problems.len();
        let rows = &each.of.value;
        let Some(first) = rows.first() else {
            return self.problem(each.of.referenced, "the table has no row", "write one for each turn");
        };
        if rows.len() > TURNS_LIMIT {
            let message = format!("the table has {} rows", rows.len());
            self.problem(
                each.of.referenced,
                message,
                &format!("an `each` takes at most {TURNS_LIMIT} turns"),
            );
        }
        if each.steps.is_empty() {
            self.problem(at, "an `each` without steps repeats nothing", "give it `steps`");
        }
        for row in rows {
            self.row(row, &first.value);
        }
        self.templates(each, &first.value);
        if self.problems.len() > before {
            return;
        }
        for (number, row) in rows.iter().enumerate() {
            let turn = row.value.cells().next().map(|(column, value)| Turn {
                each: position,
                number,
                of: rows.len(),
                column: column.to_owned(),
                value: value.value.clone(),
            });
            for step in &each.steps {
                if self.is_full() {
                    return;
                }
                let mut filled = step.value.clone();
                for (_, text) in texts(&mut filled) {
                    *text = row.value.fill(text);
                    self.bytes += text.len();
                }
                self.written.push(WrittenStep { step: filled, at: step.referenced, turn: turn.clone() });
            }
        }
    }

    /// A row: the columns of the first, and values that can stand in a text.
    fn row(&mut self, row: &Spanned<Row>, first: &Row) {
        if row.value.columns().next().is_none() {
            return self.problem(row.defined, "the row has no column", "write `{column: value}`");
        }
        let known: Vec<&str> = first.columns().collect();
        for (column, value) in row.value.cells() {
            let at = key_before(self.text, column, value.defined.into());
            if !placeholder::is_name(column) {
                let message = format!("`{column}` can't be the name of a column");
                self.problem(at, message, "lower case, digits and hyphens, a letter first");
            } else if !known.contains(&column) {
                let message = format!("the first row has no column `{column}`");
                self.problems.push(Problem::at(at, message).help_if(nearest(column, &known)));
            }
            if placeholder::names(&value.value).next().is_some() {
                let message = format!("`{}` has a placeholder in it", value.value);
                self.problem(value.defined, message, "a row's values are what they say");
            } else if value.value.chars().count() > VALUE_LIMIT {
                let message = format!("a value of a row has at most {VALUE_LIMIT} characters");
                self.problems.push(Problem::at(value.defined, message));
            }
        }
        for column in known.into_iter().filter(|column| row.value.value(column).is_none()) {
            let message = format!("this row has no `{column}`");
            self.problem(row.defined, message, "every row has the columns of the first");
        }
    }

    /// The steps before they are filled in: no `each`, no placeholder that the table doesn't know.
    fn templates(&mut self, each: &'a EachSource, first: &'a Row) {
        let known: Vec<&str> = first.columns().collect();
        let mut used = BTreeSet::new();
        for step in &each.steps {
            if matches!(step.value, StepSource::Each(_)) {
                self.problem(step.referenced, "an `each` within an `each`", "write a row for every pair");
            }
            for (at, text) in texts(&mut step.value.clone()) {
                for name in placeholder::names(text) {
                    if known.contains(&name) {
                        used.insert(name.to_owned());
                    } else {
                        let message = format!("the table has no column `{name}`");
                        self.problems.push(Problem::at(at, message).help_if(nearest(name, &known)));
                    }
                }
            }
        }
        let table = (each.of.defined.line(), each.of.defined.column());
        self.tables.entry(table).or_insert_with(|| (first, BTreeSet::new())).1.append(&mut used);
    }

    fn unused(&mut self) {
        for (first, used) in std::mem::take(&mut self.tables).into_values() {
            for (column, value) in first.cells().filter(|(column, _)| !used.contains(*column)) {
                let at = key_before(self.text, column, value.defined.into());
                let help = format!("remove it, or write `<{column}>` where it belongs");
                self.problem(at, format!("no step uses the column `{column}`"), &help);
            }
        }
    }
}

/// Every text of a step that a placeholder can stand in, with its place.
fn texts(step: &mut StepSource) -> Vec<(Location, &mut String)> {
    fn word(text: &mut Spanned<String>) -> (Location, &mut String) {
        (text.referenced, &mut text.value)
    }
    fn slot<T>(slot: &mut Spanned<Slot<T>>) -> Option<(Location, &mut String)> {
        match &mut slot.value {
            Slot::Given(_) => None,
            Slot::Text(text) => Some((slot.referenced, text)),
        }
    }
    match step {
        StepSource::Fault(name) | StepSource::Heal(name) => vec![word(name)],
        StepSource::Strike(strike) => vec![word(&mut strike.name)],
        StepSource::Send(send) => {
            let words = [word(&mut send.name), word(&mut send.request)];
            words.into_iter().chain(send.count.as_mut().and_then(slot)).collect()
        }
        StepSource::Until(until) => {
            let words = [&mut until.signal, &mut until.is].into_iter().chain(&mut until.name).map(word);
            words.chain(slot(&mut until.within)).collect()
        }
        StepSource::Wait(wait) => slot(wait).into_iter().collect(),
        StepSource::Each(_) => Vec::new(),
        StepSource::Expect(claim) => {
            let claim = &mut **claim;
            let words = [
                &mut claim.signal,
                &mut claim.measure,
                &mut claim.requests,
                &mut claim.becomes,
                &mut claim.turns,
                &mut claim.after,
                &mut claim.from,
                &mut claim.until,
                &mut claim.name,
            ];
            let lists = [&mut claim.stays, &mut claim.all, &mut claim.none, &mut claim.some];
            let times =
                [&mut claim.answered_within, &mut claim.within, &mut claim.not_before, &mut claim.lasting];
            let numbers = [&mut claim.percent, &mut claim.at_least, &mut claim.at_most];
            let words = words.into_iter().flatten().map(word);
            let lists = lists.into_iter().flatten().flatten().map(word);
            let times = times.into_iter().flatten().filter_map(slot);
            let numbers = numbers.into_iter().flatten().filter_map(slot);
            words.chain(lists).chain(times).chain(numbers).collect()
        }
    }
}
