//! The catalogue: every scenario file of this crate, embedded, and files given by path.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use harness_core::scenario::source::{self, FILE_LIMIT};
use harness_core::scenario::{Scenario, ScenarioError, check};
use harness_core::vocabulary::{Vocabulary, suggest};
use include_dir::{Dir, include_dir};
use miette::Diagnostic;
use thiserror::Error;

use crate::binding;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/catalogue");

/// A scenario with the text it was read from.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it came from, for messages: a path under the catalogue or the one given.
    pub path: String,
    /// The text of the file.
    pub text: String,
    /// The checked scenario.
    pub scenario: Scenario,
}

/// Why scenarios could not be had.
#[derive(Debug, Error, Diagnostic)]
pub enum CatalogueError {
    /// A file is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Scenario(#[from] Box<ScenarioError>),
    /// A file can't be read.
    #[error("{path}: {why}")]
    #[diagnostic(help(
        "name a scenario file (YAML, at most {FILE_LIMIT} bytes); `chaos list` shows the scenarios of the catalogue"
    ))]
    Unreadable {
        /// The file, with the line and column where it is no text.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// Nothing in the catalogue is called that.
    #[error("no scenario, family or tag is called `{wanted}`")]
    Unknown {
        /// What was asked for.
        wanted: String,
        /// What may have been meant.
        #[help]
        help: String,
    },
}

/// Every scenario of the catalogue, in the order of their ids.
///
/// # Errors
/// The first file that does not check. A test holds that there is none.
pub fn all(vocabulary: &Vocabulary) -> Result<Vec<Entry>, CatalogueError> {
    let mut entries = Vec::new();
    for family in FILES.dirs() {
        for file in family.files().filter(|file| file.path().extension().is_some_and(|end| end == "yaml")) {
            let path = file.path().display().to_string();
            let text = file
                .contents_utf8()
                .ok_or_else(|| CatalogueError::Unreadable { path: path.clone(), why: "not UTF-8".into() })?;
            entries.push(entry(&path, text, vocabulary)?);
        }
    }
    entries.sort_by(|a, b| a.scenario.id.cmp(&b.scenario.id));
    Ok(entries)
}

/// Whether the catalogue has this very scenario.
pub fn has(scenario: &Scenario) -> bool {
    let same = |entry: &Entry| entry.scenario == *scenario;
    select(&scenario.id, &binding::vocabulary()).is_ok_and(|entries| entries.iter().any(same))
}

/// The scenarios that a word selects: an id, a family, a tag, or the path of a file.
///
/// # Errors
/// [`CatalogueError`] when the word selects nothing, or the file does not check.
pub fn select(word: &str, vocabulary: &Vocabulary) -> Result<Vec<Entry>, CatalogueError> {
    if Path::new(word).extension().is_some_and(|end| end == "yaml" || end == "yml") {
        return read(Path::new(word), vocabulary).map(|entry| vec![entry]);
    }
    let entries = all(vocabulary)?;
    let named = |entry: &Entry| {
        let id = &entry.scenario.id;
        id == word || id.split('/').next() == Some(word) || entry.scenario.tags.iter().any(|tag| tag == word)
    };
    if word == "all" {
        return Ok(entries);
    }
    let selected: Vec<Entry> = entries.iter().filter(|entry| named(entry)).cloned().collect();
    if !selected.is_empty() {
        return Ok(selected);
    }
    let known = entries.iter().flat_map(|entry| {
        std::iter::once(entry.scenario.id.as_str()).chain(entry.scenario.tags.iter().map(String::as_str))
    });
    let help = match suggest(word, known) {
        _ if Path::new(word).exists() => format!("a scenario file ends in .yaml; `{word}` does not"),
        Some(near) => format!("did you mean `{near}`? `chaos list` shows them all"),
        None => "`chaos list` shows them all".into(),
    };
    Err(CatalogueError::Unknown { wanted: word.into(), help })
}

/// Reads and checks one file.
///
/// # Errors
/// [`CatalogueError`] when it can't be read or does not check.
pub fn read(path: &Path, vocabulary: &Vocabulary) -> Result<Entry, CatalogueError> {
    let shown = path.display().to_string();
    let unreadable = |why: String| CatalogueError::Unreadable { path: shown.clone(), why };
    let mut bytes = Vec::new();
    // No more than can be good is read: it may be a device without end.
    let read = File::open(path).and_then(|file| file.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() > FILE_LIMIT {
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len()).max(bytes.len() as u64);
        return Err(unreadable(format!("{size} bytes are too many for a scenario")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let text =
            String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
        let (line, last) = (text.split('\n').count(), text.rsplit('\n').next().unwrap_or_default());
        CatalogueError::Unreadable {
            path: format!("{shown}:{line}:{}", last.chars().count() + 1),
            why: "not UTF-8 text".into(),
        }
    })?;
    entry(&shown, &text, vocabulary)
}

fn entry(path: &str, text: &str, vocabulary: &Vocabulary) -> Result<Entry, CatalogueError> {
    let file = source::File::parse(text, path).map_err(Box::new)?;
    let scenario = check(&file, vocabulary, path, text).map_err(Box::new)?;
    Ok(Entry { path: path.to_owned(), text: text.to_owned(), scenario })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::vocabulary;

    #[test]
    fn every_scenario_of_the_catalogue_checks_and_is_named_as_its_file() {
        let entries = all(&vocabulary()).unwrap();
        assert!(!entries.is_empty());
        for entry in entries {
            assert_eq!(format!("{}.yaml", entry.scenario.id), entry.path);
            assert!(!entry.scenario.why.is_empty(), "{} does not say why it exists", entry.scenario.id);
        }
    }

    #[test]
    fn there_are_enough_scenarios_of_each_kind() {
        let entries = all(&vocabulary()).unwrap();
        for (tag, least) in
            [("happy", 10), ("failure", 30), ("concurrency", 10), ("state", 20), ("error-recovery", 15)]
        {
            let tagged = entries.iter().filter(|entry| entry.scenario.tags.iter().any(|of| of == tag));
            assert!(tagged.count() >= least, "{tag} has fewer than {least}");
        }
    }

    #[test]
    fn a_word_selects_by_id_family_and_tag_and_a_near_miss_is_told() {
        let vocabulary = vocabulary();
        assert_eq!(select("circuit/opa-outage", &vocabulary).unwrap().len(), 1);
        assert!(select("circuit", &vocabulary).unwrap().len() > 5);
        assert!(select("recovery", &vocabulary).unwrap().len() > 2);
        let error = select("circuit/opa-outrage", &vocabulary).unwrap_err();
        assert!(format!("{:?}", miette::Report::new(error)).contains("circuit/opa-outage"));
    }
}
