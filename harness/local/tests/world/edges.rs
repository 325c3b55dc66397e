//! Breaking the edge between the two services.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use harness_core::fault::{
    Bandwidth, Direction, Edge, Fault, Latency, OneWay, Slice, Strike, Truncate, WrongAnswer,
};
use harness_core::time::HumanDuration;
use harness_core::world::World;
use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bed::{Bed, HICCUP, Pair, SLACK, SPEED, trial};
use crate::serve::BODY;

pub(crate) fn trials() -> Vec<Trial> {
    let edge = || Edge::new("front", "back");
    let system = |ms| HumanDuration(Duration::from_millis(ms));
    let latency = Latency { edge: edge(), delay: system(1_500), jitter: HumanDuration::default() };
    let jittery = Latency { edge: edge(), delay: system(1_000), jitter: system(1_000) };
    let slice = Slice { edge: edge(), bytes: 100, pause: system(200) };
    let wrong = WrongAnswer { edge: edge(), status: 500, body: "{}".into() };
    let cases = [
        ("a_refused_edge_refuses", Fault::Refuse(edge()), "refused", None),
        ("a_black_hole_is_silent", Fault::BlackHole(edge()), "silent", None),
        ("a_stalled_edge_is_silent", Fault::Stall(edge()), "silent", None),
        ("an_edge_that_resets_resets", Fault::Reset(edge()), "reset", None),
        ("requests_that_vanish_are_not_answered", one_way(Direction::Up), "silent", None),
        ("answers_that_vanish_do_not_come", one_way(Direction::Down), "silent", None),
        ("a_wrong_answer_is_given", Fault::WrongAnswer(wrong), "wrong", None),
        (
            "an_answer_is_truncated",
            Fault::Truncate(Truncate { edge: edge(), after_bytes: 60 }),
            "cut short",
            None,
        ),
        ("latency_is_in_system_time", Fault::Latency(latency), "ok", Some(Duration::from_millis(150))),
        ("latency_with_wide_jitter_is_shown", Fault::Latency(jittery), "ok", Some(Duration::ZERO)),
        // A request of 60 bytes is one slice, an answer of 440 five: four pauses of 20 ms.
        ("slices_come_apart_in_system_time", Fault::Slice(slice), "ok", Some(Duration::from_millis(80))),
        (
            "bandwidth_is_in_system_time",
            Fault::Bandwidth(Bandwidth { edge: edge(), kilobytes: 1 }),
            "ok",
            Some(Duration::from_secs_f64(BODY as f64 / (1_000.0 * SPEED))),
        ),
    ];
    let mut trials: Vec<_> = cases
        .into_iter()
        .map(|(name, fault, class, took)| trial(name, move || breaks(Pair::default(), fault, class, took)))
        .collect();
    let wrong = WrongAnswer { edge: edge(), status: 500, body: "{}".into() };
    let truncate = Truncate { edge: edge(), after_bytes: 60 };
    let slow = Latency { edge: edge(), delay: system(1_500), jitter: HumanDuration::default() };
    let over_tls = [
        ("over_tls_a_refused_edge_refuses", Fault::Refuse(edge()), "refused"),
        ("over_tls_a_black_hole_is_silent", Fault::BlackHole(edge()), "silent"),
        ("over_tls_an_edge_that_resets_resets", Fault::Reset(edge()), "reset"),
        ("over_tls_an_answer_is_truncated", Fault::Truncate(truncate), "cut short"),
        ("over_tls_a_wrong_answer_is_given", Fault::WrongAnswer(wrong), "wrong"),
        ("over_tls_latency_is_shown", Fault::Latency(slow), "ok"),
        ("a_foreign_certificate_is_shown_and_all_else_passes", Fault::ForeignCertificate(edge()), "ok"),
    ];
    trials.extend(
        over_tls
            .into_iter()
            .map(|(name, fault, class)| trial(name, move || breaks(Pair::over_tls(), fault, class, None))),
    );
    trials.push(trial("where_no_tls_is_spoken_no_certificate_is_foreign", nothing_to_intercept));
    trials.push(trial("connections_are_cut_once", cuts));
    trials.push(trial("faults_of_one_edge_add_up_and_are_healed_apart", overlap));
    trials.push(trial("a_fault_whose_injection_was_interrupted_can_be_healed", interrupted));
    trials.push(trial("an_effect_that_cannot_be_shown_is_not_claimed", unproven));
    trials
}

fn one_way(lost: Direction) -> Fault {
    Fault::OneWay(OneWay { edge: Edge::new("front", "back"), lost })
}

/// Injects, meets `class` after `took`, and no more than a hiccup later; heals, and meets an answer at once.
async fn breaks(pair: Pair, fault: Fault, class: &'static str, took: Option<Duration>) {
    let bed = Bed::started(pair).await;
    let (before, undisturbed) = bed.fastest().await;
    assert!(before == "ok" && undisturbed < HICCUP, "{before} after {undisturbed:?}");

    let evidence = bed.world.inject("broken", &fault).await.unwrap();
    assert!(evidence.is_some(), "the effect is shown");
    let (met, lasted) = bed.fastest().await;
    assert_eq!(met, class);
    if let Some(took) = took {
        assert!(lasted >= took && lasted < 2 * took + HICCUP, "{lasted:?}, should be {took:?}");
    }

    bed.world.heal("broken").await.unwrap();
    let (after, undisturbed) = bed.fastest().await;
    assert!(after == "ok" && undisturbed < HICCUP, "{after} after {undisturbed:?}");
    bed.stop().await;
}

async fn nothing_to_intercept() {
    let bed = Bed::started(Pair::default()).await;
    let fault = Fault::ForeignCertificate(Edge::new("front", "back"));
    let refusal = bed.world.inject("foreign", &fault).await.unwrap_err().to_string();
    assert!(refusal.contains("back does not speak TLS"), "{refusal}");
    bed.world.heal("foreign").await.unwrap();
    assert_eq!(bed.send().await.0, "ok");
    bed.stop().await;
}

async fn cuts() {
    let bed = Bed::started(Pair::default()).await;
    let edge = bed.world.site().unwrap().via("front", "back").unwrap();
    let mut kept = TcpStream::connect(edge).await.unwrap();
    let mut answer = [0; 15];
    kept.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    kept.read_exact(&mut answer).await.unwrap();

    let evidence = bed.world.strike(&Strike::Cut(Edge::new("front", "back"))).await.unwrap().expect("shown");
    assert!(evidence.0.starts_with("2 connections reset"), "{}", evidence.0);
    let ended = timeout(SLACK, async {
        let mut rest = Vec::new();
        kept.read_to_end(&mut rest).await
    });
    assert!(ended.await.unwrap().is_err(), "a kept connection feels it");
    assert_eq!(bed.send().await.0, "ok", "a new one does not");
    bed.stop().await;
}

async fn overlap() {
    let bed = Bed::started(Pair::default()).await;
    let edge = Edge::new("front", "back");
    let latency = |seconds| {
        let (delay, jitter) = (HumanDuration(Duration::from_secs(seconds)), HumanDuration::default());
        Fault::Latency(Latency { edge: edge.clone(), delay, jitter })
    };
    // A tenth of these in real time.
    let (slow, slower) = (Duration::from_millis(300), Duration::from_millis(600));
    bed.world.inject("slow", &latency(3)).await.unwrap().expect("shown");
    bed.world.inject("slower", &latency(6)).await.unwrap().expect("shown");
    assert!(bed.send().await.1 >= slow + slower);
    bed.world.inject("refused", &Fault::Refuse(edge.clone())).await.unwrap().expect("shown");
    bed.world.inject("refused too", &Fault::Refuse(edge.clone())).await.unwrap().expect("shown");

    bed.world.heal("refused").await.unwrap();
    assert_eq!(bed.send().await.0, "refused");
    bed.world.heal("refused too").await.unwrap();
    let (met, took) = bed.send().await;
    assert!(met == "ok" && took >= slow + slower, "{met} after {took:?}");
    bed.world.heal("slower").await.unwrap();
    let (_, took) = bed.fastest().await;
    assert!(took >= slow && took < slow + HICCUP, "{took:?}");
    bed.world.heal("slow").await.unwrap();
    assert!(bed.fastest().await.1 < HICCUP);
    bed.stop().await;
}

async fn interrupted() {
    let bed = Bed::started(Pair::default()).await;
    let stall = Fault::Stall(Edge::new("front", "back"));
    // It breaks the edge before it waits for anything. What a canary shows of that is waited for.
    let mut injecting = Box::pin(bed.world.inject("stalled", &stall));
    let is_waiting = poll_fn(|context| Poll::Ready(injecting.as_mut().poll(context).is_pending()));
    assert!(is_waiting.await);
    drop(injecting);
    assert_eq!(bed.send().await.0, "silent");
    bed.world.heal("stalled").await.unwrap();
    assert_eq!(bed.send().await.0, "ok");
    bed.stop().await;
}

async fn unproven() {
    let bed = Bed::started(Pair::default()).await;
    let edge = Edge::new("front", "back");
    // Longer than any answer of this system: nothing is cut, so nothing is shown.
    let truncate = Fault::Truncate(Truncate { edge: edge.clone(), after_bytes: 1_000_000 });
    assert_eq!(bed.world.inject("harmless", &truncate).await.unwrap(), None);
    bed.world.heal("harmless").await.unwrap();
    // Behind a service that is gone, a black hole can't be told from it.
    bed.world.inject("gone", &Fault::Kill("back".into())).await.unwrap().expect("shown");
    assert_eq!(bed.world.inject("hole", &Fault::BlackHole(edge)).await.unwrap(), None);
    bed.world.heal("hole").await.unwrap();
    bed.world.heal("gone").await.unwrap();
    assert_eq!(bed.send().await.0, "ok");
    bed.stop().await;
}
