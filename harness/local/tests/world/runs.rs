//! Whole scenarios in this world: what the runner does with it, and what the judge makes of that.

use std::time::Duration;

use harness_core::event::{Event, Stage, What};
use harness_core::fault::{Edge, Fault, Latency};
use harness_core::history::History;
use harness_core::judge::judge;
use harness_core::recorder::Recorder;
use harness_core::runner::run;
use harness_core::scenario::ScenarioBuilder;
use harness_core::scenario::{Anchor, Claim, Scenario};
use harness_core::time::HumanDuration;
use harness_core::verdict::{Axis, Judgement, Verdict};
use libtest_mimic::Trial;

use crate::bed::{Bed, Pair, SIGNAL, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_scenario_is_held_from_its_faults_to_its_clean_up", held),
        trial("a_scenario_that_claims_what_is_not_so_is_violated", violated),
        trial("an_interrupted_scenario_is_healed_and_leaves_nothing", interrupted),
    ]
}

const S: Duration = Duration::from_secs(1);

/// Several times as long as it takes to see a turn: what comes in between begins the count of polls anew.
const LIMIT: Duration = Duration::from_secs(60);

fn becomes(value: &str, after: Anchor, within: Duration) -> Claim {
    Claim::Becomes { signal: SIGNAL.into(), value: value.into(), after, not_before: Duration::ZERO, within }
}

fn scenario() -> ScenarioBuilder {
    ScenarioBuilder::new("pair/test", "pair").steady(SIGNAL, "ok").steady_for(S).recovery_within(LIMIT)
}

async fn judged(
    scenario: &Scenario,
    interrupt: impl AsyncFnOnce(&Recorder) -> String,
) -> (Vec<Event>, Judgement) {
    let bed = Bed::new(Pair::default());
    let recorder = Recorder::new(Vec::new());
    run(&bed.world, scenario, 1, &recorder, interrupt(&recorder)).await;
    assert_eq!(bed.journal.borrow().open_inverses().count(), 0);
    let events = recorder.into_events();
    let judgement = judge(scenario, &History::of(events.clone()), &[]);
    (events, judgement)
}

async fn held() {
    let (killed, slow) = (|| "killed".to_owned(), || "slow".to_owned());
    let (delay, jitter) = (HumanDuration(2 * S), HumanDuration::default());
    let latency = Latency { edge: Edge::new("front", "back"), delay, jitter };
    let scenario = scenario()
        .fault("killed", Fault::Kill("back".into()))
        .expect(becomes("cut short", Anchor::InEffect(killed()), LIMIT))
        .heal("killed")
        .expect(becomes("ok", Anchor::Healed(killed()), LIMIT))
        .fault("slow", Fault::Latency(latency))
        .expect(becomes("slow", Anchor::InEffect(slow()), LIMIT))
        .heal("slow")
        .expect(becomes("ok", Anchor::Healed(slow()), LIMIT))
        .build();
    let (events, judgement) = judged(&scenario, async |_| std::future::pending().await).await;
    assert_eq!(judgement.overall(), Verdict::Held, "{judgement:#?}\n{events:#?}");
    let stages = |wanted| {
        let of = |event: &&Event| matches!(event.what, What::Fault { stage, .. } if stage == wanted);
        events.iter().filter(of).count()
    };
    assert_eq!((stages(Stage::InEffect), stages(Stage::Healed)), (2, 2));
}

async fn violated() {
    let scenario = scenario()
        .fault("refused", Fault::Refuse(Edge::new("front", "back")))
        .expect(becomes("silent", Anchor::InEffect("refused".into()), 10 * S))
        .build();
    let (_, judgement) = judged(&scenario, async |_| std::future::pending().await).await;
    assert_eq!(judgement.of(Axis::Experiment), Verdict::Violated, "{judgement:#?}");
    assert_eq!(judgement.of(Axis::Recovery), Verdict::Held, "{judgement:#?}");
    assert_eq!(judgement.of(Axis::CleanUp), Verdict::Held, "{judgement:#?}");
}

async fn interrupted() {
    let scenario = scenario().fault("frozen", Fault::Pause("back".into())).wait(3_600 * S).build();
    let interrupt = async |recorder: &Recorder| {
        let frozen = || recorder.with_history(|history| history.fault("frozen", Stage::InEffect).is_some());
        while !frozen() {
            recorder.changed().await;
        }
        "Ctrl-C".to_owned()
    };
    let (events, judgement) = judged(&scenario, interrupt).await;
    let healed = |event: &Event| matches!(event.what, What::Fault { stage: Stage::Healed, .. });
    assert!(events.iter().any(healed), "{events:#?}");
    assert_eq!(judgement.of(Axis::CleanUp), Verdict::Held, "{judgement:#?}");
    assert_ne!(judgement.overall(), Verdict::Held);
}
