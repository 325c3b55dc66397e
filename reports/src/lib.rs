//! From a run record to something people read.
//!
//! ```text
//!   Record + Judgement ──► story ──┬─► html       one self-contained page per run
//!   (harness-core)        (folds)  ├─► markdown   a CI summary
//!                                  ├─► junit      a CI's test view
//!                                  └─► terminal   what the command prints
//!   many runs ──► catalogue (scorecard, trends) · two runs ──► compare
//! ```
//!
//! Nothing here runs, measures or judges anything: a report is a fold over what a record and its
//! judgement say, so a stored run can be told again at any time, and every form tells the same.
//! Start reading at `story`; `html` is the largest of the forms.
//!
//! Three rules hold in every form. Nothing inconclusive is ever green, and a record that was cut short
//! is inconclusive at best. What is left out is counted where it was left out. Text from a record is
//! data: it is escaped, and control characters don't reach a terminal.

mod catalogue;
mod compare;
mod html;
mod junit;
mod markdown;
mod story;
mod terminal;
mod tone;
mod words;
mod write;

#[cfg(test)]
mod fixtures;

use harness_core::record::Record;
use harness_core::verdict::{Judgement, Verdict};
use story::Story;

pub use catalogue::{About, Entry, Goal};
pub use compare::{CompareError, Comparison};
pub use write::{WriteError, Written, write_all, write_page};

/// The verdict as reports show it: the judgement's, but never better than inconclusive for a record
/// that was cut short or a run that was interrupted.
pub fn verdict(record: &Record, judgement: &Judgement) -> Verdict {
    Story::of(record, judgement).verdict
}

/// The run as one self-contained HTML page.
pub fn html(record: &Record, judgement: &Judgement) -> String {
    html::page(&Story::of(record, judgement))
}

/// The run as Markdown, for the summary of a CI step.
pub fn markdown(record: &Record, judgement: &Judgement) -> String {
    markdown::summary(&Story::of(record, judgement))
}

/// The run as a JUnit document: a test case per claim. What is inconclusive is an error, never a pass.
pub fn junit(record: &Record, judgement: &Judgement) -> String {
    junit::document(&Story::of(record, judgement))
}

/// The run for a terminal of `width` columns, with or without colour.
pub fn terminal(record: &Record, judgement: &Judgement, width: usize, colour: bool) -> String {
    terminal::summary(&Story::of(record, judgement), width, colour)
}

/// Many runs as one self-contained HTML page: the scorecard of the goals, then a row per scenario and
/// world. `runs` are oldest first; the latest of a scenario in a world is its row, the earlier its trend.
pub fn catalogue(runs: &[Entry], goals: &[Goal]) -> String {
    catalogue::page(runs, goals)
}

/// Two runs of one scenario, claim by claim.
///
/// # Errors
/// [`CompareError`] when they are runs of different scenarios.
pub fn compare<'a>(
    first: (&'a Record, &'a Judgement),
    second: (&'a Record, &'a Judgement),
) -> Result<Comparison<'a>, CompareError> {
    Comparison::of(first, second)
}
