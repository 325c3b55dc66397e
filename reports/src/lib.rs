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

pub use write::{WriteError, Written, write_all};

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
