//! What is wrong with a scenario file: each problem with its place and, where there is one, the remedy.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde_saphyr::Location;

use super::source::FILE_LIMIT;

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
    pub fn at(location: Location, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            line: usize::try_from(location.line()).unwrap_or(0),
            column: usize::try_from(location.column()).unwrap_or(0),
            help: None,
        }
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

    pub(super) fn yaml(path: &str, text: &str, error: &serde_saphyr::Error) -> Self {
        let message = error.without_snippet().to_string();
        let location = error.location().unwrap_or(Location::UNKNOWN);
        let message =
            message.split(" at line ").next().unwrap_or_default().trim_end_matches([',', ':']).to_owned();
        Self::new(path, text, vec![Problem::at(location, message)])
    }

    pub(super) fn empty(path: &str) -> Self {
        let problem = Problem::at(Location::UNKNOWN, "the file is empty").help(
            "a scenario needs id, title, worlds, topology, steady and steps; see `chaos list` for examples",
        );
        Self::new(path, "", vec![problem])
    }

    pub(super) fn too_large(path: &str, bytes: usize) -> Self {
        let message = format!("the file has {bytes} bytes; a scenario has at most {FILE_LIMIT}");
        Self::new(path, "", vec![Problem::at(Location::UNKNOWN, message)])
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
        f.debug_struct("ScenarioError").field("path", &self.path).field("problems", &self.problems).finish()
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
            let offset = offset_of(text, problem.line, problem.column);
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

/// The byte offset of a line and column (both from 1, columns in characters).
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let rest = &text[start.min(text.len())..];
    start
        + rest
            .char_indices()
            .nth(column.saturating_sub(1))
            .map_or(rest.trim_end().len(), |(offset, _)| offset)
}

fn token_length(rest: &str) -> usize {
    rest.find(|c: char| c == '\n' || c == ',' || c == '}' || c == ']')
        .unwrap_or(rest.len())
        .max(1)
        .min(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_past_the_text_stays_inside_it() {
        assert_eq!(offset_of("ab\ncd", 2, 2), 4);
        assert_eq!(offset_of("ab\ncd", 2, 99), 5);
        assert_eq!(offset_of("", 1, 1), 0);
        assert_eq!(token_length(""), 0);
    }
}
