//! What the command says: results on standard output, all else on standard error.
//!
//! A reader that has gone away, as in `dive status | head`, ends nothing.

use std::fmt::Arguments;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::complaint::Complaint;

/// Says a line on standard output.
macro_rules! out {
    ($($text:tt)*) => { $crate::out::text(format_args!("{}\n", format_args!($($text)*))) };
}
pub(crate) use out;

/// Writes text to standard output.
///
/// # Errors
/// When it can't be written for another reason than that nobody reads it.
pub(crate) fn text(text: Arguments<'_>) -> Result<(), Complaint> {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Complaint::internal(
            format!("standard output: {error}"),
            "make room where it goes to, or send it elsewhere",
        )),
        _ => Ok(()),
    }
}

/// Writes a document to standard output, as one line of JSON.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Complaint> {
    let line = serde_json::to_string(document).expect("what is told is plain data");
    out!("{line}")
}

/// Says a line on standard error. One that can't be said is lost.
pub(crate) fn note(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Lays rows out in columns, two spaces between them, nothing after the last.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["A", "LONG"], ["abc", "x"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "A    LONG\nabc  x\n");
        assert_eq!(table(&[]), "");
    }
}
