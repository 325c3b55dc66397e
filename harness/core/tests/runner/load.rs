//! Requests keep their rate, whatever comes of them.

use harness_core::event::Phase;
use harness_core::runner::load::{IN_FLIGHT_LIMIT, NOT_SENT, UNANSWERED};
use harness_core::scenario::{Anchor, Answers, Claim, Until, Window};
use harness_core::verdict::Verdict;

use crate::toy::{Habits, Ran, at, ms, run, s, scenario};

fn classes(ran: &Ran, load: &str, class: &str) -> usize {
    ran.history().requests(load).iter().filter(|exchange| exchange.answer.class == class).count()
}

#[test]
fn a_load_keeps_its_rate_while_answers_hang() {
    let scenario = scenario().load("reads", "read", ms(100)).wait(s(10)).build();
    let ran = run(Habits { answer_takes: s(4), ..Habits::default() }, &scenario);
    let sent = ran.toy.called_at("send read");
    for (number, sent) in (0..).zip(&sent) {
        // From the start on, every 100 ms, to the resolution of the clock.
        let due = at(500) + ms(100) * number;
        assert!(*sent >= due && *sent <= due + ms(1), "number {number} at {sent}, due at {due}");
    }
    let history = ran.history();
    let lasted = history.phase(Phase::CleanUp).unwrap() - at(500);
    let expected = lasted.as_millis() as usize / 100;
    assert!((expected..=expected + 1).contains(&sent.len()), "{} in {lasted:?}", sent.len());
    // None is lost: those that were still under way in the end are told as such.
    assert_eq!(history.requests("reads").len(), sent.len());
    assert_eq!(classes(&ran, "reads", UNANSWERED), 40);
    assert!(history.requests("reads").iter().all(|exchange| exchange.at.width() <= s(4) + ms(2)));
}

#[test]
fn beyond_the_limit_nothing_is_sent_and_that_is_told() {
    let scenario = scenario().load("reads", "read", ms(1)).wait(s(2)).build();
    let ran = run(Habits { answer_takes: s(3_600), ..Habits::default() }, &scenario);
    assert_eq!(ran.toy.called_at("send read").len(), IN_FLIGHT_LIMIT);
    assert_eq!(classes(&ran, "reads", UNANSWERED), IN_FLIGHT_LIMIT);
    assert!(classes(&ran, "reads", NOT_SENT) >= 1_900, "{}", classes(&ran, "reads", NOT_SENT));
}

#[test]
fn a_load_without_a_pause_is_held_to_the_least_one() {
    let scenario = scenario().load("reads", "read", ms(0)).build();
    let ran = run(Habits::default(), &scenario);
    assert!(ran.toy.called_at("send read").len() <= 2_500);
}

#[test]
fn a_herd_is_sent_at_once_and_its_answers_are_not_awaited() {
    let window = Window { from: Anchor::Start, until: Until::Anchor(Anchor::End) };
    let scenario = scenario()
        .send("herd", "read", 200)
        .wait(ms(100))
        .expect(Claim::Requests {
            load: "herd".into(),
            answers: Answers::All(vec!["allowed".into()]),
            at_least: 200,
            answered_within: Some(ms(60)),
            window,
        })
        .build();
    let ran = run(Habits { answer_takes: ms(50), ..Habits::default() }, &scenario);
    let sent = ran.toy.called_at("send read");
    assert_eq!(sent.len(), 200);
    assert!(sent.iter().all(|at| *at == sent[0]), "all at the same instant");
    assert_eq!(ran.judgement.overall(), Verdict::Held, "{:?}", ran.whys());
}

#[test]
fn a_request_that_hangs_beyond_its_window_does_not_escape() {
    let scenario = scenario()
        .load("reads", "read", ms(100))
        .expect(Claim::Requests {
            load: "reads".into(),
            answers: Answers::None(vec!["denied".into()]),
            at_least: 1,
            answered_within: Some(s(1)),
            window: Window { from: Anchor::Start, until: Until::Lasting(s(5)) },
        })
        .build();
    // Nothing is answered in the window, nor in the run.
    let ran = run(Habits { answer_takes: s(3_600), ..Habits::default() }, &scenario);
    assert_eq!(ran.judgement.overall(), Verdict::Violated, "{:?}", ran.whys());
}
