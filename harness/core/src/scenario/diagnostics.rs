//! What is wrong with a scenario file: each problem with its place and, where there is one, the remedy.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde_saphyr::Location;

use super::source::FILE_LIMIT;

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1; 0 when it is not known.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        let number = |number: u64| usize::try_from(number).unwrap_or(0);
        Self { line: number(location.line()), column: number(location.column()) }
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Line, from 1; 0 when it has no place.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at a place.
    pub fn at(place: impl Into<Place>, message: impl Into<String>) -> Self {
        let Place { line, column } = place.into();
        Self { message: message.into(), line, column, help: None }
    }

    /// The same with a remedy, if there is one.
    #[must_use]
    pub(super) fn help_if(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Everything that is wrong with a scenario file.
pub struct ScenarioError {
    path: String,
    source: NamedSource<String>,
    problems: Vec<Problem>,
}

impl ScenarioError {
    pub(super) fn new(path: &str, text: &str, problems: Vec<Problem>) -> Self {
        Self { path: path.to_owned(), source: NamedSource::new(path, text.to_owned()), problems }
    }

    pub(super) fn empty(path: &str) -> Self {
        let problem = Problem::at(Place::default(), "the file is empty")
            .help("a scenario needs id, title, worlds, topology and steps; see `chaos list` for examples");
        Self::new(path, "", vec![problem])
    }

    pub(super) fn too_large(path: &str, bytes: usize) -> Self {
        let message = format!("the file has {bytes} bytes; a scenario has at most {FILE_LIMIT}");
        Self::new(path, "", vec![Problem::at(Place::default(), message)])
    }

    /// What is wrong, in the order of the file.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "{}: {count} problem{}", self.path, if count == 1 { "" } else { "s" })
    }
}

impl fmt::Debug for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScenarioError")
            .field("path", &self.path)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for ScenarioError {}

impl Diagnostic for ScenarioError {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let text = self.source.inner();
        Some(Box::new(self.problems.iter().filter(|problem| problem.line > 0).map(|problem| {
            // What lies past the end is shown at the end: nothing is shown where there is nothing.
            let last = text.trim_end().char_indices().next_back().map_or(0, |(offset, _)| offset);
            let offset = offset_of(text, problem.line, problem.column).min(last);
            LabeledSpan::new(Some(problem.message.clone()), offset, token_length(&text[offset..]))
        })))
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let lines: Vec<String> = self
            .problems
            .iter()
            .filter_map(|problem| match (problem.line, &problem.help) {
                (0, Some(help)) => Some(format!("{}: {help}", problem.message)),
                (0, None) => Some(problem.message.clone()),
                (line, Some(help)) => Some(format!("line {line}: {help}")),
                (_, None) => None,
            })
            .collect();
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn fmt::Display>)
    }
}

/// The byte offsets at which the lines of a text begin. A line ends as YAML has it: at a line feed, at a carriage
/// return, or at both together.
fn line_starts(text: &str) -> impl Iterator<Item = usize> {
    let bytes = text.as_bytes();
    let ends = (0..bytes.len()).filter(|&at| match bytes[at] {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    std::iter::once(0).chain(ends.map(|end| end + 1))
}

/// The byte offset of a line and column (both from 1, columns in characters), inside the text.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start = line_starts(text).nth(line.saturating_sub(1)).unwrap_or(text.len());
    let rest = &text[start..];
    start
        + rest
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(rest.trim_end().len(), |(offset, _)| offset)
}

/// Where the key of the value at `value` stands: the last place before it that reads so; the value's own
/// place when there is none.
pub(super) fn key_before(text: &str, key: &str, value: Place) -> Place {
    let before = &text[..offset_of(text, value.line, value.column)];
    let is_key = |start: usize| {
        let rest = before[start + key.len()..].trim_start_matches(['"', '\'']).trim_start_matches(' ');
        rest.starts_with(':')
            && !before[..start].ends_with(|c: char| c.is_alphanumeric() || "-_/.".contains(c))
    };
    let Some((start, _)) = before.rmatch_indices(key).find(|(start, _)| is_key(*start)) else { return value };
    let (line, line_start) = (1..).zip(line_starts(&before[..start])).last().unwrap_or((1, 0));
    Place { line, column: before[line_start..start].chars().count() + 1 }
}

/// How much of a line belongs to what begins there: a word, or all that is in brackets.
fn token_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let end = rest.find(|c: char| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' if depth > 0 => depth -= 1,
            '}' | ']' | ',' if depth == 0 => return true,
            _ => {}
        }
        matches!(c, '\n' | '\r')
    });
    let token = &rest[..end.unwrap_or(rest.len())];
    // A comment is not part of it, nor what follows a key.
    let token = token.split(" #").next().unwrap_or(token).trim_end();
    let key = token.find(": ").filter(|_| !token.starts_with(['{', '[', '"', '\'']));
    key.unwrap_or(token.len()).max(1).min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_past_the_text_stays_inside_it() {
        assert_eq!(offset_of("ab\ncd", 2, 2), 4);
        assert_eq!(offset_of("ab\ncd", 2, 99), 5);
        assert_eq!(offset_of("ab\ncd", 9, 1), 5);
        assert_eq!(offset_of("", 1, 1), 0);
        assert_eq!(token_length(""), 0);
    }

    #[test]
    fn a_line_ends_at_a_line_feed_a_carriage_return_or_both() {
        let text = "a\rb: 1\r\n\ncd: 2\r\r";
        assert_eq!(line_starts(text).collect::<Vec<_>>(), [0, 2, 8, 9, 15, 16]);
        assert_eq!(&text[offset_of(text, 4, 2)..], "d: 2\r\r");
        assert_eq!(key_before(text, "cd", Place { line: 4, column: 5 }), Place { line: 4, column: 1 });
        assert_eq!(token_length("stop: opa\rheal: opa"), "stop".len());
    }
}
