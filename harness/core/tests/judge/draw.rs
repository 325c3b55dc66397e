//! Timelines and claims, drawn.
//!
//! Time is a handful of nanoseconds, so that instants coincide often and all readings can be tried.

use std::time::Duration;

use harness_core::event::{Answer, Event, Phase, Stage, What};
use harness_core::fault::Fault;
use harness_core::history::History;
use harness_core::scenario::{Anchor, Answers, Claim, Expectation, Scenario, Step, Until, Window};
use harness_core::time::{At, Span};
use proptest::collection::vec;
use proptest::prelude::*;

/// The end of every drawn run.
pub(crate) const END: u64 = 60;
const FAULT: &str = "outage";
pub(crate) const SIGNAL: &str = "circuit";
pub(crate) const MEASURE: &str = "depth";
pub(crate) const LOAD: &str = "reads";

pub(crate) type Ticks = (u64, u64);

pub(crate) fn at(ticks: u64) -> At {
    At::from_start(ns(ticks))
}

pub(crate) fn ns(ticks: u64) -> Duration {
    Duration::from_nanos(ticks)
}

pub(crate) fn span((lo, hi): Ticks) -> Span {
    Span { lo: at(lo), hi: at(hi) }
}

/// A change of the signal.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) at: Ticks,
    pub(crate) value: &'static str,
    /// Nobody saw it: it lies in the blind spot, and so does the change back.
    pub(crate) hidden: bool,
}

/// What happened, and how well it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    pub(crate) in_effect: Ticks,
    pub(crate) healed: Ticks,
    pub(crate) turns: Vec<Turn>,
    pub(crate) samples: Vec<(Ticks, f64)>,
    pub(crate) requests: Vec<(Ticks, &'static str)>,
    pub(crate) blind: Option<Ticks>,
    pub(crate) stalls: Vec<Ticks>,
}

impl Truth {
    /// What was recorded of it, in the order of happening.
    pub(crate) fn recorded(&self) -> Vec<(Span, What)> {
        let phase = |phase| What::Phase { phase };
        let fault = |stage| What::Fault {
            name: FAULT.into(),
            fault: Fault::Stop("opa".into()),
            stage,
            detail: String::new(),
        };
        let mut events = vec![
            (span((0, 0)), phase(Phase::Experiment)),
            (span((self.in_effect.0, self.in_effect.0)), fault(Stage::Injecting)),
            (span(self.in_effect), fault(Stage::InEffect)),
            (span(self.healed), fault(Stage::Healed)),
            (span((END - 10, END - 10)), phase(Phase::Recovery)),
        ];
        events.extend(self.turns.iter().filter(|turn| !turn.hidden).map(|turn| {
            let what = What::Signal { signal: SIGNAL.into(), value: turn.value.into(), was: None };
            (span(turn.at), what)
        }));
        events.extend(
            self.samples
                .iter()
                .map(|(at, value)| (span(*at), What::Sample { measure: MEASURE.into(), value: *value })),
        );
        events.extend((0..).zip(&self.requests).map(|(number, (at, class))| {
            (span(*at), What::Request { load: LOAD.into(), number, answer: Answer::new(class) })
        }));
        events.extend(
            self.blind.map(|at| (span(at), What::Blind { prefix: SIGNAL.into(), why: "no answer".into() })),
        );
        events.extend(self.stalls.iter().map(|at| (span(*at), What::Stall)));
        events.sort_by_key(|(at, _)| (at.hi, at.lo));
        events
    }

    pub(crate) fn history(&self) -> History {
        history(self.recorded())
    }
}

pub(crate) fn history(events: impl IntoIterator<Item = (Span, What)>) -> History {
    let numbered = (0..).zip(events).map(|(seq, (at, what))| Event { seq, at, what });
    History::of(numbered.collect())
}

/// A scenario that makes this claim after the heal.
pub(crate) fn scenario(claim: Claim) -> Scenario {
    let mut scenario = Scenario::named("drawn/claim");
    scenario.faults.insert(FAULT.into(), Fault::Stop("opa".into()));
    scenario.steps = vec![
        Step::Fault(FAULT.into()),
        Step::Heal(FAULT.into()),
        Step::Expect(Expectation { name: None, claim }),
    ];
    scenario
}

pub(crate) fn the_claim(scenario: &Scenario) -> &Claim {
    &scenario.expectations().next().expect("a drawn scenario has one claim").claim
}

/// Spans around sorted instants, as one witness sees them: in order, at both ends.
fn seen(mut instants: Vec<(u64, u64, u64)>) -> Vec<Ticks> {
    instants.sort_unstable();
    let mut spans: Vec<Ticks> = instants
        .iter()
        .map(|(true_at, before, after)| (true_at.saturating_sub(*before), true_at + after))
        .collect();
    for i in 1..spans.len() {
        spans[i].0 = spans[i].0.max(spans[i - 1].0);
    }
    for i in (1..spans.len()).rev() {
        spans[i - 1].1 = spans[i - 1].1.min(spans[i].1);
    }
    spans
}

/// `fuzz` is how far before and after an instant its span may reach.
pub(crate) fn truths(fuzz: u64) -> impl Strategy<Value = Truth> {
    let fuzzy = move |range: std::ops::Range<u64>| (range, 0..=fuzz, 0..=fuzz);
    let value = proptest::sample::select(vec!["CLOSED", "OPEN", "HALF-OPEN"]);
    let class = proptest::sample::select(vec!["allowed", "denied", "unavailable"]);
    (
        (fuzzy(5..15), fuzzy(20..35)),
        vec((fuzzy(0..40), value), 0..5),
        vec((fuzzy(0..40), 0u32..4), 0..4),
        vec((0u64..35, 0u64..10, class), 0..4),
    )
        .prop_map(|((in_effect, healed), turns, samples, requests)| {
            let [in_effect, healed] = [in_effect, healed].map(|one| seen(vec![one])[0]);
            let values: Vec<_> = turns.iter().map(|(_, value)| *value).collect();
            let at = seen(turns.into_iter().map(|(at, _)| at).collect());
            let turns = at.into_iter().zip(values).map(|(at, value)| Turn { at, value, hidden: false });
            let mut samples: Vec<_> =
                samples.into_iter().map(|(at, value)| (seen(vec![at])[0], f64::from(value))).collect();
            samples.sort_by_key(|(at, _)| *at);
            Truth {
                in_effect,
                healed,
                turns: turns.collect(),
                samples,
                requests: requests
                    .into_iter()
                    .map(|(sent, took, class)| ((sent, sent + took), class))
                    .collect(),
                blind: None,
                stalls: Vec::new(),
            }
        })
}

/// The same with a blind spot; an excursion of the signal that lies in it was not seen.
pub(crate) fn with_a_blind_spot(truth: Truth) -> impl Strategy<Value = Truth> {
    (Just(truth), 0u64..40, 0u64..15).prop_map(|(mut truth, lo, length)| {
        let blind = (lo, lo + length);
        let inside = |at: Ticks| at.0 >= blind.0 && at.1 <= blind.1;
        let excursion = (1..truth.turns.len().saturating_sub(1)).find(|i| {
            let turns = &truth.turns;
            inside(turns[*i].at) && inside(turns[i + 1].at) && turns[i - 1].value == turns[i + 1].value
        });
        if let Some(i) = excursion {
            truth.turns[i].hidden = true;
            truth.turns[i + 1].hidden = true;
        }
        truth.blind = Some(blind);
        truth
    })
}

fn anchors() -> impl Strategy<Value = Anchor> {
    proptest::sample::select(vec![
        Anchor::Start,
        Anchor::InEffect(FAULT.into()),
        Anchor::Healed(FAULT.into()),
        Anchor::End,
    ])
}

fn windows() -> impl Strategy<Value = Window> {
    let until =
        prop_oneof![anchors().prop_map(Until::Anchor), (1u64..30).prop_map(|t| Until::Lasting(ns(t)))];
    (anchors(), until).prop_map(|(from, until)| Window { from, until })
}

pub(crate) fn claims() -> impl Strategy<Value = Claim> {
    let value = || proptest::sample::select(vec!["CLOSED", "OPEN", "HALF-OPEN"]).prop_map(str::to_owned);
    let classes = vec(proptest::sample::select(vec!["allowed", "denied"]).prop_map(str::to_owned), 1..3);
    let answers = (0..3, classes).prop_map(|(kind, classes)| match kind {
        0 => Answers::All(classes),
        1 => Answers::None(classes),
        _ => Answers::Some(classes),
    });
    prop_oneof![
        (value(), anchors(), 0u64..12, 1u64..20).prop_map(|(value, after, not_before, more)| {
            Claim::Becomes {
                signal: SIGNAL.into(),
                value,
                after,
                not_before: ns(not_before.saturating_sub(6)),
                within: ns(not_before.saturating_sub(6) + more),
            }
        }),
        (vec(value(), 1..3), windows()).prop_map(|(values, window)| Claim::Stays {
            signal: SIGNAL.into(),
            values,
            window
        }),
        (value(), 0u32..3, 0u32..3, windows()).prop_map(|(value, least, more, window)| Claim::Turns {
            signal: SIGNAL.into(),
            value,
            at_least: least,
            at_most: least + more,
            window,
        }),
        (0u32..3, 0u32..3, windows()).prop_map(|(least, more, window)| Claim::Measures {
            measure: MEASURE.into(),
            at_least: f64::from(least),
            at_most: f64::from(least + more),
            window,
        }),
        (prop_oneof![Just(50.0), Just(75.0), Just(100.0)], 1u64..8, 1u32..3, windows()).prop_map(
            |(percent, within, at_least, window)| Claim::Pace {
                load: LOAD.into(),
                percent,
                within: ns(within),
                at_least,
                window,
            }
        ),
        (answers, 1u32..3, proptest::option::of(1u64..8), windows()).prop_map(
            |(answers, at_least, limit, window)| Claim::Requests {
                load: LOAD.into(),
                answers,
                at_least,
                answered_within: limit.map(ns),
                window,
            }
        ),
    ]
}
