//! From text to a [`File`](super::source::File): the YAML reader's limits, and its errors in the words
//! of a scenario.

use serde::de::DeserializeOwned;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Location};

use super::check::nearest;
use super::diagnostics::Problem;

/// How deep a scenario may be nested. The deepest that means anything is less than ten.
const DEPTH_LIMIT: usize = 24;
/// How many values a scenario may have, and how many its aliases may stand for.
const NODE_LIMIT: usize = 50_000;

/// Whether there is nothing in a text but comments.
pub(super) fn is_blank(text: &str) -> bool {
    let mut lines = text.split(['\n', '\r']).map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#'))
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut options = serde_saphyr::options! {
        with_snippet: false,
        duplicate_keys: DuplicateKeyPolicy::Error,
        reject_unsupported_tags: true,
        budget: serde_saphyr::budget! { max_depth: DEPTH_LIMIT, max_nodes: NODE_LIMIT, max_documents: 1 },
    };
    options.alias_limits.max_total_replayed_events = NODE_LIMIT;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| problem(error.without_snippet()))
}

fn problem(error: &Error) -> Problem {
    let at = error.location().unwrap_or(Location::UNKNOWN);
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            unknown(Problem::at(at, format!("unknown key `{field}`")), field, expected)
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            unknown(Problem::at(at, format!("`{variant}` means nothing here")), variant, expected)
        }
        // The place is the end of what lacks the key, so for the whole scenario it tells nothing.
        Error::SerdeMissingField { field, .. } if at.column() == 1 => {
            Problem::at(at, format!("the scenario has no `{field}`"))
        }
        Error::SerdeMissingField { field, .. } => Problem::at(at, format!("`{field}` is missing here")),
        Error::Unexpected { expected, .. } => Problem::at(at, format!("{} belongs here", in_words(expected))),
        Error::UnknownAnchor { .. } => Problem::at(at, "this alias stands for nothing in this file")
            .help("a text that begins with `*` is written in quotes"),
        Error::UnsupportedTag { tag, .. } => {
            Problem::at(at, format!("the tag `{tag}` means nothing here")).help("leave it out")
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            Problem::at(at, format!("{unexpected} can't stand here")).help(format!("write {expected}"))
        }
        Error::InvalidScalar { ty, .. } => Problem::at(at, format!("this is not {ty}")),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map_or_else(|| "a key".to_owned(), |key| format!("`{key}`"));
            Problem::at(at, format!("{key} is given twice")).help("keep one of the two")
        }
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            Problem::at(at, "a second document begins here").help("one scenario is one file")
        }
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            Problem::at(at, format!("nested deeper than {DEPTH_LIMIT} levels"))
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            Problem::at(at, format!("the file stands for more than {NODE_LIMIT} values"))
                .help("aliases are meant for a repeated line or two")
        }
        Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. }
        | Error::ExpectedStringKeyForExternallyTaggedEnum { .. }
        | Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            Problem::at(at, "one key with its value belongs here")
        }
        other => Problem::at(at, plain(&other.to_string())),
    }
}

fn unknown(problem: Problem, word: &str, known: &[&str]) -> Problem {
    problem.help_if(nearest(word, known))
}

/// What the YAML reader expected, in the words of a scenario.
fn in_words(expected: &str) -> &str {
    match expected {
        "mapping start" => "a list of `key: value`",
        "sequence start" => "a list, `[a, b]`,",
        "string scalar" => "a word or a text",
        other => other,
    }
}

/// A message without the place that it ends with: the place is told by the problem.
fn plain(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    message.split(": line ").next().unwrap_or(message).trim_end_matches([',', ':']).to_owned()
}
