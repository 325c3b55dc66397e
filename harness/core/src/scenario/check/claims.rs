//! Expectations: one thing each, with bounds that can be met.

use std::time::Duration;

use serde_saphyr::{Location, Spanned};

use super::Checker;
use crate::scenario::diagnostics::Problem;
use crate::scenario::source::ExpectSource;
use crate::scenario::{Answers, Claim, Expectation};

impl Checker<'_> {
    pub(super) fn expect(&mut self, source: &ExpectSource, at: Location) -> Option<Expectation> {
        let claim = match (&source.signal, &source.measure, &source.requests) {
            (Some(signal), None, None) => self.signal_claim(source, signal, at),
            (None, Some(measure), None) => self.measure_claim(source, measure, at),
            (None, None, Some(load)) if source.percent.is_some() => self.pace_claim(source, load, at),
            (None, None, Some(load)) => self.requests_claim(source, load, at),
            _ => {
                let problem = Problem::at(at, "an expectation is about one thing");
                self.problem(problem.help("give `signal`, `measure` or `requests`, and one of them only"));
                None
            }
        };
        if let Some(name) = &source.name
            && self.take(&name.value, name.referenced, "an expectation")
        {
            self.met.insert(name.value.clone());
        }
        Some(Expectation { name: source.name.as_ref().map(|name| name.value.clone()), claim: claim? })
    }

    fn signal_claim(
        &mut self,
        source: &ExpectSource,
        signal: &Spanned<String>,
        at: Location,
    ) -> Option<Claim> {
        match (&source.becomes, &source.stays, &source.turns) {
            (Some(value), None, None) => self.becomes(source, signal, value, at),
            (None, Some(values), None) => {
                self.only(source, at, "stays", &["stays", "from", "until", "for"]);
                self.some_of(values, "value", at)?;
                for value in values {
                    self.signal_value(signal, value);
                }
                Some(Claim::Stays {
                    signal: signal.value.clone(),
                    values: plain(values),
                    window: self.window(source, at)?,
                })
            }
            (None, None, Some(value)) => {
                self.only(source, at, "turns", &["turns", "from", "until", "for", "at-least", "at-most"]);
                self.signal_value(signal, value);
                self.bounded(source, at)?;
                Some(Claim::Turns {
                    signal: signal.value.clone(),
                    value: value.value.clone(),
                    at_least: self.count(source.at_least.as_ref(), 0)?,
                    at_most: self.count(source.at_most.as_ref(), u32::MAX)?,
                    window: self.window(source, at)?,
                })
            }
            _ => {
                let problem = Problem::at(at, "one thing is said of a signal");
                self.problem(problem.help("give one of `becomes`, `stays`, `turns`"));
                None
            }
        }
    }

    fn becomes(
        &mut self,
        source: &ExpectSource,
        signal: &Spanned<String>,
        value: &Spanned<String>,
        at: Location,
    ) -> Option<Claim> {
        self.only(source, at, "becomes", &["becomes", "after", "within", "not-before"]);
        self.signal_value(signal, value);
        let (Some(after), Some(within)) = (&source.after, &source.within) else {
            let problem = Problem::at(at, "`becomes` needs `after` and `within`");
            self.problem(problem.help("for example `after: outage, within: 30s`"));
            return None;
        };
        let not_before = source.not_before.as_ref().map_or(Duration::ZERO, |bound| bound.value.0);
        if let Some(bound) = source.not_before.as_ref().filter(|bound| bound.value >= within.value) {
            let message =
                format!("nothing can happen not before {} and within {}", bound.value, within.value);
            self.problem(Problem::at(bound.referenced, message));
        } else if within.value.0.is_zero() {
            self.problem(Problem::at(within.referenced, "nothing can be told to happen within no time"));
        }
        Some(Claim::Becomes {
            signal: signal.value.clone(),
            value: value.value.clone(),
            after: self.anchor(after)?,
            not_before,
            within: within.value.0,
        })
    }

    fn measure_claim(
        &mut self,
        source: &ExpectSource,
        measure: &Spanned<String>,
        at: Location,
    ) -> Option<Claim> {
        self.only(source, at, "measure", &["from", "until", "for", "at-least", "at-most"]);
        if let Some(topology) = self.topology {
            self.known("measure", measure, topology.measures.keys());
        }
        self.bounded(source, at)?;
        for bound in source.at_least.iter().chain(&source.at_most) {
            if !bound.value.is_finite() {
                self.problem(Problem::at(bound.referenced, format!("{} bounds nothing", bound.value)));
                return None;
            }
        }
        Some(Claim::Measures {
            measure: measure.value.clone(),
            at_least: source.at_least.as_ref().map_or(f64::MIN, |bound| bound.value),
            at_most: source.at_most.as_ref().map_or(f64::MAX, |bound| bound.value),
            window: self.window(source, at)?,
        })
    }

    fn requests_claim(
        &mut self,
        source: &ExpectSource,
        load: &Spanned<String>,
        at: Location,
    ) -> Option<Claim> {
        let keys = ["all", "none", "some", "from", "until", "for", "at-least", "answered-within"];
        self.only(source, at, "requests", &keys);
        let loads = self.loads.clone();
        self.known("load", load, loads.keys());
        let (kind, classes): (fn(Vec<String>) -> Answers, _) = match (&source.all, &source.none, &source.some)
        {
            (Some(classes), None, None) => (Answers::All, classes),
            (None, Some(classes), None) => (Answers::None, classes),
            (None, None, Some(classes)) => (Answers::Some, classes),
            _ => {
                let problem = Problem::at(at, "one thing is said of the answers");
                self.problem(problem.help("give one of `all`, `none`, `some`"));
                return None;
            }
        };
        self.some_of(classes, "class of answers", at)?;
        let vocabulary = self.vocabulary;
        if let Some(known) = loads.get(&load.value).and_then(|request| vocabulary.requests.get(request)) {
            for class in classes {
                self.known("class of answers", class, known);
            }
        }
        if let Some(limit) = source.answered_within.as_ref().filter(|limit| limit.value.0.is_zero()) {
            self.problem(Problem::at(limit.referenced, "nothing is answered within no time"));
        }
        Some(Claim::Requests {
            load: load.value.clone(),
            answers: kind(plain(classes)),
            at_least: self.count(source.at_least.as_ref(), 1)?.max(1),
            answered_within: source.answered_within.as_ref().map(|limit| limit.value.0),
            window: self.window(source, at)?,
        })
    }

    fn pace_claim(&mut self, source: &ExpectSource, load: &Spanned<String>, at: Location) -> Option<Claim> {
        let keys = ["percent", "answered-within", "from", "until", "for", "at-least"];
        self.only(source, at, "percent", &keys);
        let loads = self.loads.clone();
        self.known("load", load, loads.keys());
        let percent = source.percent.as_ref()?;
        if !(percent.value > 0.0 && percent.value <= 100.0) {
            let problem = Problem::at(percent.referenced, format!("{} of a hundred are none", percent.value));
            self.problem(problem.help("above 0, at most 100"));
        }
        let Some(within) = source.answered_within.as_ref().filter(|limit| !limit.value.0.is_zero()) else {
            let problem = Problem::at(at, "`percent` needs a time");
            self.problem(problem.help("for example `percent: 95, answered-within: 200ms`"));
            return None;
        };
        Some(Claim::Pace {
            load: load.value.clone(),
            percent: percent.value,
            within: within.value.0,
            at_least: self.count(source.at_least.as_ref(), 1)?.max(1),
            window: self.window(source, at)?,
        })
    }

    /// Refuses keys that the claim gives no meaning to.
    fn only(&mut self, source: &ExpectSource, at: Location, claim: &str, keys: &[&str]) {
        fn place<T>(value: Option<&Spanned<T>>) -> Option<Location> {
            value.map(|value| value.referenced)
        }
        let first = |values: &Option<Vec<Spanned<String>>>| {
            values.as_ref().map(|values| values.first().map_or(at, |value| value.referenced))
        };
        let given = [
            ("becomes", place(source.becomes.as_ref())),
            ("stays", first(&source.stays)),
            ("turns", place(source.turns.as_ref())),
            ("all", first(&source.all)),
            ("none", first(&source.none)),
            ("some", first(&source.some)),
            ("percent", place(source.percent.as_ref())),
            ("answered-within", place(source.answered_within.as_ref())),
            ("at-least", place(source.at_least.as_ref())),
            ("at-most", place(source.at_most.as_ref())),
            ("after", place(source.after.as_ref())),
            ("within", place(source.within.as_ref())),
            ("not-before", place(source.not_before.as_ref())),
            ("from", place(source.from.as_ref())),
            ("until", place(source.until.as_ref())),
            ("for", place(source.lasting.as_ref())),
        ];
        for (key, at) in given {
            if let Some(at) = at.filter(|_| !keys.contains(&key)) {
                let at = self.key(key, at);
                let problem = Problem::at(at, format!("`{key}` says nothing beside `{claim}`"));
                self.problem(problem.help(format!("here belong: {}", keys.join(", "))));
            }
        }
    }

    /// Refuses a list of nothing.
    fn some_of(&mut self, words: &[Spanned<String>], what: &str, at: Location) -> Option<()> {
        if words.is_empty() {
            self.problem(Problem::at(at, format!("the list names no {what}")));
            return None;
        }
        Some(())
    }

    /// Refuses bounds that are not there, and bounds that nothing can meet.
    fn bounded(&mut self, source: &ExpectSource, at: Location) -> Option<()> {
        let problem = match (&source.at_least, &source.at_most) {
            (None, None) => Problem::at(at, "no bound").help("give `at-least`, `at-most` or both"),
            (Some(least), Some(most)) if least.value > most.value => {
                let message = format!("nothing is at least {} and at most {}", least.value, most.value);
                Problem::at(most.referenced, message)
            }
            _ => return Some(()),
        };
        self.problem(problem);
        None
    }

    /// A bound that counts: a whole number.
    fn count(&mut self, bound: Option<&Spanned<f64>>, default: u32) -> Option<u32> {
        let Some(bound) = bound else { return Some(default) };
        if bound.value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&bound.value) {
            return Some(bound.value as u32);
        }
        let problem = Problem::at(bound.referenced, format!("{} counts nothing", bound.value));
        self.problem(problem.help("a number of times is whole, from 0 on"));
        None
    }
}

fn plain(words: &[Spanned<String>]) -> Vec<String> {
    words.iter().map(|word| word.value.clone()).collect()
}
