//! Holds a scenario file against the system's vocabulary and makes the model of it.
//!
//! Everything that could fail later for a reason that lies in the file fails here, with its place:
//! unknown names, values that can't occur, bounds that nothing can meet, anchors that come too late.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_saphyr::{Location, Spanned};

use super::diagnostics::{Problem, ScenarioError};
use super::source::{
    DEFAULT_RECOVERY, DEFAULT_STEADY_FOR, DEFAULT_STEADY_WITHIN, ExpectSource, File, StepSource,
};
use super::{Anchor, Answers, Claim, Expectation, Load, Scenario, Steady, Step, Until, Window};
use crate::fault::{Fault, Target};
use crate::vocabulary::{Topology, Vocabulary, suggest};

/// Checks a file and makes a scenario of it. `path` and `text` are for messages.
///
/// # Errors
/// [`ScenarioError`] with every problem found.
pub fn check(
    file: &File,
    vocabulary: &Vocabulary,
    path: &str,
    text: &str,
) -> Result<Scenario, ScenarioError> {
    let mut checker = Checker::new(file, vocabulary);
    let scenario = checker.scenario(file);
    if checker.problems.is_empty() {
        Ok(scenario)
    } else {
        checker.problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(ScenarioError::new(path, text, checker.problems))
    }
}

struct Checker<'a> {
    vocabulary: &'a Vocabulary,
    topology: Topology,
    faults: BTreeMap<&'a str, &'a Fault>,
    loads: BTreeMap<String, String>,
    strikes: BTreeSet<String>,
    injected: BTreeSet<String>,
    active: BTreeSet<String>,
    healed: BTreeSet<String>,
    met: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl<'a> Checker<'a> {
    fn new(file: &'a File, vocabulary: &'a Vocabulary) -> Self {
        Self {
            vocabulary,
            topology: vocabulary.topologies.get(&file.topology.value).cloned().unwrap_or_default(),
            faults: file.faults.iter().map(|(name, fault)| (name.as_str(), &fault.value)).collect(),
            loads: file.load.iter().map(|(name, load)| (name.clone(), load.request.value.clone())).collect(),
            strikes: BTreeSet::new(),
            injected: BTreeSet::new(),
            active: BTreeSet::new(),
            healed: BTreeSet::new(),
            met: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn scenario(&mut self, file: &File) -> Scenario {
        self.head(file);
        let load = self.load(file);
        let steady = self.steady(file);
        for (name, fault) in &file.faults {
            self.fault(name, fault);
        }
        let steps: Vec<Step> =
            file.steps.iter().filter_map(|step| self.step(&step.value, step.referenced)).collect();
        if steps.is_empty() {
            self.problem(Problem::at(file.id.referenced, "a scenario without steps shows nothing"));
        }
        for name in file
            .faults
            .keys()
            .filter(|name| !self.injected.contains(name.as_str()))
            .cloned()
            .collect::<Vec<_>>()
        {
            let at = file.faults[&name].referenced;
            self.problem(
                Problem::at(at, format!("fault `{name}` is never injected"))
                    .help("remove it, or add a `fault` step"),
            );
        }
        Scenario {
            id: file.id.value.clone(),
            title: file.title.clone(),
            why: file.why.clone(),
            tags: file.tags.clone(),
            worlds: file.worlds.value.clone(),
            topology: file.topology.value.clone(),
            settings: file.settings.iter().map(|(key, value)| (key.clone(), value.value.clone())).collect(),
            load,
            steady,
            always: file.always.iter().map(|name| name.value.clone()).collect(),
            faults: file.faults.iter().map(|(name, fault)| (name.clone(), fault.value.clone())).collect(),
            steps,
            recovery_within: file.recovery_within.map_or(DEFAULT_RECOVERY, |within| within.0),
        }
    }

    fn head(&mut self, file: &File) {
        let id = &file.id.value;
        let part = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if !matches!(id.split_once('/'), Some((family, name)) if part(family) && part(name)) {
            self.problem(
                Problem::at(file.id.referenced, format!("`{id}` is not a scenario id"))
                    .help("write `family/name` in lower case, digits and hyphens"),
            );
        }
        if file.worlds.value.is_empty() {
            self.problem(
                Problem::at(file.worlds.referenced, "a scenario needs a world")
                    .help("virtual, local or docker"),
            );
        }
        let vocabulary = self.vocabulary;
        self.known("topology", &file.topology, vocabulary.topologies.keys());
        for (key, value) in &file.settings {
            self.known_at("setting", key, value.referenced, vocabulary.settings.keys());
        }
        for name in &file.always {
            self.known("invariant", name, vocabulary.invariants.keys());
        }
    }

    fn load(&mut self, file: &File) -> Vec<Load> {
        let vocabulary = self.vocabulary;
        for load in file.load.values() {
            self.known("request", &load.request, vocabulary.requests.keys());
            if load.every.value.0 < Duration::from_millis(1) {
                self.problem(Problem::at(load.every.referenced, "a load sends at most every 1ms"));
            }
        }
        file.load
            .iter()
            .map(|(name, load)| Load {
                name: name.clone(),
                request: load.request.value.clone(),
                every: load.every.value.0,
            })
            .collect()
    }

    fn steady(&mut self, file: &File) -> Steady {
        for (signal, value) in &file.steady.signals {
            self.signal_value_at(signal, value.referenced, value);
        }
        if file.steady.signals.is_empty() {
            self.problem(
                Problem::at(file.id.referenced, "the steady state names no signal")
                    .help("without one nothing shows that the system worked before it was broken"),
            );
        }
        Steady {
            signals: file
                .steady
                .signals
                .iter()
                .map(|(signal, value)| (signal.clone(), value.value.clone()))
                .collect(),
            lasting: file.steady.lasting.map_or(DEFAULT_STEADY_FOR, |lasting| lasting.0),
            within: file.steady.within.map_or(DEFAULT_STEADY_WITHIN, |within| within.0),
        }
    }

    fn fault(&mut self, name: &str, fault: &Spanned<Fault>) {
        let at = fault.referenced;
        if matches!(name, "start" | "end") || name.contains(' ') {
            self.problem(
                Problem::at(at, format!("`{name}` can't be the name of a fault"))
                    .help("one word, not `start` or `end`"),
            );
        }
        self.target(&fault.value.target(), at);
        match &fault.value {
            Fault::Flap(flap) => {
                if matches!(flap.fault, Fault::Flap(_)) {
                    self.problem(Problem::at(at, "a flap of a flap"));
                }
                if flap.down.0.is_zero() || flap.up.0.is_zero() {
                    self.problem(Problem::at(at, "`down` and `up` of a flap must be longer than nothing"));
                }
            }
            Fault::Latency(latency) if latency.delay.0.is_zero() && latency.jitter.0.is_zero() => {
                self.problem(Problem::at(at, "a latency of nothing breaks nothing"));
            }
            Fault::Latency(latency) if latency.jitter > latency.delay => {
                self.problem(Problem::at(at, "the jitter is greater than the delay it spreads around"));
            }
            Fault::Bandwidth(bandwidth) if bandwidth.kilobytes == 0 => {
                self.problem(Problem::at(at, "0 KB/s is a stall").help("write `stall: caller -> callee`"));
            }
            Fault::Slice(slice) if slice.bytes == 0 => {
                self.problem(Problem::at(at, "a piece has at least 1 byte"))
            }
            Fault::WrongAnswer(wrong) if !(100..=599).contains(&wrong.status) => {
                self.problem(Problem::at(at, format!("{} is not an HTTP status: 100 to 599", wrong.status)));
            }
            Fault::ClockStep(step) if step.by.0.is_zero() => {
                self.problem(Problem::at(at, "a clock step of nothing"))
            }
            _ => {}
        }
    }

    fn target(&mut self, target: &Target<'_>, at: Location) {
        let topology = self.topology.clone();
        match target {
            Target::Service(service) => {
                self.known_at("service", &service.0, at, topology.services.iter().map(|known| &known.0));
            }
            Target::Edge(edge) => {
                let edges: Vec<String> = topology.edges.iter().map(ToString::to_string).collect();
                self.known_at("edge", &edge.to_string(), at, edges.iter());
            }
        }
    }

    fn step(&mut self, step: &StepSource, at: Location) -> Option<Step> {
        match step {
            StepSource::Fault(name) => {
                let names: Vec<String> = self.faults.keys().map(|name| (*name).to_owned()).collect();
                self.known_at("fault", name, at, names.iter());
                if !self.active.insert(name.clone()) {
                    self.problem(
                        Problem::at(at, format!("`{name}` is in effect already")).help("heal it first"),
                    );
                }
                self.injected.insert(name.clone());
                self.healed.remove(name);
                Some(Step::Fault(name.clone()))
            }
            StepSource::Heal(name) => {
                if !self.active.remove(name) {
                    let message = format!("`{name}` is not in effect here");
                    let near = suggest(name, self.active.iter().map(String::as_str)).map(str::to_owned);
                    let problem = Problem::at(at, message);
                    self.problem(match near {
                        Some(near) => problem.help(format!("did you mean `{near}`?")),
                        None => problem.help("a fault is healed after it was injected, and once"),
                    });
                }
                self.healed.insert(name.clone());
                Some(Step::Heal(name.clone()))
            }
            StepSource::Strike(strike) => {
                self.target(&strike.strike.target(), at);
                self.strikes.insert(strike.name.clone());
                Some(Step::Strike { name: strike.name.clone(), strike: strike.strike.clone() })
            }
            StepSource::Send(send) => {
                let vocabulary = self.vocabulary;
                self.known("request", &send.request, vocabulary.requests.keys());
                if !(1..=10_000).contains(&send.count) {
                    self.problem(Problem::at(
                        at,
                        format!("{} requests at once: 1 to 10000 are possible", send.count),
                    ));
                }
                self.loads.insert(send.name.clone(), send.request.value.clone());
                Some(Step::Send {
                    name: send.name.clone(),
                    request: send.request.value.clone(),
                    count: send.count,
                })
            }
            StepSource::Expect(source) => self.expect(source, at).map(Step::Expect),
            StepSource::Until(until) => {
                self.signal_value(&until.signal, &until.is);
                self.met.extend(until.name.clone());
                Some(Step::Until {
                    name: until.name.clone(),
                    signal: until.signal.value.clone(),
                    value: until.is.value.clone(),
                    within: until.within.0,
                })
            }
            StepSource::Wait(duration) => Some(Step::Wait(duration.0)),
        }
    }

    fn expect(&mut self, source: &ExpectSource, at: Location) -> Option<Expectation> {
        let claim = match (&source.signal, &source.measure, &source.requests) {
            (Some(signal), None, None) => self.signal_claim(source, signal, at),
            (None, Some(measure), None) => self.measure_claim(source, measure, at),
            (None, None, Some(load)) => self.requests_claim(source, load, at),
            _ => {
                let problem = Problem::at(at, "an expectation is about one thing");
                self.problem(problem.help("give `signal`, `measure` or `requests`, and one of them only"));
                None
            }
        };
        self.met.extend(source.name.clone());
        Some(Expectation { name: source.name.clone(), claim: claim? })
    }

    fn signal_claim(
        &mut self,
        source: &ExpectSource,
        signal: &Spanned<String>,
        at: Location,
    ) -> Option<Claim> {
        match (&source.becomes, &source.stays, &source.turns) {
            (Some(value), None, None) => {
                self.only(source, at, "becomes", &["becomes", "after", "within", "not-before"]);
                self.signal_value(signal, value);
                let (Some(after), Some(within)) = (&source.after, &source.within) else {
                    let problem = Problem::at(at, "`becomes` needs `after` and `within`");
                    self.problem(problem.help("for example `after: outage, within: 30s`"));
                    return None;
                };
                let not_before = source.not_before.as_ref().map_or(Duration::ZERO, |bound| bound.value.0);
                if within.value.0.is_zero() || not_before >= within.value.0 {
                    let message = format!(
                        "nothing can happen not before {} and within {}",
                        source.not_before.as_ref().map_or_else(|| "0s".into(), |b| b.value.to_string()),
                        within.value
                    );
                    self.problem(Problem::at(within.referenced, message));
                }
                Some(Claim::Becomes {
                    signal: signal.value.clone(),
                    value: value.value.clone(),
                    after: self.anchor(after)?,
                    not_before,
                    within: within.value.0,
                })
            }
            (None, Some(values), None) => {
                self.only(source, at, "stays", &["stays", "from", "until", "for"]);
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
                let (at_least, at_most) = self.bounds(source, at)?;
                Some(Claim::Turns {
                    signal: signal.value.clone(),
                    value: value.value.clone(),
                    at_least: at_least.max(0.0) as u32,
                    at_most: if at_most.is_finite() { at_most as u32 } else { u32::MAX },
                    window: self.window(source, at)?,
                })
            }
            _ => {
                let problem = Problem::at(at, "what of the signal?");
                self.problem(problem.help("give one of `becomes`, `stays`, `turns`"));
                None
            }
        }
    }

    fn measure_claim(
        &mut self,
        source: &ExpectSource,
        measure: &Spanned<String>,
        at: Location,
    ) -> Option<Claim> {
        self.only(source, at, "measure", &["from", "until", "for", "at-least", "at-most"]);
        let topology = self.topology.clone();
        self.known("measure", measure, topology.measures.keys());
        let (at_least, at_most) = self.bounds(source, at)?;
        Some(Claim::Measures {
            measure: measure.value.clone(),
            at_least,
            at_most,
            window: self.window(source, at)?,
        })
    }

    fn requests_claim(
        &mut self,
        source: &ExpectSource,
        load: &Spanned<String>,
        at: Location,
    ) -> Option<Claim> {
        self.only(
            source,
            at,
            "requests",
            &["all", "none", "some", "from", "until", "for", "at-least", "answered-within"],
        );
        let loads = self.loads.clone();
        self.known("load", load, loads.keys());
        let (kind, classes): (fn(Vec<String>) -> Answers, _) = match (&source.all, &source.none, &source.some)
        {
            (Some(classes), None, None) => (Answers::All, classes),
            (None, Some(classes), None) => (Answers::None, classes),
            (None, None, Some(classes)) => (Answers::Some, classes),
            _ => {
                let problem = Problem::at(at, "what of the answers?");
                self.problem(problem.help("give one of `all`, `none`, `some`"));
                return None;
            }
        };
        let vocabulary = self.vocabulary;
        if let Some(known) = loads.get(&load.value).and_then(|request| vocabulary.requests.get(request)) {
            for class in classes {
                self.known("class of answers", class, known.iter());
            }
        }
        Some(Claim::Requests {
            load: load.value.clone(),
            answers: kind(plain(classes)),
            at_least: source.at_least.map_or(1, |least| least.max(1.0) as u32),
            answered_within: source.answered_within.map(|limit| limit.0),
            window: self.window(source, at)?,
        })
    }

    /// Refuses keys that the claim gives no meaning to.
    fn only(&mut self, source: &ExpectSource, at: Location, claim: &str, keys: &[&str]) {
        let given = [
            ("becomes", source.becomes.is_some()),
            ("stays", source.stays.is_some()),
            ("turns", source.turns.is_some()),
            ("all", source.all.is_some()),
            ("none", source.none.is_some()),
            ("some", source.some.is_some()),
            ("answered-within", source.answered_within.is_some()),
            ("at-least", source.at_least.is_some()),
            ("at-most", source.at_most.is_some()),
            ("after", source.after.is_some()),
            ("within", source.within.is_some()),
            ("not-before", source.not_before.is_some()),
            ("from", source.from.is_some()),
            ("until", source.until.is_some()),
            ("for", source.lasting.is_some()),
        ];
        for (key, _) in given.iter().filter(|(key, given)| *given && !keys.contains(key)) {
            let problem = Problem::at(at, format!("`{key}` says nothing beside `{claim}`"));
            self.problem(problem.help(format!("here belong: {}", keys.join(", "))));
        }
    }

    fn bounds(&mut self, source: &ExpectSource, at: Location) -> Option<(f64, f64)> {
        match (source.at_least, source.at_most) {
            (None, None) => {
                self.problem(Problem::at(at, "no bound").help("give `at-least`, `at-most` or both"));
                None
            }
            (Some(least), Some(most)) if least > most => {
                self.problem(Problem::at(at, format!("nothing is at least {least} and at most {most}")));
                None
            }
            (least, most) => Some((least.unwrap_or(f64::MIN), most.unwrap_or(f64::MAX))),
        }
    }

    fn window(&mut self, source: &ExpectSource, at: Location) -> Option<Window> {
        let from = source.from.as_ref().map_or(Some(Anchor::Start), |from| self.anchor(from))?;
        let until = match (&source.until, &source.lasting) {
            (Some(_), Some(_)) => {
                self.problem(Problem::at(at, "`until` and `for` both end the window").help("keep one"));
                return None;
            }
            (None, None) => Until::Anchor(Anchor::End),
            (Some(until), None) => Until::Anchor(self.later_anchor(until)?),
            (None, Some(lasting)) if lasting.value.0.is_zero() => {
                self.problem(Problem::at(lasting.referenced, "a window of no length shows nothing"));
                return None;
            }
            (None, Some(lasting)) => Until::Lasting(lasting.value.0),
        };
        if matches!(&until, Until::Anchor(anchor) if *anchor == from) {
            self.problem(Problem::at(at, "the window ends where it begins"));
            return None;
        }
        Some(Window { from, until })
    }

    /// An anchor that must have come by the time of this step.
    fn anchor(&mut self, text: &Spanned<String>) -> Option<Anchor> {
        let name = text.value.as_str();
        let problem = match name.strip_prefix("healed ").map(str::trim) {
            Some(fault) if self.healed.contains(fault) => return Some(Anchor::Healed(fault.into())),
            Some(fault) if self.faults.contains_key(fault) => {
                Problem::at(text.referenced, format!("`{fault}` is not healed before this step"))
                    .help("move the step below the heal")
            }
            Some(fault) => self.unknown("fault", fault, text.referenced, self.faults.keys().copied()),
            None => match name {
                "start" => return Some(Anchor::Start),
                "end" => Problem::at(text.referenced, "nothing can be counted from the end"),
                _ if self.met.contains(name) => return Some(Anchor::Met(name.into())),
                _ if self.strikes.contains(name) => return Some(Anchor::Struck(name.into())),
                _ if self.injected.contains(name) => return Some(Anchor::InEffect(name.into())),
                _ if self.faults.contains_key(name) => {
                    Problem::at(text.referenced, format!("this expectation comes before its fault `{name}`"))
                        .help("move it below the `fault` step")
                }
                _ => {
                    let known = self
                        .faults
                        .keys()
                        .copied()
                        .chain(self.met.iter().map(String::as_str))
                        .chain(["start"]);
                    self.unknown("anchor", name, text.referenced, known)
                }
            },
        };
        self.problem(problem);
        None
    }

    /// An anchor that may still come: the end of a window.
    fn later_anchor(&mut self, text: &Spanned<String>) -> Option<Anchor> {
        match text.value.as_str() {
            "end" => Some(Anchor::End),
            name => match name.strip_prefix("healed ").map(str::trim) {
                Some(fault) if self.faults.contains_key(fault) => Some(Anchor::Healed(fault.into())),
                None if self.faults.contains_key(name) && !self.injected.contains(name) => {
                    Some(Anchor::InEffect(name.into()))
                }
                _ => self.anchor(text),
            },
        }
    }

    fn signal_value(&mut self, signal: &Spanned<String>, value: &Spanned<String>) {
        self.signal_value_at(&signal.value, signal.referenced, value);
    }

    fn signal_value_at(&mut self, signal: &str, at: Location, value: &Spanned<String>) {
        let topology = self.topology.clone();
        match topology.signals.get(signal) {
            Some(values) => self.known(&format!("value of {signal}"), value, values.iter()),
            None => self.known_at("signal", signal, at, topology.signals.keys()),
        }
    }

    fn known<'k>(&mut self, kind: &str, word: &Spanned<String>, known: impl Iterator<Item = &'k String>) {
        self.known_at(kind, &word.value, word.referenced, known);
    }

    fn known_at<'k>(
        &mut self,
        kind: &str,
        word: &str,
        at: Location,
        known: impl Iterator<Item = &'k String>,
    ) {
        let known: Vec<&str> = known.map(String::as_str).collect();
        if !known.contains(&word) {
            let problem = self.unknown(kind, word, at, known.iter().copied());
            self.problem(problem);
        }
    }

    fn unknown<'k>(
        &self,
        kind: &str,
        word: &str,
        at: Location,
        known: impl Iterator<Item = &'k str>,
    ) -> Problem {
        let known: Vec<&str> = known.collect();
        let problem = Problem::at(at, format!("unknown {kind} `{word}`"));
        match suggest(word, known.iter().copied()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None if known.is_empty() => problem,
            None => problem.help(format!("known are: {}", shortened(&known))),
        }
    }
}

fn shortened(known: &[&str]) -> String {
    const SHOWN: usize = 12;
    let shown = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if known.len() > SHOWN { format!("{shown}, … ({} in all)", known.len()) } else { shown }
}

fn plain(words: &[Spanned<String>]) -> Vec<String> {
    words.iter().map(|word| word.value.clone()).collect()
}
