//! Runs a scenario in a world: steady state → steps → heal → recovery → clean-up.
//!
//! The runner is one future on one thread. Steps, loads and the observer run side by side in it;
//! dropping a part is how it ends, so an interruption at any point leads to the same healing and
//! clean-up as a run that came to its end.

mod faults;
pub mod load;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join3, select};

use crate::event::{Phase, What};
use crate::history::Change;
use crate::judge::steady;
use crate::judge::{Decision, Observed, claim};
use crate::recorder::Recorder;
use crate::scenario::{Claim, Scenario, Step, drawn};
use crate::time::{At, Span};
use crate::world::World;

use faults::Faults;
use load::Companions;

/// Runs a scenario to its end or until `interrupt` completes with the reason.
///
/// `seed` gives what the scenario leaves to chance: the same seed, the same instants.
///
/// What happened is in the recorder, whatever happened: judge it with [`judge`](crate::judge::judge).
/// The caller answers for a world made for this scenario's topology and settings.
pub async fn run<W: World>(
    world: &W,
    scenario: &Scenario,
    seed: u64,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
) {
    let (faults, companions) = (Faults::default(), Companions::default());
    let run = Run { world, scenario, seed, recorder, faults, companions };
    let interrupted = run.alive(interrupt).await;
    run.enter(Phase::CleanUp);
    let leftovers = world.stop().await;
    run.tell(What::TornDown { leftovers });
    run.tell(What::End { interrupted });
}

struct Run<'a, W> {
    world: &'a W,
    scenario: &'a Scenario,
    seed: u64,
    recorder: &'a Recorder,
    faults: Faults,
    companions: Companions<'a>,
}

/// Why the steps ended before their end.
struct Abandoned;

impl<'a, W: World> Run<'a, W> {
    fn tell(&self, what: What) {
        self.recorder.record_at(self.world.now(), what);
    }

    fn enter(&self, phase: Phase) {
        self.tell(What::Phase { phase });
    }

    /// Everything between bringing the topology up and taking it down. Returns why it was cut short.
    async fn alive(&self, interrupt: impl Future<Output = String>) -> Option<String> {
        let mut interrupt = pin!(interrupt);
        self.enter(Phase::SetUp);
        match select(interrupt.as_mut(), pin!(self.world.start())).await {
            Either::Left((reason, _)) => return Some(reason),
            Either::Right((Err(error), _)) => return Some(error.to_string()),
            Either::Right((Ok(()), _)) => {}
        }
        let mut background = pin!(async {
            let loads = load::all(self.world, self.recorder, &self.scenario.load);
            let companions = self.companions.run();
            join3(self.world.observe(self.recorder), loads, companions).await;
            std::future::pending::<()>().await;
        });
        let reason = {
            let experiment = pin!(self.experiment());
            let alongside = select(experiment, background.as_mut());
            match select(interrupt, alongside).await {
                Either::Left((reason, _)) => Some(reason),
                Either::Right(_) => None,
            }
        };
        if reason.is_some() {
            select(pin!(self.heal_everything()), background.as_mut()).await;
            self.look_away();
        }
        reason
    }

    /// An interrupted run does not wait for what may still come to be seen.
    fn look_away(&self) {
        let (now, lag) = (self.world.now(), self.world.observation_lag());
        if !lag.is_zero() {
            let unseen = Span { lo: now.saturating_sub(lag), hi: now };
            let why = "the run was interrupted before all of it was seen".into();
            self.recorder.record(unseen, What::Blind { prefix: String::new(), why });
        }
    }

    async fn experiment(&self) {
        self.enter(Phase::Steady);
        let steady = &self.scenario.steady;
        if !self.steady(steady.lasting, steady.within).await {
            return;
        }
        self.enter(Phase::Experiment);
        for (number, step) in self.scenario.steps.iter().enumerate() {
            if self.step(number, step).await.is_err() {
                self.tell(What::Note {
                    text: format!("step {} failed; the steps after it were left out", number + 1),
                });
                break;
            }
        }
        self.heal_everything().await;
        self.enter(Phase::Recovery);
        self.steady(steady.lasting, self.scenario.recovery_within + steady.lasting).await;
    }

    async fn step(&self, number: usize, step: &'a Step) -> Result<(), Abandoned> {
        match step {
            Step::Fault(name) => return self.inject(name).await,
            Step::Heal(name) => self.heal(name).await,
            Step::Strike { name, strike } => return self.strike(name, strike).await,
            Step::Send { name, request, count } => {
                for number in 0..u64::from(*count) {
                    self.companions.add(load::one(
                        self.world,
                        self.recorder,
                        name,
                        request,
                        number,
                        self.world.now(),
                    ));
                }
            }
            Step::Expect(expectation) => self.await_decision(&expectation.claim).await,
            Step::Until { name, signal, value, within } => {
                return self.until(name.as_deref(), signal, value, *within).await;
            }
            Step::Wait(duration) => self.world.sleep_until(self.world.now() + *duration).await,
            Step::WaitBetween { least, most } => {
                let wait = drawn(self.seed, number, *least, *most);
                self.tell(What::Note { text: format!("waits {wait:.1?}, as the seed says") });
                self.world.sleep_until(self.world.now() + wait).await;
            }
        }
        Ok(())
    }

    /// Waits until a claim is decided. One that hangs on what comes later is left to the end.
    async fn await_decision(&self, what: &Claim) {
        let lag = self.world.observation_lag();
        loop {
            let observed = Observed { until: self.world.now().saturating_sub(lag), complete: false };
            match self.recorder.with_history(|history| claim(what, self.scenario, history, observed)) {
                Decision::Decided(_) | Decision::Pending(None) => return,
                Decision::Pending(Some(at)) => {
                    select(pin!(self.news_of(what)), pin!(self.world.sleep_until(at + lag))).await;
                }
            }
        }
    }

    /// Completes when the signal that a claim is about changes. Claims about many small things, requests
    /// and samples, are not worth a look at each.
    async fn news_of(&self, what: &Claim) {
        let signal = match what {
            Claim::Becomes { signal, .. } | Claim::Stays { signal, .. } | Claim::Turns { signal, .. } => {
                signal
            }
            Claim::Measures { .. } | Claim::Requests { .. } | Claim::Pace { .. } => {
                return std::future::pending().await;
            }
        };
        let changes = || self.recorder.with_history(|history| history.signal(signal).len());
        let known = changes();
        loop {
            let changed = self.recorder.changed();
            if changes() > known {
                return;
            }
            changed.await;
        }
    }

    /// Waits for a trigger: the signal has the value now, or turns to it, however briefly.
    async fn until(
        &self,
        name: Option<&str>,
        signal: &str,
        value: &str,
        within: Duration,
    ) -> Result<(), Abandoned> {
        let began = self.world.now();
        let deadline = began + within;
        let given_up = deadline + self.world.observation_lag();
        let reached = |at, in_time| {
            let (name, signal, value) = (name.map(str::to_owned), signal.to_owned(), value.to_owned());
            self.recorder.record(at, What::Reached { name, signal, value, in_time });
        };
        loop {
            let changed = self.recorder.changed();
            let came = self.recorder.with_history(|history| came_to(history.signal(signal), value, began));
            if let Some(at) = came.filter(|at| at.lo <= deadline) {
                reached(Span { lo: at.lo.max(began), hi: at.hi.max(began) }, true);
                return Ok(());
            }
            if self.world.now() >= given_up {
                reached(Span::between(began, deadline), false);
                return Err(Abandoned);
            }
            select(pin!(changed), pin!(self.world.sleep_until(given_up))).await;
        }
    }

    /// Waits until the steady state was seen to last, for at most `within`; whether it has.
    async fn steady(&self, lasting: Duration, within: Duration) -> bool {
        let lag = self.world.observation_lag();
        let began = self.world.now();
        let deadline = began + within + lag;
        loop {
            let changed = self.recorder.changed();
            let now = self.world.now();
            let since = self.recorder.with_history(|history| steady::since(self.scenario, history, now));
            let done: Option<At> = since.map(|since| since.max(began) + lasting + lag);
            if done.is_some_and(|done| now >= done) {
                return true;
            }
            if now >= deadline {
                return false;
            }
            let next = done.map_or(deadline, |done| done.min(deadline));
            select(pin!(changed), pin!(self.world.sleep_until(next))).await;
        }
    }
}

/// When a signal came to have a value: now or since `began`.
fn came_to(changes: &[Change], value: &str, began: At) -> Option<Span> {
    let now = changes.last().filter(|change| change.value == value);
    let since = changes.iter().find(|change| change.value == value && change.at.hi >= began);
    since.or(now).map(|change| change.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_came_and_went_between_two_looks_has_come() {
        let at = |ms| At::from_start(Duration::from_millis(ms));
        let change = |ms, value: &str| Change { at: Span::exactly(at(ms)), value: value.into() };
        let changes = [change(0, "OPEN"), change(10, "HALF_OPEN"), change(10, "CLOSED")];
        assert_eq!(came_to(&changes, "HALF_OPEN", at(5)), Some(Span::exactly(at(10))));
        assert_eq!(came_to(&changes, "HALF_OPEN", at(11)), None, "it went before anybody waited for it");
        assert_eq!(came_to(&changes, "CLOSED", at(50)), Some(Span::exactly(at(10))), "it is so now");
        assert_eq!(came_to(&changes, "OPEN", at(5)), None);
    }
}
