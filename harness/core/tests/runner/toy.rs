//! The toy world.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use harness_core::event::{Answer, Event, What};
use harness_core::fault::{Fault, Strike};
use harness_core::history::History;
use harness_core::judge::judge;
use harness_core::recorder::Recorder;
use harness_core::runner;
use harness_core::scenario::{Anchor, Claim, Scenario, ScenarioBuilder};
use harness_core::time::{At, Span};
use harness_core::verdict::Judgement;
use harness_core::world::{Evidence, Healed, World, WorldError, WorldKind};
use tokio::time::{Instant, sleep};

pub(crate) const CIRCUIT: &str = "circuit";

/// The time between two looks at the circuit.
pub(crate) const LOOK: Duration = ms(10);

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub(crate) fn at(ms: u64) -> At {
    At::from_start(Duration::from_millis(ms))
}

/// What injecting comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Comes {
    InEffect,
    Unproven,
    Wrong,
}

/// How the toy behaves.
#[derive(Clone, Debug)]
pub(crate) struct Habits {
    pub(crate) starts: bool,
    pub(crate) start_takes: Duration,
    pub(crate) injecting: BTreeMap<&'static str, Comes>,
    pub(crate) inject_takes: Duration,
    pub(crate) heals: bool,
    pub(crate) heal_takes: Duration,
    /// For how long of that it is seen to be broken still.
    pub(crate) seen_broken: Option<Duration>,
    pub(crate) opens_after: Duration,
    pub(crate) closes_after: Duration,
    pub(crate) answer_takes: Duration,
    /// The circuit is open from the start, for so long.
    pub(crate) sick_for: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            starts: true,
            start_takes: ms(500),
            injecting: BTreeMap::new(),
            inject_takes: ms(40),
            heals: true,
            heal_takes: ms(60),
            seen_broken: None,
            opens_after: s(2),
            closes_after: s(3),
            answer_takes: ms(5),
            sick_for: Duration::ZERO,
        }
    }
}

pub(crate) struct Toy {
    began: Instant,
    habits: Habits,
    /// What is broken, half-broken things included.
    broken: RefCell<Vec<String>>,
    /// The circuit's next move.
    moves: Cell<(At, &'static str)>,
    value: Cell<&'static str>,
    /// What the runner asked for, and when.
    pub(crate) calls: RefCell<Vec<(At, String)>>,
    pub(crate) under_way: Cell<usize>,
}

impl Toy {
    fn new(habits: Habits) -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one clock of the toy world, which is paused")]
        let began = Instant::now();
        let sick = !habits.sick_for.is_zero();
        Self {
            began,
            broken: RefCell::default(),
            moves: Cell::new((At::from_start(habits.sick_for), "CLOSED")),
            value: Cell::new(if sick { "OPEN" } else { "CLOSED" }),
            calls: RefCell::default(),
            under_way: Cell::new(0),
            habits,
        }
    }

    fn called(&self, what: String) {
        self.calls.borrow_mut().push((self.now(), what));
    }

    pub(crate) fn called_at(&self, what: &str) -> Vec<At> {
        self.calls.borrow().iter().filter(|(_, call)| call == what).map(|(at, _)| *at).collect()
    }

    /// The calls without their times.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.calls.borrow().iter().map(|(_, call)| call.clone()).collect()
    }

    fn mended(&self, name: &str) {
        let mut broken = self.broken.borrow_mut();
        if broken.iter().any(|known| known == name) {
            broken.retain(|known| known != name);
            if broken.is_empty() {
                self.moves.set((self.now() + self.habits.closes_after, "CLOSED"));
            }
        }
    }
}

impl World for Toy {
    fn kind(&self) -> WorldKind {
        WorldKind::Virtual
    }

    fn now(&self) -> At {
        At::from_start(self.began.elapsed())
    }

    async fn sleep_until(&self, at: At) {
        tokio::time::sleep_until(self.began + at.since_start()).await;
    }

    fn observation_lag(&self) -> Duration {
        2 * LOOK
    }

    async fn start(&self) -> Result<(), WorldError> {
        self.called("start".into());
        sleep(self.habits.start_takes).await;
        if self.habits.starts { Ok(()) } else { Err(WorldError::Failed("the port is taken".into())) }
    }

    fn supports(&self, _: &Fault) -> Result<(), WorldError> {
        Ok(())
    }

    async fn inject(&self, name: &str, fault: &Fault) -> Result<Option<Evidence>, WorldError> {
        self.called(format!("inject {name}"));
        let comes = self.habits.injecting.get(name).copied().unwrap_or(Comes::InEffect);
        // From here on something is broken, whether or not this future is seen to its end.
        if comes != Comes::Unproven {
            if self.broken.borrow().is_empty() {
                self.moves.set((self.now() + self.habits.opens_after, "OPEN"));
            }
            self.broken.borrow_mut().push(name.to_owned());
        }
        sleep(self.habits.inject_takes).await;
        match comes {
            Comes::InEffect => Ok(Some(Evidence(format!("seen: {fault}")))),
            Comes::Unproven => Ok(None),
            Comes::Wrong => Err(WorldError::Failed("no such container".into())),
        }
    }

    async fn heal(&self, name: &str) -> Result<Healed, WorldError> {
        let broken_until = self.habits.seen_broken.map(|seen| self.now() + seen);
        self.called(format!("heal {name}"));
        sleep(self.habits.heal_takes).await;
        if !self.habits.heals {
            return Err(WorldError::Failed("no such container".into()));
        }
        self.mended(name);
        Ok(Healed { evidence: Evidence("works again".into()), broken_until })
    }

    async fn strike(&self, strike: &Strike) -> Result<Option<Evidence>, WorldError> {
        self.called(format!("strike {strike}"));
        Ok(Some(Evidence("seen".into())))
    }

    async fn send(&self, request: &str, number: u64) -> Answer {
        self.called(format!("send {request}"));
        self.under_way.set(self.under_way.get() + 1);
        sleep(self.habits.answer_takes).await;
        self.under_way.set(self.under_way.get() - 1);
        let class = if self.value.get() == "OPEN" { "denied" } else { "allowed" };
        Answer::new(class).with("number", number.to_string())
    }

    async fn observe(&self, recorder: &Recorder) {
        let mut last_look = self.now();
        loop {
            let (due, next) = self.moves.get();
            if self.now() >= due {
                self.value.set(next);
            }
            recorder.signal(Span { lo: last_look, hi: self.now() }, CIRCUIT, self.value.get());
            last_look = self.now();
            sleep(LOOK).await;
        }
    }

    async fn stop(&self) -> Vec<String> {
        self.called("stop".into());
        sleep(ms(50)).await;
        self.broken.borrow().clone()
    }
}

/// A run that was made.
pub(crate) struct Ran {
    pub(crate) toy: Toy,
    pub(crate) events: Vec<Event>,
    pub(crate) judgement: Judgement,
}

impl Ran {
    pub(crate) fn history(&self) -> History {
        History::of(self.events.clone())
    }

    pub(crate) fn notes(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| match &event.what {
                What::Note { text } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn whys(&self) -> Vec<String> {
        self.judgement.findings.iter().map(|finding| format!("{}: {}", finding.claim, finding.why)).collect()
    }
}

pub(crate) fn run(habits: Habits, scenario: &Scenario) -> Ran {
    run_until(habits, scenario, |_| std::future::pending())
}

/// Runs until the interrupt that `interrupt` makes completes.
pub(crate) fn run_until<F: Future<Output = String>>(
    habits: Habits,
    scenario: &Scenario,
    interrupt: impl FnOnce(Instant) -> F,
) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime of timers alone").block_on(async {
        let toy = Toy::new(habits);
        let recorder = Recorder::new(Vec::new());
        let run = runner::run(&toy, scenario, 1, &recorder, interrupt(toy.began));
        assert!(tokio::time::timeout(s(600), run).await.is_ok(), "the run never ended: {:?}", toy.asked());
        let history = recorder.with_history(Clone::clone);
        let judgement = judge(scenario, &history, &[]);
        Ran { toy, events: history.into_events(), judgement }
    })
}

/// A scenario on the toy, with a steady state that lasts a second and a minute to recover.
pub(crate) fn scenario() -> ScenarioBuilder {
    ScenarioBuilder::new("toy/run", "toy")
        .steady(CIRCUIT, "CLOSED")
        .steady_for(s(1))
        .steady_within(s(10))
        .recovery_within(s(60))
}

pub(crate) fn stopped() -> Fault {
    Fault::Stop("opa".into())
}

pub(crate) fn becomes(value: &str, after: Anchor, within: Duration) -> Claim {
    Claim::Becomes { signal: CIRCUIT.into(), value: value.into(), after, not_before: Duration::ZERO, within }
}

pub(crate) fn in_effect(name: &str) -> Anchor {
    Anchor::InEffect(name.into())
}

pub(crate) fn healed(name: &str) -> Anchor {
    Anchor::Healed(name.into())
}

/// An outage with its two claims.
pub(crate) fn outage() -> Scenario {
    scenario()
        .load("reads", "read", ms(100))
        .fault("outage", stopped())
        .expect(becomes("OPEN", in_effect("outage"), s(5)))
        .heal("outage")
        .expect(becomes("CLOSED", healed("outage"), s(5)))
        .build()
}
