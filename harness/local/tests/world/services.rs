//! Stopping, killing, freezing, restarting services; services that misbehave by themselves.

use std::net::TcpListener;
use std::time::Duration;

use harness_core::event::What;
use harness_core::fault::{ClockStep, Edge, Fault, Latency, Strike};
use harness_core::recorder::Recorder;
use harness_core::time::HumanDuration;
use harness_core::world::{World, WorldError};
use harness_local::Canary;
use harness_local::canary::Outcome;
use harness_local::lines::{BURST, STEADY};
use libtest_mimic::Trial;
use tokio::time::timeout;

use crate::bed::{Bed, HICCUP, Pair, SLACK, SPEED, now, trial, until};
use crate::serve::{DIE, LATE};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_stopped_service_refuses_and_healed_it_is_back_on_its_port", || {
            ends(Fault::Stop("back".into()))
        }),
        trial("a_killed_service_refuses_and_healed_it_is_back_on_its_port", || {
            ends(Fault::Kill("back".into()))
        }),
        trial("a_healing_begins_when_the_service_was_last_seen_not_to_be_ready", takes_long),
        trial("a_paused_service_takes_connections_and_is_silent_until_healed", pauses),
        trial("two_faults_on_a_service_keep_it_down_until_both_are_healed", overlap),
        trial("a_restart_is_another_process_on_the_same_port", restarts),
        trial("a_port_taken_meanwhile_is_named_with_its_taker", port_taken),
        trial("a_service_that_never_gets_ready_is_told_with_its_last_lines", never_ready),
        trial("a_service_that_fails_at_once_is_told_with_its_status_and_lines", fails_at_once),
        trial("a_flood_of_log_lines_is_bounded_and_counted", flood),
        trial("a_service_that_dies_unasked_is_noted_once", dies),
        trial("what_the_world_cannot_do_is_said_before_anything_starts", unsupported),
        trial("two_worlds_at_once_do_not_meet", two_worlds),
    ]
}

async fn direct(bed: &Bed) -> Outcome {
    Canary::Http("/health".into()).send(bed.address("back"), 0, Duration::from_millis(100)).await
}

async fn ends(fault: Fault) {
    let bed = Bed::started(Pair::default()).await;
    let before = bed.address("back");
    assert_eq!(bed.send().await.0, "ok");
    let evidence = bed.world.inject("gone", &fault).await.unwrap().expect("the effect is shown").0;
    assert!(evidence.contains("connection refused"), "{evidence}");
    assert_eq!(direct(&bed).await, Outcome::Refused);
    assert_eq!(bed.send().await.0, "cut short", "the proxy takes the connection and finds nobody");
    assert_eq!(bed.journal.borrow().open_inverses().count(), 1);

    let evidence = bed.world.heal("gone").await.unwrap().evidence.0;
    assert!(evidence.contains("ready again"), "{evidence}");
    assert_eq!(bed.address("back"), before);
    assert_eq!(bed.send().await.0, "ok");
    assert_eq!(bed.journal.borrow().open_inverses().count(), 0);
    bed.stop().await;
}

async fn takes_long() {
    let bed = Bed::started(Pair { quirks: vec!["late"], ..Pair::default() }).await;
    let mut longest = Duration::ZERO;
    // A machine that stands still looks seldom; not each time.
    for _ in 0..5 {
        bed.world.inject("gone", &Fault::Stop("back".into())).await.unwrap().expect("the effect is shown");
        let began = bed.world.now();
        let broken_until = bed.world.heal("gone").await.unwrap().broken_until.expect("it was looked at");
        assert!(broken_until >= began && broken_until < bed.world.now(), "{broken_until}");
        longest = longest.max((broken_until - began).div_f64(SPEED));
        if longest > LATE / 2 {
            break;
        }
    }
    assert!(longest > LATE / 2, "{longest:?}");
    bed.stop().await;
}

async fn pauses() {
    let bed = Bed::started(Pair::default()).await;
    let pause = Fault::Pause("back".into());
    let evidence = bed.world.inject("frozen", &pause).await.unwrap().expect("the effect is shown").0;
    assert!(evidence.contains("in state T"), "{evidence}");
    assert!(matches!(direct(&bed).await, Outcome::Silent(_)));
    let action = bed.journal.borrow().open_inverses().next().expect("an inverse").action.clone();
    assert_eq!(action["undo"], "continue", "another process can undo it");

    bed.world.heal("frozen").await.unwrap();
    assert_eq!(bed.send().await.0, "ok");
    // Frozen at the end, it is ended all the same.
    bed.world.inject("frozen", &pause).await.unwrap().expect("the effect is shown");
    bed.stop().await;
}

async fn overlap() {
    let bed = Bed::started(Pair::default()).await;
    bed.world.inject("first", &Fault::Stop("back".into())).await.unwrap().expect("the effect is shown");
    bed.world.inject("second", &Fault::Kill("back".into())).await.unwrap().expect("the effect is shown");
    bed.world.heal("first").await.unwrap();
    assert_eq!(direct(&bed).await, Outcome::Refused);
    bed.world.heal("second").await.unwrap();
    assert_eq!(bed.send().await.0, "ok");
    let again = bed.world.heal("second").await.unwrap().evidence.0;
    assert!(again.contains("not broken"), "{again}");
    bed.stop().await;
}

async fn restarts() {
    let bed = Bed::started(Pair::default()).await;
    let before = bed.address("back");
    let evidence = bed.world.strike(&Strike::Restart("back".into())).await.unwrap().expect("shown").0;
    let pids: Vec<_> = evidence.split("pid ").skip(1).map(|rest| rest.split([')', ',']).next()).collect();
    assert!(pids.len() == 2 && pids[0] != pids[1], "{evidence}");
    assert_eq!((bed.address("back"), bed.send().await.0.as_str()), (before, "ok"));
    bed.stop().await;
}

async fn port_taken() {
    let bed = Bed::started(Pair::default()).await;
    bed.world.inject("gone", &Fault::Kill("back".into())).await.unwrap().expect("the effect is shown");
    let taker = TcpListener::bind(bed.address("back")).unwrap();
    let error = bed.world.heal("gone").await.unwrap_err();
    assert!(matches!(error, WorldError::Ground { .. }), "{error}");
    let named = format!("{}, meant for back, is taken by pid {}", bed.address("back"), std::process::id());
    assert!(error.to_string().contains(&named), "{error}");
    drop(taker);
    bed.world.heal("gone").await.unwrap();
    assert_eq!(bed.send().await.0, "ok");
    bed.stop().await;
}

async fn never_ready() {
    let limit = Duration::from_secs(2);
    let bed = Bed::new(Pair { quirks: vec!["mute"], ready_within: Some(limit), ..Pair::default() });
    let began = now();
    let error = bed.world.start().await.unwrap_err();
    let took = now() - began;
    assert!(took >= limit && took < limit + 2 * SLACK, "{took:?}");
    let WorldError::NotReady { service, log, .. } = &error else { panic!("{error}") };
    assert_eq!((service.as_str(), log.last().map(String::as_str)), ("back", Some("still thinking, 99")));
    bed.stop().await;
}

async fn fails_at_once() {
    let limit = Duration::from_secs(120);
    let bed = Bed::new(Pair { quirks: vec!["fails"], ready_within: Some(limit), ..Pair::default() });
    let began = now();
    let error = bed.world.start().await.unwrap_err().to_string();
    assert!(now() - began < limit / 2, "it does not wait for what has ended");
    assert!(error.contains("exited with status 3") && error.contains("the cupboard is bare"), "{error}");
    bed.stop().await;
}

async fn flood() {
    let began = now();
    let bed = Bed::started(Pair { quirks: vec!["flood"], ..Pair::default() }).await;
    let recorder = Recorder::new(Vec::new());
    let watched = Duration::from_secs(2);
    let _ = timeout(watched, bed.world.observe(&recorder)).await;
    assert_eq!(bed.send().await.0, "ok", "a service that floods is still served");
    let most = BURST + STEADY * (now() - began).as_secs_f64();
    bed.stop().await;

    let events = recorder.into_events();
    let lines = events.iter().filter(|event| matches!(event.what, What::Log { .. })).count();
    let lost = |what: &What| matches!(what, What::Note { text } if text.starts_with("back logged"));
    assert!(lines > 0 && (lines as f64) <= most, "{lines} of at most {most}");
    assert!(events.iter().any(|event| lost(&event.what)), "that lines were lost is told");
}

async fn dies() {
    let bed = Bed::started(Pair::default()).await;
    let recorder = Recorder::new(Vec::new());
    let told = |what: &What| matches!(what, What::Note { text } if text.contains("exited with status 9"));
    let heard = async {
        Canary::Http(DIE.into()).send(bed.address("back"), 0, SLACK).await;
        while !recorder.with_history(|history| history.events().iter().any(|event| told(&event.what))) {
            recorder.changed().await;
        }
        // Were it told twice, the second would follow at once.
        tokio::time::sleep(HICCUP).await;
    };
    tokio::select! {
        biased;
        () = bed.world.observe(&recorder) => {}
        _ = timeout(SLACK, heard) => {}
    }
    bed.stop().await;
    let events = recorder.into_events();
    assert_eq!(events.iter().filter(|event| told(&event.what)).count(), 1, "{events:?}");
}

async fn unsupported() {
    let bed = Bed::new(Pair::default());
    let by = HumanDuration(Duration::from_secs(3600));
    let step = Fault::ClockStep(ClockStep { service: "back".into(), by, back: false });
    assert!(matches!(bed.world.supports(&step), Err(WorldError::Unsupported { .. })));
    let latency = |ms| {
        let (delay, jitter) = (HumanDuration(Duration::from_millis(ms)), HumanDuration::default());
        Fault::Latency(Latency { edge: Edge::new("front", "back"), delay, jitter })
    };
    assert!(bed.world.supports(&latency(1)).unwrap_err().to_string().contains("go slower"));
    bed.world.supports(&latency(100)).unwrap();
}

async fn two_worlds() {
    let (one, two) = tokio::join!(Bed::started(Pair::default()), Bed::started(Pair::default()));
    assert_ne!(one.address("back"), two.address("back"));
    one.world.inject("gone", &Fault::Kill("back".into())).await.unwrap().expect("the effect is shown");
    assert_eq!((one.send().await.0.as_str(), two.send().await.0.as_str()), ("cut short", "ok"));
    one.stop().await;
    assert_eq!(two.send().await.0, "ok", "taking one down leaves the other");
    let address = two.address("back");
    two.stop().await;
    until(SLACK, "the port is free", || TcpListener::bind(address).is_ok()).await;
}
