//! Faults of the world, met by traffic.
//!
//! Method: undisturbed traffic first; the fault with its evidence; what a request meets then, and how long that
//! takes, between a lower and an upper bound; healed, undisturbed traffic at once.

use std::time::Duration;

use harness_core::event::What;
use harness_core::fault::{
    Bandwidth, ClockStep, Direction, Fault, Latency, OneWay, Slice, Strike, Truncate, WrongAnswer,
};
use harness_core::recorder::Recorder;
use harness_core::time::HumanDuration;
use harness_core::world::{World, WorldError};
use harness_docker::{Engine, world};
use harness_local::Canary;
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Outcome, block_on, check, now};
use crate::world_bed::{Bed, Decider, SILENCE, SLACK, class, edge, trial};

const MS: Duration = Duration::from_millis(1);
/// What the engine may take for a call on a busy machine.
const ENGINE: Duration = Duration::from_secs(20);
/// How soon the end of a connection is felt at its other end, on a busy machine.
const FELT: Duration = Duration::from_secs(5);
/// How soon services that end and start several times have told of it, on a busy machine.
const SEEN: Duration = Duration::from_secs(60);
/// For how long an answer that is held back is waited for.
const HELD: Duration = Duration::from_millis(500);

pub(crate) fn trials() -> Vec<Trial> {
    let ms = |ms| HumanDuration(Duration::from_millis(ms));
    let latency = Latency { edge: edge(), delay: ms(300), jitter: ms(0) };
    let jittery = Latency { edge: edge(), delay: ms(300), jitter: ms(200) };
    let slice = Slice { edge: edge(), bytes: 100, pause: ms(40) };
    let bandwidth = Bandwidth { edge: edge(), kilobytes: 5 };
    let truncate = Truncate { edge: edge(), after_bytes: 40 };
    let one_way = |lost| Fault::OneWay(OneWay { edge: edge(), lost });
    // What is met, with so many bytes more to the request, and how long it takes at least and at most.
    let cases = [
        ("refused-edge-refuses", Fault::Refuse(edge()), "refused", 0, 0, 500),
        ("black-hole-is-silent", Fault::BlackHole(edge()), "silent", 0, 2_000, 2_500),
        ("stalled-edge-is-silent", Fault::Stall(edge()), "silent", 0, 2_000, 2_500),
        ("lost-requests-are-not-answered", one_way(Direction::Up), "silent", 0, 2_000, 2_500),
        // The service closes after its answer, and that is not lost.
        ("lost-answers-do-not-come", one_way(Direction::Down), "cut short", 0, 0, 500),
        ("edge-that-resets-resets", Fault::Reset(edge()), "reset", 0, 0, 500),
        ("answer-is-truncated", Fault::Truncate(truncate), "cut short", 0, 0, 500),
        ("latency-is-as-long-as-told", Fault::Latency(latency), "ok", 0, 300, 800),
        ("latency-with-jitter", Fault::Latency(jittery), "ok", 0, 100, 1_000),
        // A thousand bytes are at least ten slices with nine pauses, at most twice as many.
        ("slices-come-apart", Fault::Slice(slice), "ok", 1_000, 9 * 40, 40 * 40 + 500),
        ("bandwidth-is-what-was-told", Fault::Bandwidth(bandwidth), "ok", 5_000, 980, 2_000),
    ];
    let mut trials: Vec<_> = cases
        .into_iter()
        .map(|(name, fault, met, padding, least, most)| {
            trial(name, async move |bed| breaks(bed, fault, met, padding, least * MS..most * MS).await)
        })
        .collect();
    trials.extend([
        trial("stopped-service-is-back-at-its-address", async |bed| {
            ends(bed, Fault::Stop("opa".into())).await
        }),
        trial("killed-service-is-back-at-its-address", async |bed| {
            ends(bed, Fault::Kill("opa".into())).await
        }),
        trial("paused-service-is-silent", pauses),
        trial("paused-to-the-end", paused_to_the_end),
        trial("restart", restarts),
        trial("connections-are-cut-once", cuts),
        trial("what-a-stall-held-back-comes", stall_loses_nothing),
        trial("lost-answers-leave-a-kept-connection-silent", lost_answers_on_a_kept_connection),
        trial("faults-add-up-and-are-healed-apart", overlap),
        trial("interrupted-injection-can-be-healed", interrupted_injection),
        trial("effect-that-can-not-be-shown-is-not-claimed", unproven),
        trial("journal-alone-heals", journal_alone_heals),
        trial("ends-unasked-are-told-and-asked-ones-are-not", unasked),
        trial("log-lines-over-a-restart", log_lines),
        Trial::test("docker::world/what-it-can-not-do-is-said-first", unsupported),
    ]);
    trials
}

async fn breaks(
    bed: &Bed,
    fault: Fault,
    expected: &'static str,
    padding: usize,
    bounds: std::ops::Range<Duration>,
) -> Outcome {
    bed.undisturbed().await?;
    let began = now();
    let evidence = bed.world.inject("broken", &fault).await?.ok_or("its effect is not shown")?;
    println!("{fault}: shown after {:.1?}: {}", began.elapsed(), evidence.0);
    check(bed.open_inverses() == 1, "its inverse is in the journal")?;
    bed.meets(expected, padding, bounds).await?;

    let began = now();
    let healed = bed.world.heal("broken").await?;
    println!("healed after {:.1?}: {}", began.elapsed(), healed.evidence.0);
    bed.undisturbed().await?;
    check(bed.open_inverses() == 0, "its inverse is done")
}

async fn direct(bed: &Bed) -> Result<&'static str, libtest_mimic::Failed> {
    let address = bed.world.site().ok_or("it has started")?.address("opa")?;
    Ok(class(&Canary::Http("/health".into()).send(address, 0, SILENCE).await))
}

async fn ends(bed: &Bed, fault: Fault) -> Outcome {
    bed.undisturbed().await?;
    let before = bed.world.site().ok_or("it has started")?.address("opa")?;
    let began = now();
    let evidence = bed.world.inject("gone", &fault).await?.ok_or("its effect is not shown")?;
    println!("{fault}: shown after {:.1?}: {}", began.elapsed(), evidence.0);
    check(direct(bed).await? == "refused", "itself it refuses")?;
    let (met, took) = bed.meet(0, SILENCE).await?;
    check(
        matches!(met, "cut short" | "reset"),
        format!("the proxy takes it and finds nobody: {met} after {took:.1?}"),
    )?;

    let began = now();
    let healed = bed.world.heal("gone").await?;
    println!("healed after {:.1?}: {}", began.elapsed(), healed.evidence.0);
    let after = bed.world.site().ok_or("it has started")?.address("opa")?;
    check(after == before, format!("{before} became {after}"))?;
    bed.undisturbed().await?;
    let again = bed.world.heal("gone").await?.evidence.0;
    check(again.contains("not broken"), again)
}

async fn pauses(bed: &Bed) -> Outcome {
    bed.undisturbed().await?;
    let pause = Fault::Pause("opa".into());
    let evidence = bed.world.inject("frozen", &pause).await?.ok_or("its effect is not shown")?.0;
    check(evidence.contains("paused"), evidence)?;
    let (met, took) = bed.meet(0, SILENCE).await?;
    check(met == "silent" && took >= SILENCE, format!("{met} after {took:.1?}"))?;
    bed.world.heal("frozen").await?;
    bed.undisturbed().await
}

async fn paused_to_the_end(bed: &Bed) -> Outcome {
    bed.world.inject("frozen", &Fault::Pause("opa".into())).await?.ok_or("its effect is not shown")?;
    Ok(())
}

async fn restarts(bed: &Bed) -> Outcome {
    bed.undisturbed().await?;
    let evidence =
        bed.world.strike(&Strike::Restart("opa".into())).await?.ok_or("its effect is not shown")?;
    check(evidence.0.contains("exited") && evidence.0.contains("ready again"), evidence.0)?;
    check(direct(bed).await? == "ok", "it is back")?;
    bed.undisturbed().await?;
    bed.world.inject("gone", &Fault::Stop("opa".into())).await?.ok_or("its effect is not shown")?;
    let error = bed.world.strike(&Strike::Restart("opa".into())).await.expect_err("a fault is in the way");
    check(error.to_string().contains("not while opa stopped"), error.to_string())
}

/// A connection over the edge on which OPA has answered once.
async fn kept(bed: &Bed) -> Result<TcpStream, libtest_mimic::Failed> {
    let mut stream = TcpStream::connect(bed.edge()?).await?;
    ask(&mut stream).await?;
    answer(&mut stream).await?;
    Ok(stream)
}

async fn ask(stream: &mut TcpStream) -> Outcome {
    Ok(stream.write_all(b"GET /health HTTP/1.1\r\nhost: opa\r\n\r\n").await?)
}

async fn answer(stream: &mut TcpStream) -> Outcome {
    let mut read = Vec::new();
    while !read.windows(6).any(|end| end == b"\r\n\r\n{}") {
        if timeout(Duration::from_secs(5), stream.read_buf(&mut read)).await?? == 0 {
            return Err("closed in the middle of an answer".into());
        }
    }
    Ok(())
}

async fn cuts(bed: &Bed) -> Outcome {
    let mut kept = kept(bed).await?;
    let evidence = bed.world.strike(&Strike::Cut(edge())).await?.ok_or("its effect is not shown")?;
    println!("{}", evidence.0);
    let ended = timeout(FELT, async {
        let mut rest = Vec::new();
        kept.read_to_end(&mut rest).await
    });
    check(ended.await.is_ok(), "a kept connection does not feel it")?;
    bed.undisturbed().await
}

async fn stall_loses_nothing(bed: &Bed) -> Outcome {
    let mut kept = kept(bed).await?;
    bed.world.inject("stalled", &Fault::Stall(edge())).await?.ok_or("its effect is not shown")?;
    ask(&mut kept).await?;
    let mut byte = [0];
    check(timeout(HELD, kept.peek(&mut byte)).await.is_err(), "it is answered all the same")?;
    bed.world.heal("stalled").await?;
    answer(&mut kept).await
}

async fn lost_answers_on_a_kept_connection(bed: &Bed) -> Outcome {
    let mut kept = kept(bed).await?;
    let lost = Fault::OneWay(OneWay { edge: edge(), lost: Direction::Down });
    bed.world.inject("lost", &lost).await?.ok_or("its effect is not shown")?;
    ask(&mut kept).await?;
    let mut byte = [0];
    check(timeout(HELD, kept.peek(&mut byte)).await.is_err(), "it is answered or closed all the same")?;
    bed.world.heal("lost").await?;
    // What was lost stays lost, and Toxiproxy closes where it lost something.
    let ended = timeout(FELT, kept.read(&mut byte)).await.map_err(|_| "it goes on")?;
    check(matches!(ended, Ok(0) | Err(_)), "the lost answer comes after all")?;
    bed.undisturbed().await
}

async fn overlap(bed: &Bed) -> Outcome {
    let (delay, jitter) = (HumanDuration(300 * MS), HumanDuration::default());
    let latency = Fault::Latency(Latency { edge: edge(), delay, jitter });
    for (name, fault) in [
        ("slow", latency.clone()),
        ("slower", latency),
        ("refused", Fault::Refuse(edge())),
        ("refused too", Fault::Refuse(edge())),
    ] {
        bed.world.inject(name, &fault).await?.ok_or(name)?;
    }
    bed.world.heal("refused").await?;
    bed.meets("refused", 0, Duration::ZERO..SLACK).await?;
    bed.world.heal("refused too").await?;
    bed.meets("ok", 0, 600 * MS..600 * MS + SLACK).await?;
    bed.world.heal("slow").await?;
    bed.meets("ok", 0, 300 * MS..595 * MS).await?;
    bed.world.heal("slower").await?;

    bed.world.inject("first", &Fault::Stop("opa".into())).await?.ok_or("not shown")?;
    bed.world.inject("second", &Fault::Kill("opa".into())).await?.ok_or("not shown")?;
    bed.world.heal("first").await?;
    check(direct(bed).await? == "refused", "the second keeps it down")?;
    bed.world.heal("second").await?;
    bed.undisturbed().await
}

async fn interrupted_injection(bed: &Bed) -> Outcome {
    // The canary's silence lasts longer than this, and when both are over at once, this was first.
    let stall = Fault::Stall(edge());
    let interrupted = tokio::select! {
        biased;
        () = tokio::time::sleep(100 * MS) => true,
        _ = bed.world.inject("stalled", &stall) => false,
    };
    check(interrupted && bed.open_inverses() == 1, "it is interrupted with its inverse written")?;
    bed.world.heal("stalled").await?;
    bed.undisturbed().await
}

async fn unproven(bed: &Bed) -> Outcome {
    // Longer than any answer of this system: nothing is cut, so nothing is shown.
    let truncate = Fault::Truncate(Truncate { edge: edge(), after_bytes: 1_000_000 });
    check(bed.world.inject("harmless", &truncate).await?.is_none(), "an effect that is none")?;
    bed.world.heal("harmless").await?;
    // Behind a service that is gone, a black hole can't be told from it.
    bed.world.inject("gone", &Fault::Kill("opa".into())).await?.ok_or("not shown")?;
    check(bed.world.inject("hole", &Fault::BlackHole(edge())).await?.is_none(), "a hole behind a hole")?;
    bed.world.heal("hole").await?;
    bed.world.heal("gone").await?;
    bed.undisturbed().await
}

/// What stands in the journal is all that another process has.
async fn journal_alone_heals(bed: &Bed) -> Outcome {
    for fault in [
        Fault::BlackHole(edge()),
        Fault::Refuse(edge()),
        Fault::Kill("opa".into()),
        Fault::Pause("opa".into()),
    ] {
        bed.world.inject("broken", &fault).await?.ok_or("its effect is not shown")?;
        let action = bed.journal.borrow().open_inverses().next().ok_or("an inverse")?.action.clone();
        for _ in 0..2 {
            println!("{fault}: {}", world::heal(&action).await?);
        }
        let began = now();
        while bed.meet(0, SILENCE).await?.0 != "ok" {
            check(began.elapsed() < Duration::from_secs(20), format!("{fault} is not healed"))?;
        }
        bed.world.heal("broken").await?;
    }
    Ok(())
}

/// Records what is seen until `enough`, for at most [`SEEN`].
async fn observed(
    bed: &Bed,
    enough: impl Fn(&What) -> bool,
    meanwhile: impl AsyncFnOnce() -> Outcome,
) -> Result<Vec<What>, libtest_mimic::Failed> {
    let recorder = Recorder::new(Vec::new());
    let seen = async {
        meanwhile().await?;
        while !recorder.with_history(|history| history.events().iter().any(|event| enough(&event.what))) {
            recorder.changed().await;
        }
        Ok::<_, libtest_mimic::Failed>(())
    };
    tokio::select! {
        biased;
        () = bed.world.observe(&recorder) => {}
        seen = timeout(SEEN, seen) => seen.map_err(|_| format!("not seen within {SEEN:?}"))??,
    }
    Ok(recorder.into_events().into_iter().map(|event| event.what).collect())
}

async fn unasked(bed: &Bed) -> Outcome {
    let engine = Engine::connect().await?;
    let name = bed.world.site().ok_or("it has started")?.host("opa");
    let told = |what: &What| matches!(what, What::Note { text } if text.contains("opa exited with status 137, unasked"));
    let any = |what: &What| matches!(what, What::Note { text } if text.contains("unasked"));
    let events = observed(bed, told, async || {
        bed.world.inject("gone", &Fault::Kill("opa".into())).await?.ok_or("not shown")?;
        bed.world.heal("gone").await?;
        bed.world.strike(&Strike::Restart("opa".into())).await?;
        // Now by somebody else.
        let call = engine.docker().kill_container(&name, None);
        Ok(engine.ask("kill", ENGINE, call).await?)
    })
    .await?;
    check(events.iter().filter(|what| any(what)).count() == 1, format!("{events:?}"))?;
    // It is not this world that brings it back, unless it is told to.
    bed.world.inject("gone", &Fault::Stop("opa".into())).await?.ok_or("not shown")?;
    bed.world.heal("gone").await?;
    bed.undisturbed().await
}

async fn log_lines(bed: &Bed) -> Outcome {
    let starts = |what: &What| matches!(what, What::Log { service, line } if service == "opa" && line.contains("Initializing server"));
    let late = |what: &What| matches!(what, What::Note { text } if text.contains("came late"));
    let first = observed(bed, starts, async || Ok(())).await?;
    check(first.iter().filter(|what| starts(what)).count() == 1, "its start is in the log")?;
    let second = observed(bed, starts, async || {
        bed.world.strike(&Strike::Restart("opa".into())).await?;
        Ok(())
    })
    .await?;
    check(second.iter().filter(|what| starts(what)).count() == 1, "its second start is in the log, once")?;
    check(!second.iter().any(late), format!("lines came late: {second:?}"))
}

fn unsupported() -> Outcome {
    block_on(async {
        let bed = Bed::new(Decider::default(), 10.0)?;
        let by = HumanDuration(Duration::from_secs(3600));
        let wrong = WrongAnswer { edge: edge(), status: 500, body: "{}".into() };
        let latency =
            |delay| Latency { edge: edge(), delay: HumanDuration(delay), jitter: HumanDuration::default() };
        for fault in [
            Fault::ClockStep(ClockStep { service: "opa".into(), by, back: false }),
            Fault::WrongAnswer(wrong),
            Fault::Latency(latency(MS)),
        ] {
            let refused = bed.world.supports(&fault);
            check(matches!(refused, Err(WorldError::Unsupported { .. })), format!("{fault}: {refused:?}"))?;
        }
        bed.world.supports(&Fault::Latency(latency(100 * MS)))?;
        Ok(())
    })
}
