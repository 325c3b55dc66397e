//! What the command says: results on standard output, all else on standard error.
//!
//! A reader that has gone away, as in `chaos list | head`, ends nothing: a run still heals what it broke.

use std::fmt::Arguments;
use std::io::{self, IsTerminal as _, Write as _};

use super::complaint::Complaint;

/// Says a line on standard output.
macro_rules! out {
    ($($text:tt)*) => { $crate::chaos::out::text(format_args!("{}\n", format_args!($($text)*))) };
}
pub(super) use out;

/// Writes text to standard output.
///
/// # Errors
/// When it can't be written for another reason than that nobody reads it.
pub(super) fn text(text: Arguments<'_>) -> Result<(), Complaint> {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Complaint::internal(format!("standard output: {error}"))
                .help("make room where it goes to, or send it elsewhere"))
        }
        _ => Ok(()),
    }
}

/// Says a line on standard error. One that can't be said is lost.
pub(crate) fn note(text: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Columns to lay text out in.
pub(super) fn terminal_width() -> usize {
    let console = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.or(console).unwrap_or(100).clamp(40, 200)
}

/// Whether standard output takes colours.
pub(super) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
