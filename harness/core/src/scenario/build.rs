//! Scenarios from Rust: for tests, and for machines that write them.
//!
//! The builder makes the model itself. What a file's check would find, the runner finds by running:
//! use files for people, this for code.

use std::time::Duration;

use super::{Claim, Expectation, Load, Scenario, Step};
use crate::fault::{Fault, Strike};
use crate::world::WorldKind;

/// Builds a [`Scenario`] step by step.
#[derive(Clone, Debug)]
#[must_use]
pub struct ScenarioBuilder(Scenario);

impl ScenarioBuilder {
    /// A scenario on a topology, in all worlds.
    pub fn new(id: &str, topology: &str) -> Self {
        let mut scenario = Scenario::named(id);
        id.clone_into(&mut scenario.title);
        topology.clone_into(&mut scenario.topology);
        scenario.worlds = WorldKind::ALL.to_vec();
        Self(scenario)
    }

    /// Its line for people.
    pub fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.0.title);
        self
    }

    /// Why it exists.
    pub fn why(mut self, why: &str) -> Self {
        why.clone_into(&mut self.0.why);
        self
    }

    /// Words to select it by.
    pub fn tags<'a>(mut self, tags: impl IntoIterator<Item = &'a str>) -> Self {
        self.0.tags = tags.into_iter().map(str::to_owned).collect();
        self
    }

    /// The worlds it runs in, instead of all.
    pub fn worlds(mut self, worlds: impl IntoIterator<Item = WorldKind>) -> Self {
        self.0.worlds = worlds.into_iter().collect();
        self
    }

    /// A setting that differs from its default.
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.0.settings.insert(key.into(), value.into());
        self
    }

    /// A load.
    pub fn load(mut self, name: &str, request: &str, every: Duration) -> Self {
        self.0.load.push(Load { name: name.into(), request: request.into(), every });
        self
    }

    /// A signal of the steady state.
    pub fn steady(mut self, signal: &str, value: &str) -> Self {
        self.0.steady.signals.insert(signal.into(), value.into());
        self
    }

    /// For how long the steady state must last.
    pub fn steady_for(mut self, lasting: Duration) -> Self {
        self.0.steady.lasting = lasting;
        self
    }

    /// How long the steady state may take to be shown.
    pub fn steady_within(mut self, within: Duration) -> Self {
        self.0.steady.within = within;
        self
    }

    /// An invariant that must hold throughout.
    pub fn always(mut self, invariant: &str) -> Self {
        self.0.always.push(invariant.into());
        self
    }

    /// Declares a fault and injects it.
    pub fn fault(mut self, name: &str, fault: Fault) -> Self {
        self.0.faults.insert(name.into(), fault);
        self.step(Step::Fault(name.into()))
    }

    /// Heals a fault.
    pub fn heal(self, name: &str) -> Self {
        self.step(Step::Heal(name.into()))
    }

    /// Does something once.
    pub fn strike(self, name: &str, strike: Strike) -> Self {
        self.step(Step::Strike { name: name.into(), strike })
    }

    /// Claims something.
    pub fn expect(self, claim: Claim) -> Self {
        self.step(Step::Expect(Expectation { name: None, claim }))
    }

    /// Claims something and names the moment of its fulfilment.
    pub fn expect_as(self, name: &str, claim: Claim) -> Self {
        self.step(Step::Expect(Expectation { name: Some(name.into()), claim }))
    }

    /// Goes on as soon as a signal has a value, and names that instant.
    pub fn until(self, name: &str, signal: &str, value: &str, within: Duration) -> Self {
        let (name, signal, value) = (Some(name.into()), signal.into(), value.into());
        self.step(Step::Until { name, signal, value, within })
    }

    /// Sends requests all together.
    pub fn send(self, name: &str, request: &str, count: u32) -> Self {
        self.step(Step::Send { name: name.into(), request: request.into(), count })
    }

    /// Lets time pass.
    pub fn wait(self, duration: Duration) -> Self {
        self.step(Step::Wait(duration))
    }

    /// Lets a time pass that is drawn from the run's seed.
    pub fn wait_between(self, least: Duration, most: Duration) -> Self {
        self.step(Step::WaitBetween { least, most })
    }

    /// The same steps for each of a list: `steps` says one turn of them. Names that are the same in two turns are
    /// the names of the same thing, so put what tells the turns apart into them.
    pub fn each<T>(self, of: impl IntoIterator<Item = T>, steps: impl FnMut(Self, T) -> Self) -> Self {
        of.into_iter().fold(self, steps)
    }

    /// Any step.
    pub fn step(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    /// How long recovery may take.
    pub fn recovery_within(mut self, within: Duration) -> Self {
        self.0.recovery_within = within;
        self
    }

    /// The scenario.
    pub fn build(self) -> Scenario {
        self.0
    }
}
