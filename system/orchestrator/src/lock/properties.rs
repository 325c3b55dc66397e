//! The rules of the lock over random histories of contenders, lost sessions, pauses and a stepping clock.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    ClockBack(u64),
    Acquire(u8),
    Renew(prop::sample::Index),
    Write(prop::sample::Index),
    Release(prop::sample::Index),
    Leave(prop::sample::Index),
    EndSession(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let any_token = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0u64..12_000).prop_map(Step::Wait),
        1 => (0u64..60_000).prop_map(Step::ClockBack),
        6 => (0u8..5).prop_map(Step::Acquire),
        4 => any_token().prop_map(Step::Renew),
        6 => any_token().prop_map(Step::Write),
        1 => any_token().prop_map(Step::Release),
        1 => any_token().prop_map(Step::Leave),
        1 => (0u8..5).prop_map(Step::EndSession),
    ]
}

fn holder(contender: u8) -> Holder {
    Holder { host: "host".into(), pid: u32::from(contender) }
}

proptest! {
    #[test]
    fn every_rule_holds_in_every_history(steps in prop::collection::vec(step(), 0..150)) {
        let mut row = LockRow::default();
        let mut now = Stamp::from_millis(1_000_000_000);
        let mut given: Vec<(FencingToken, SessionId)> = Vec::new();
        let mut last_write = FencingToken(0);
        let mut clock_was_set_back = false;
        // Since one was given back: whose, and when it was last renewed.
        let mut forsaken: Vec<(u8, Stamp)> = Vec::new();
        for step in steps {
            let before = row.clone();
            let pick = |index: prop::sample::Index| {
                (!given.is_empty()).then(|| given[index.index(given.len())].0)
            };
            match step {
                Step::Wait(ms) => now = now + Duration::from_millis(ms),
                Step::ClockBack(ms) => {
                    now = Stamp::from_millis(now.millis() - ms);
                    clock_was_set_back = true;
                }
                Step::Acquire(contender) => {
                    let session = SessionId(u64::from(contender));
                    let live = before.live(now).cloned();
                    match row.acquire(now, session, holder(contender)) {
                        Ok(Taken { token, after }) => {
                            prop_assert_eq!(live, None, "one holder");
                            let mut expected: Vec<Forsaken> = Vec::new();
                            for (whose, renewed) in &forsaken {
                                expected.retain(|earlier| earlier.by != holder(*whose));
                                let left = LEASE.saturating_sub(now.saturating_since(*renewed));
                                expected.push(Forsaken { by: holder(*whose), left });
                            }
                            let is_named = |by: &Holder| expected.iter().any(|before| before.by == *by);
                            prop_assert!(after.iter().all(|before| is_named(&before.by)
                                && !before.left.is_zero() && before.left <= LEASE));
                            expected.retain(|before| !before.left.is_zero());
                            prop_assert!(clock_was_set_back || after == expected,
                                "each who did not give it back is named until his lease is over, or one after him did");
                            forsaken.push((contender, now));
                            prop_assert!(given.iter().all(|(earlier, _)| *earlier < token), "tokens grow");
                            prop_assert_eq!(row.check(now, token), Ok(()));
                            given.push((token, session));
                        }
                        Err(Contended(held)) => {
                            let live = live.expect("refused only while someone holds it");
                            prop_assert_eq!((&held.by, held.token), (&live.by, live.token), "and names who");
                            prop_assert!(row.clone().acquire(now + LEASE, session, holder(9)).is_ok(),
                                "within one lease, whatever the clock did");
                        }
                    }
                }
                Step::Renew(index) => if let Some(token) = pick(index) {
                    let renewed = row.renew(now, token);
                    prop_assert_eq!(renewed, before.check(now, token), "only the live holding is renewed");
                    if renewed.is_ok() {
                        forsaken.last_mut().expect("it is held").1 = now;
                        let just_before_the_end = now + LEASE.saturating_sub(Duration::from_millis(1));
                        prop_assert_eq!(row.check(just_before_the_end, token), Ok(()));
                        prop_assert_eq!(row.check(now + LEASE, token), Err(Lost(token)));
                    } else {
                        prop_assert_eq!(&row, &before);
                    }
                },
                Step::Write(index) => if let Some(token) = pick(index) {
                    if row.check(now, token).is_ok() {
                        prop_assert_eq!(token.number(), row.issued, "only the newest token writes");
                        prop_assert!(token >= last_write, "writes are in the order of tokens");
                        last_write = token;
                    } else if token.number() == row.issued
                        && let Some(held) = &row.held
                    {
                        let is_over = held.is_cut || now.saturating_since(held.renewed) >= LEASE;
                        prop_assert!(is_over, "not refused early");
                    }
                },
                Step::Release(index) => if let Some(token) = pick(index) {
                    row.release(token);
                    if given.last().is_some_and(|(last, _)| *last == token) {
                        forsaken.clear();
                    }
                    prop_assert_eq!(row.check(now, token), Err(Lost(token)));
                    if before.held.as_ref().is_none_or(|held| held.token != token) {
                        prop_assert_eq!(&row, &before, "a late release frees nothing");
                    }
                },
                Step::Leave(index) => if let Some(token) = pick(index) {
                    row.leave(token);
                    prop_assert_eq!(row.check(now, token), Err(Lost(token)));
                    if before.check(now, token).is_err() {
                        prop_assert_eq!(row.live(now), before.live(now), "a late one frees nothing");
                    }
                },
                Step::EndSession(contender) => {
                    let session = SessionId(u64::from(contender));
                    row.session_ended(session);
                    prop_assert!(row.live(now).is_none_or(|held| held.session != session));
                    if before.live(now).is_some_and(|held| held.session == session) {
                        prop_assert!(row.clone().acquire(now, SessionId(77), holder(9)).is_ok(), "free at once");
                    } else {
                        prop_assert_eq!(row.live(now), before.live(now));
                    }
                }
            }
            let can_write = given.iter().filter(|(token, _)| row.check(now, *token).is_ok()).count();
            prop_assert!(can_write <= 1);
            prop_assert!(row.issued >= before.issued);
        }
    }
}

proptest! {
    #[test]
    fn what_is_waited_out_is_never_longer_than_the_lease_would_have_been(left in 0u64..=20_000) {
        let left = Duration::from_millis(left);
        let before = Forsaken { by: holder(1), left };
        prop_assert_eq!(before.settles_in(false), left, "he may not know yet that it is over");
        prop_assert_eq!(before.settles_in(true), left.min(HEARTBEAT));
    }
}

#[test]
fn a_contender_outlives_a_paused_holder_within_the_time_it_has() {
    assert!(LEASE < Duration::from_secs(30));
    assert!(HEARTBEAT * 3 < LEASE);
}
