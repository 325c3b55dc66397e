//! Holds a scenario file against the system's vocabulary and makes the model of it.
//!
//! Everything that could fail later for a reason that lies in the file fails here, with its place:
//! unknown names, values that can't occur, bounds that nothing can meet, anchors that come too late.
//!
//! | file | what it checks |
//! |---|---|
//! | `names` | words the vocabulary knows, names that are taken |
//! | `faults` | aims and settings of what is broken |
//! | `anchors` | what times are counted from, and windows |
//! | `claims` | expectations |
//! | `turns` | what is wrong in some turns of an `each`, and what in all |

mod anchors;
mod claims;
mod faults;
mod names;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::{Location, Spanned};

pub(super) use names::nearest;

use super::diagnostics::{Place, Problem, ScenarioError, key_before};
use super::source::{
    DEFAULT_RECOVERY, DEFAULT_STEADY_FOR, DEFAULT_STEADY_WITHIN, File, SendSource, StepSource, UntilSource,
};
use super::written_out::{Turn, WrittenStep, written_out};
use super::{Anchor, Load, Scenario, Slot, Steady, Step, Wait, Written};
use crate::runner::load::LEAST_INTERVAL;
use crate::vocabulary::{Topology, Vocabulary, suggest};

/// How many requests a `send` step may send at once.
const SEND_LIMIT: u32 = 10_000;

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
    let refused = |mut problems: Vec<Problem>| {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        ScenarioError::new(path, text, problems)
    };
    let steps = written_out(&file.steps, text).map_err(refused)?;
    let mut checker = Checker::new(file, vocabulary, text);
    let scenario = checker.scenario(file, &steps);
    let problems = turns::told(checker.problems);
    if problems.is_empty() { Ok(scenario) } else { Err(refused(problems)) }
}

/// What is known of the file, up to the step that is being checked.
struct Checker<'a> {
    text: &'a str,
    vocabulary: &'a Vocabulary,
    /// Nothing when the file names one that is not known: its words can't be checked then.
    topology: Option<&'a Topology>,
    /// The declared faults, and where.
    faults: BTreeMap<&'a str, Location>,
    /// The loads, and their kinds of requests.
    loads: BTreeMap<String, String>,
    /// The names of anchors, and what each names.
    taken: BTreeMap<String, &'static str>,
    /// The faults in effect.
    active: BTreeSet<String>,
    /// What was injected, healed and struck, in order; of a fault, the latest time.
    acts: Vec<Anchor>,
    /// The named expectations and triggers.
    met: BTreeSet<String>,
    /// The turn of an `each` that the step is done in.
    turn: Option<Turn>,
    /// What is wrong, and in which turn.
    problems: Vec<(Problem, Option<Turn>)>,
}

impl<'a> Checker<'a> {
    fn new(file: &'a File, vocabulary: &'a Vocabulary, text: &'a str) -> Self {
        Self {
            text,
            vocabulary,
            topology: vocabulary.topologies.get(&file.topology.value),
            faults: file.faults.iter().map(|(name, fault)| (name.as_str(), fault.referenced)).collect(),
            loads: file.load.iter().map(|(name, load)| (name.clone(), load.request.value.clone())).collect(),
            taken: BTreeMap::new(),
            active: BTreeSet::new(),
            acts: Vec::new(),
            met: BTreeSet::new(),
            turn: None,
            problems: Vec::new(),
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push((problem, self.turn.clone()));
    }

    /// What a slot holds, if it holds what belongs there.
    fn given<T: Written>(&mut self, slot: &Spanned<Slot<T>>) -> Option<T> {
        let given = slot.value.get();
        given.map_err(|why| self.problem(Problem::at(slot.referenced, why))).ok()
    }

    /// Where the key of a value stands.
    fn key(&self, key: &str, value: Location) -> Place {
        key_before(self.text, key, value.into())
    }

    fn fault_names(&self) -> Vec<&'a str> {
        self.faults.keys().copied().collect()
    }

    fn scenario(&mut self, file: &File, written: &[WrittenStep]) -> Scenario {
        self.head(file);
        let load = self.load(file);
        let steady = self.steady(file);
        for (name, fault) in &file.faults {
            self.fault(name, fault);
        }
        let mut steps = Vec::with_capacity(written.len());
        for WrittenStep { step, at, turn } in written {
            self.turn.clone_from(turn);
            steps.extend(self.step(step, *at));
        }
        self.turn = None;
        if file.steps.is_empty() {
            self.problem(Problem::at(file.id.referenced, "a scenario without steps shows nothing"));
        }
        for (name, at) in self.faults.clone() {
            if !self.acts.contains(&Anchor::InEffect(name.to_owned())) {
                let problem = Problem::at(self.key(name, at), format!("fault `{name}` is never injected"));
                self.problem(problem.help("remove it, or add a `fault` step"));
            }
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
            let problem = Problem::at(file.id.referenced, format!("`{id}` is not a scenario id"));
            self.problem(problem.help("write `family/name` in lower case, digits and hyphens"));
        }
        let worlds = &file.worlds.value;
        if worlds.is_empty() {
            let problem = Problem::at(file.worlds.referenced, "a scenario needs a world");
            self.problem(problem.help("virtual, local or docker"));
        } else if let Some(twice) = (1..worlds.len()).find(|i| worlds[..*i].contains(&worlds[*i])) {
            let message = format!("{} is named twice", worlds[twice]);
            self.problem(Problem::at(file.worlds.referenced, message));
        }
        let vocabulary = self.vocabulary;
        self.known("topology", &file.topology, vocabulary.topologies.keys());
        for (key, value) in &file.settings {
            let at = self.key(key, value.referenced);
            self.known_at("setting", key, at, vocabulary.settings.keys());
            let takes = vocabulary.setting_takes.filter(|_| vocabulary.settings.contains_key(key));
            if let Some(Err(why)) = takes.map(|takes| takes(key, &value.value)) {
                self.problem(Problem::at(value.referenced, why));
            }
        }
        for name in &file.always {
            self.known("invariant", name, vocabulary.invariants.keys());
        }
    }

    fn load(&mut self, file: &File) -> Vec<Load> {
        let vocabulary = self.vocabulary;
        for load in file.load.values() {
            self.known("request", &load.request, vocabulary.requests.keys());
            if load.every.value.0 < LEAST_INTERVAL {
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
            let at = self.key(signal, value.referenced);
            self.signal_value_at(signal, at, value);
        }
        let mut signals = self.topology.map(|topology| topology.at_rest.clone()).unwrap_or_default();
        let asked = file.steady.signals.iter();
        signals.extend(asked.map(|(signal, value)| (signal.clone(), value.value.clone())));
        if signals.is_empty() && self.topology.is_some() {
            let problem = Problem::at(file.id.referenced, "the steady state names no signal");
            self.problem(
                problem.help("without one nothing shows that the system worked before it was broken"),
            );
        }
        let lasting = file.steady.lasting.map_or(DEFAULT_STEADY_FOR, |lasting| lasting.0);
        let within = file.steady.within.as_ref().map_or(DEFAULT_STEADY_WITHIN, |within| within.value.0);
        if within < lasting {
            let at = file.steady.within.as_ref().map_or(file.id.referenced, |within| within.referenced);
            let message = "the steady state can't last longer than the time it may take to be shown";
            self.problem(Problem::at(at, message));
        }
        Steady { signals, lasting, within }
    }

    fn step(&mut self, step: &StepSource, at: Location) -> Option<Step> {
        match step {
            StepSource::Fault(name) => Some(self.inject(name)),
            StepSource::Heal(name) => Some(self.heal(name)),
            StepSource::Strike(strike) => {
                self.strike(&strike.strike);
                let name = strike.name.value.clone();
                self.take(&name, strike.name.referenced, "a strike");
                self.acts.push(Anchor::Struck(name.clone()));
                Some(Step::Strike { name, strike: strike.strike.value.clone() })
            }
            StepSource::Send(send) => Some(self.send(send)),
            StepSource::Expect(source) => self.expect(source, at).map(Step::Expect),
            StepSource::Until(until) => self.until(until),
            StepSource::Wait(wait) => Some(match self.given(wait)? {
                Wait::Exactly(duration) => Step::Wait(duration.0),
                Wait::Between(least, most) => Step::WaitBetween { least: least.0, most: most.0 },
            }),
            // Written out by now.
            StepSource::Each(_) => None,
        }
    }

    fn inject(&mut self, fault: &Spanned<String>) -> Step {
        let name = &fault.value;
        let known: Vec<String> = self.faults.keys().map(|name| (*name).to_owned()).collect();
        self.known("fault", fault, &known);
        if !self.active.insert(name.clone()) {
            let problem = Problem::at(fault.referenced, format!("`{name}` is in effect already"));
            self.problem(problem.help("heal it first"));
        }
        self.acts.retain(|act| !matches!(act, Anchor::InEffect(of) | Anchor::Healed(of) if of == name));
        self.acts.push(Anchor::InEffect(name.clone()));
        Step::Fault(name.clone())
    }

    fn heal(&mut self, fault: &Spanned<String>) -> Step {
        let name = &fault.value;
        if self.active.remove(name) {
            self.acts.push(Anchor::Healed(name.clone()));
        } else {
            let near = suggest(name, self.active.iter().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a fault is healed after it was injected, and once".to_owned(),
            };
            let problem = Problem::at(fault.referenced, format!("`{name}` is not in effect here"));
            self.problem(problem.help(help));
        }
        Step::Heal(name.clone())
    }

    fn send(&mut self, send: &SendSource) -> Step {
        let vocabulary = self.vocabulary;
        self.known("request", &send.request, vocabulary.requests.keys());
        let count = send.count.as_ref().and_then(|count| self.given(count)).unwrap_or(1);
        if let Some(at) = send.count.as_ref().filter(|_| !(1..=SEND_LIMIT).contains(&count)) {
            let message = format!("{count} requests at once: 1 to {SEND_LIMIT} are possible");
            self.problem(Problem::at(at.referenced, message));
        }
        let (name, request) = (send.name.value.clone(), send.request.value.clone());
        if self.loads.insert(name.clone(), request.clone()).is_some() {
            let problem = Problem::at(send.name.referenced, format!("there is a load `{name}` already"));
            self.problem(problem.help(self.told_apart()));
        }
        self.acts.push(Anchor::Answered(name.clone()));
        Step::Send { name, request, count }
    }

    fn until(&mut self, until: &UntilSource) -> Option<Step> {
        self.signal_value(&until.signal, &until.is);
        let within = self.given(&until.within);
        if within.is_some_and(|within| within.0.is_zero()) {
            self.problem(Problem::at(until.within.referenced, "a trigger needs time to come"));
        }
        if let Some(name) = &until.name
            && self.take(&name.value, name.referenced, "a trigger")
        {
            self.met.insert(name.value.clone());
        }
        Some(Step::Until {
            name: until.name.as_ref().map(|name| name.value.clone()),
            signal: until.signal.value.clone(),
            value: until.is.value.clone(),
            within: within?.0,
        })
    }
}
