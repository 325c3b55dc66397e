//! Expectations: one thing each, with bounds that can be met.

use std::time::Duration;

use serde_saphyr::{Location, Spanned};

use super::Checker;
use crate::scenario::diagnostics::Problem;
use crate::scenario::source::ExpectSource;
use crate::scenario::{Answers, Claim, Expectation};
use crate::time::HumanDuration;

/// A number, and where it stands.
type Bound = (f64, Location);

#[derive(Default)]
struct Bounds {
    least: Option<Bound>,
    most: Option<Bound>,
}

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
                let bounds = self.bounded(source, at)?;
                Some(Claim::Turns {
                    signal: signal.value.clone(),
                    value: value.value.clone(),
                    at_least: self.count(bounds.least, 0)?,
                    at_most: self.count(bounds.most, u32::MAX)?,
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
        let (within_at, within) = (within.referenced, self.given(within)?);
        let not_before = match &source.not_before {
            Some(bound) => self.given(bound)?,
            None => HumanDuration(Duration::ZERO),
        };
        if let Some(bound) = source.not_before.as_ref().filter(|_| not_before >= within) {
            let message = format!("nothing can happen not before {not_before} and within {within}");
            self.problem(Problem::at(bound.referenced, message));
        } else if within.0.is_zero() {
            self.problem(Problem::at(within_at, "nothing can be told to happen within no time"));
        }
        Some(Claim::Becomes {
            signal: signal.value.clone(),
            value: value.value.clone(),
            after: self.anchor(after)?,
            not_before: not_before.0,
            within: within.0,
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
        let bounds = self.bounded(source, at)?;
        for (bound, at) in bounds.least.iter().chain(&bounds.most) {
            if !bound.is_finite() {
                self.problem(Problem::at(*at, format!("{bound} bounds nothing")));
                return None;
            }
        }
        Some(Claim::Measures {
            measure: measure.value.clone(),
            at_least: bounds.least.map_or(f64::MIN, |(bound, _)| bound),
            at_most: bounds.most.map_or(f64::MAX, |(bound, _)| bound),
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
        let at_least = self.least_number(source)?;
        let answered_within = match &source.answered_within {
            Some(limit) => Some((limit.referenced, self.given(limit)?.0)),
            None => None,
        };
        if let Some((at, _)) = answered_within.filter(|(_, limit)| limit.is_zero()) {
            self.problem(Problem::at(at, "nothing is answered within no time"));
        }
        Some(Claim::Requests {
            load: load.value.clone(),
            answers: kind(plain(classes)),
            at_least,
            answered_within: answered_within.map(|(_, limit)| limit),
            window: self.window(source, at)?,
        })
    }

    fn pace_claim(&mut self, source: &ExpectSource, load: &Spanned<String>, at: Location) -> Option<Claim> {
        let keys = ["percent", "answered-within", "from", "until", "for", "at-least"];
        self.only(source, at, "percent", &keys);
        let loads = self.loads.clone();
        self.known("load", load, loads.keys());
        let (percent_at, percent) = {
            let percent = source.percent.as_ref()?;
            (percent.referenced, self.given(percent)?)
        };
        if !(percent > 0.0 && percent <= 100.0) {
            let problem = Problem::at(percent_at, format!("{percent} of a hundred are none"));
            self.problem(problem.help("above 0, at most 100"));
        }
        let within = match &source.answered_within {
            Some(limit) => Some(self.given(limit)?),
            None => None,
        };
        let Some(within) = within.filter(|limit| !limit.0.is_zero()) else {
            let problem = Problem::at(at, "`percent` needs a time");
            self.problem(problem.help("for example `percent: 95, answered-within: 200ms`"));
            return None;
        };
        Some(Claim::Pace {
            load: load.value.clone(),
            percent,
            within: within.0,
            at_least: self.least_number(source)?,
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

    /// The bounds that are given; refuses none at all, and two that nothing can meet.
    fn bounded(&mut self, source: &ExpectSource, at: Location) -> Option<Bounds> {
        let bounds = self.bounds(source)?;
        let problem = match (bounds.least, bounds.most) {
            (None, None) => Problem::at(at, "no bound").help("give `at-least`, `at-most` or both"),
            (Some((least, _)), Some((most, at))) if least > most => {
                Problem::at(at, format!("nothing is at least {least} and at most {most}"))
            }
            _ => return Some(bounds),
        };
        self.problem(problem);
        None
    }

    fn bounds(&mut self, source: &ExpectSource) -> Option<Bounds> {
        let mut bounds = Bounds::default();
        if let Some(least) = &source.at_least {
            bounds.least = Some((self.given(least)?, least.referenced));
        }
        if let Some(most) = &source.at_most {
            bounds.most = Some((self.given(most)?, most.referenced));
        }
        Some(bounds)
    }

    /// A bound that counts: a whole number.
    fn count(&mut self, bound: Option<Bound>, default: u32) -> Option<u32> {
        let Some((bound, at)) = bound else { return Some(default) };
        if bound.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&bound) {
            return Some(bound as u32);
        }
        let problem = Problem::at(at, format!("{bound} counts nothing"));
        self.problem(problem.help("a number of times is whole, from 0 on"));
        None
    }

    /// How many requests there must have been: at least one.
    fn least_number(&mut self, source: &ExpectSource) -> Option<u32> {
        let least = self.bounds(source)?.least;
        Some(self.count(least, 1)?.max(1))
    }
}

fn plain(words: &[Spanned<String>]) -> Vec<String> {
    words.iter().map(|word| word.value.clone()).collect()
}
