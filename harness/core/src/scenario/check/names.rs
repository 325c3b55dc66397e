//! Names: which are known, which is meant, which are taken.

use serde_saphyr::Spanned;

use super::Checker;
use crate::scenario::diagnostics::{Place, Problem};
use crate::vocabulary::suggest;

impl Checker<'_> {
    /// A signal and a value it can have.
    pub(super) fn signal_value(&mut self, signal: &Spanned<String>, value: &Spanned<String>) {
        self.signal_value_at(&signal.value, signal.referenced, value);
    }

    pub(super) fn signal_value_at(&mut self, signal: &str, at: impl Into<Place>, value: &Spanned<String>) {
        let Some(topology) = self.topology else { return };
        match topology.signals.get(signal) {
            Some(values) if values.contains(&value.value) => {}
            Some(values) => {
                let known: Vec<&str> = values.iter().map(String::as_str).collect();
                let problem = Problem::at(value.referenced, format!("{signal} is never `{}`", value.value));
                self.problem(problem.help_if(nearest(&value.value, &known)));
            }
            None => self.known_at("signal", signal, at, topology.signals.keys()),
        }
    }

    pub(super) fn known<'k>(
        &mut self,
        kind: &str,
        word: &Spanned<String>,
        known: impl IntoIterator<Item = &'k String>,
    ) {
        self.known_at(kind, &word.value, word.referenced, known);
    }

    pub(super) fn known_at<'k>(
        &mut self,
        kind: &str,
        word: &str,
        at: impl Into<Place>,
        known: impl IntoIterator<Item = &'k String>,
    ) {
        let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
        if !known.contains(&word) {
            self.problem(unknown(kind, word, at, &known));
        }
    }

    /// Takes a name for an anchor; refuses one that is taken or can't be written as an anchor.
    pub(super) fn take(&mut self, name: &str, at: impl Into<Place>, what: &'static str) -> bool {
        let problem =
            if matches!(name, "start" | "end") || name.is_empty() || name.contains(char::is_whitespace) {
                Problem::at(at, format!("`{name}` can't be the name of {what}"))
                    .help("one word, not `start` or `end`")
            } else if let Some(taken) = self.taken.get(name) {
                Problem::at(at, format!("the name `{name}` is taken by {taken}")).help(self.told_apart())
            } else {
                self.taken.insert(name.to_owned(), what);
                return true;
            };
        self.problem(problem);
        false
    }

    /// What to do about a name that two have.
    pub(super) fn told_apart(&self) -> String {
        match &self.turn {
            Some(turn) => {
                format!("what each turn names needs a placeholder in its name: `<{}>`", turn.column)
            }
            None => "expectations could not tell them apart".to_owned(),
        }
    }
}

pub(super) fn unknown(kind: &str, word: &str, at: impl Into<Place>, known: &[&str]) -> Problem {
    Problem::at(at, format!("unknown {kind} `{word}`")).help_if(nearest(word, known))
}

/// The word that was meant, or those that could have been.
pub(in crate::scenario) fn nearest(word: &str, known: &[&str]) -> Option<String> {
    match suggest(word, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known are: {}", shortened(known))),
    }
}

fn shortened(known: &[&str]) -> String {
    const SHOWN: usize = 12;
    let shown = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if known.len() > SHOWN { format!("{shown}, … ({} in all)", known.len()) } else { shown }
}
