//! Whole runs, and worlds that end before their time.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use harness_core::fault::Fault;
use harness_core::history::History;
use harness_core::journal::Journal;
use harness_core::judge::judge;
use harness_core::recorder::Recorder;
use harness_core::runner::run;

use harness_core::scenario::{Anchor, Claim, Scenario, ScenarioBuilder};
use harness_core::verdict::{Axis, Verdict};
use harness_core::world::{World, WorldError};
use harness_docker::{Engine, cleanup, world};
use libtest_mimic::{Failed, Trial};
use tokio::time::timeout;

use crate::death::{BOUND, PATIENCE};
use crate::support::{Outcome, block_on, check, eventually, me, now};
use crate::world_bed::{Bed, Decider};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("docker::world/run-of-an-outage-is-held", outage_is_held),
        Trial::test("docker::world/run-whose-watcher-is-blind-is-violated", blind_is_violated),
        Trial::test("docker::world/run-interrupted-is-healed", interrupted_run),
        Trial::test("docker::world/starts-in-the-order-of-the-plan", starts_in_order),
        Trial::test("docker::world/service-that-never-gets-ready", never_ready),
        Trial::test("docker::world/interrupted-start-leaves-nothing", interrupted_start),
        Trial::test("docker::world/dropped-leaves-nothing", dropped),
        Trial::test("docker::world/sigkill-leaves-nothing", sigkill),
    ]
}

fn outage() -> Scenario {
    let s = Duration::from_secs;
    let becomes = |value: &str, after, within| Claim::Becomes {
        signal: "opa".into(),
        value: value.into(),
        after,
        not_before: Duration::ZERO,
        within,
    };
    ScenarioBuilder::new("opa-outage", "one")
        .load("calls", "call", Duration::from_millis(200))
        .steady("opa", "up")
        .steady_for(s(1))
        .fault("outage", Fault::Stop("opa".into()))
        .expect(becomes("down", Anchor::InEffect("outage".into()), s(3)))
        .heal("outage")
        .expect(becomes("up", Anchor::Healed("outage".into()), s(3)))
        .recovery_within(s(10))
        .build()
}

async fn ran(system: Decider, interrupt: impl Future<Output = String>) -> Result<(Bed, History), Failed> {
    let bed = Bed::new(system, 1.0)?;
    let recorder = Recorder::new(Vec::new());
    let began = now();
    run(&bed.world, &outage(), 1, &recorder, interrupt).await;
    println!("ran in {:.2?}", began.elapsed());
    let history = History::of(recorder.into_events());
    Ok((bed, history))
}

fn outage_is_held() -> Outcome {
    block_on(async {
        let (bed, history) = ran(Decider::default(), std::future::pending()).await?;
        let judgement = judge(&outage(), &history, &[]);
        for finding in &judgement.findings {
            println!("{:?}: {}: {}", finding.verdict, finding.claim, finding.why);
        }
        check(judgement.overall() == Verdict::Held, format!("{:?}", judgement.overall()))?;
        check(bed.open_inverses() == 0, "an inverse is still open")
    })
}

fn blind_is_violated() -> Outcome {
    block_on(async {
        let (_bed, history) =
            ran(Decider { blind: true, ..Decider::default() }, std::future::pending()).await?;
        let judgement = judge(&outage(), &history, &[]);
        check(judgement.of(Axis::Experiment) == Verdict::Violated, format!("{judgement:?}"))?;
        check(judgement.of(Axis::CleanUp) == Verdict::Held, format!("{judgement:?}"))
    })
}

fn interrupted_run() -> Outcome {
    block_on(async {
        let interrupt = async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            "Ctrl-C".to_owned()
        };
        let (bed, history) = ran(Decider { blind: true, ..Decider::default() }, interrupt).await?;
        let judgement = judge(&outage(), &history, &[]);
        check(judgement.overall() != Verdict::Held, "cut short, it is not held")?;
        check(judgement.of(Axis::CleanUp) == Verdict::Held, format!("{judgement:?}"))?;
        check(bed.open_inverses() == 0, "an inverse is still open")
    })
}

fn starts_in_order() -> Outcome {
    block_on(async {
        let bed = Bed::started(Decider { two: true, ..Decider::default() }).await?;
        let engine = Engine::connect().await?;
        let mut started = Vec::new();
        for service in ["opa", "second"] {
            let name = bed.world.site().ok_or("it has started")?.host(service);
            let state = engine.state(&name).await?.ok_or("its container is there")?;
            // RFC 3339 in UTC: in the order of text they are in the order of time.
            started.push(state.started_at.ok_or("it was started")?);
        }
        let left = bed.world.stop().await;
        check(left.is_empty(), format!("left behind: {left:?}"))?;
        check(started[0] < started[1], format!("OPA, second: {started:?}"))
    })
}

fn never_ready() -> Outcome {
    block_on(async {
        let bed = Bed::new(Decider { policy: "package t\n\nallow if {\n", ..Decider::default() }, 1.0)?;
        let began = now();
        let error = bed.world.start().await.expect_err("that is no policy");
        check(began.elapsed() < Duration::from_secs(20), "it waits for what has ended")?;
        let told = matches!(&error, WorldError::NotReady { service, log, .. }
            if service == "opa" && log.iter().any(|line| line.contains("rego_parse_error")));
        check(told, error.to_string())?;
        let left = bed.world.stop().await;
        check(left.is_empty(), format!("left behind: {left:?}"))
    })
}

/// What there is of this process' worlds by the engine's word.
async fn exists(network: &str) -> Result<bool, Failed> {
    let engine = Engine::connect().await?;
    Ok(cleanup::list_owned(&engine).await?.iter().any(|(name, _)| name.starts_with(network)))
}

fn interrupted_start() -> Outcome {
    block_on(async {
        for ms in [50, 400, 700] {
            let bed = Bed::new(Decider::default(), 1.0)?;
            let started = timeout(Duration::from_millis(ms), bed.world.start()).await;
            // No engine starts two containers in the first of these times.
            check(started.is_err() || ms > 50, "it is interrupted")?;
            let left = bed.world.stop().await;
            check(left.is_empty(), format!("after {ms} ms, left behind: {left:?}"))?;
        }
        Ok(())
    })
}

fn dropped() -> Outcome {
    block_on(async {
        let bed = Bed::started(Decider::default()).await?;
        let network = bed.world.site().ok_or("it has started")?.host("");
        check(exists(&network).await?, "its containers are there")?;
        bed.world.inject("frozen", &Fault::Pause("opa".into())).await?.ok_or("not shown")?;
        let began = now();
        drop(bed);
        println!("dropped in {:.1?}", began.elapsed());
        check(!exists(&network).await?, "something is left")
    })
}

/// The process to be killed: a world with a fault in effect. Tells its network and its journal.
pub(crate) fn owner() -> ExitCode {
    let up = block_on(async {
        let bed = Bed::started(Decider::default()).await?;
        bed.world.inject("frozen", &Fault::Pause("opa".into())).await?.ok_or("not shown")?;
        let network = bed.world.site().ok_or("it has started")?.host("");
        println!("up {network} {}", bed.folder.path().join("undo.jsonl").display());
        std::future::pending::<Outcome>().await
    });
    println!("{up:?}");
    ExitCode::FAILURE
}

/// In one of a few tries: what a busy machine adds to the others is no part of it.
fn sigkill() -> Outcome {
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(gone_after_sigkill()?);
        if all.iter().any(|took| *took <= BOUND) {
            return Ok(());
        }
    }
    Err(format!("nothing is left, but after {all:?}").into())
}

/// How long it took until nothing was left.
fn gone_after_sigkill() -> Result<Duration, Failed> {
    block_on(async {
        let mut owner =
            Command::new(me()).arg("world-owner").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let told = BufReader::new(owner.stdout.take().ok_or("its output is piped")?)
            .lines()
            .map_while(Result::ok)
            .find(|line| line.starts_with("up "))
            .ok_or("it did not come up")?;
        let mut words = told.split(' ').skip(1);
        let (network, journal) =
            (words.next().ok_or("a network")?, PathBuf::from(words.next().ok_or("a journal")?));
        check(exists(network).await?, "its containers are there")?;

        owner.kill()?;
        let took = eventually("nothing is left", PATIENCE, async || Ok(!exists(network).await?)).await;
        owner.wait()?;
        let took = took?;
        println!("nothing left {took:.1?} after SIGKILL");

        // What the journal says is still to undo finds nothing to do.
        let left = Journal::open(&journal)?;
        let actions: Vec<_> = left.open_inverses().map(|inverse| inverse.action.clone()).collect();
        check(actions.len() == 1, format!("{actions:?}"))?;
        let healed = world::heal(&actions[0]).await?;
        check(healed.starts_with("nothing to do"), healed)?;
        std::fs::remove_dir_all(journal.parent().ok_or("a folder")?)?;
        Ok(took)
    })
}
