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
        for step in steps {
            let before = row.clone();
            let pick = |index: prop::sample::Index| {
                (!given.is_empty()).then(|| given[index.index(given.len())].0)
            };
            match step {
                Step::Wait(ms) => now = now + Duration::from_millis(ms),
                Step::ClockBack(ms) => now = Stamp::from_millis(now.millis() - ms),
                Step::Acquire(contender) => {
                    let session = SessionId(u64::from(contender));
                    let live = before.live(now).cloned();
                    match row.acquire(now, session, holder(contender)) {
                        Ok(token) => {
                            prop_assert_eq!(live, None, "one holder");
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
                        prop_assert!(now.saturating_since(held.renewed) >= LEASE, "not refused early");
                    }
                },
                Step::Release(index) => if let Some(token) = pick(index) {
                    row.release(token);
                    prop_assert_eq!(row.check(now, token), Err(Lost(token)));
                    if before.held.as_ref().is_none_or(|held| held.token != token) {
                        prop_assert_eq!(&row, &before, "a late release frees nothing");
                    }
                },
                Step::EndSession(contender) => {
                    let session = SessionId(u64::from(contender));
                    row.session_ended(session);
                    prop_assert!(row.held.as_ref().is_none_or(|held| held.session != session));
                    if before.held.as_ref().is_some_and(|held| held.session == session) {
                        prop_assert!(row.clone().acquire(now, SessionId(77), holder(9)).is_ok(), "free at once");
                    } else {
                        prop_assert_eq!(&row, &before);
                    }
                }
            }
            let can_write = given.iter().filter(|(token, _)| row.check(now, *token).is_ok()).count();
            prop_assert!(can_write <= 1);
            prop_assert!(row.issued >= before.issued);
        }
    }
}

#[test]
fn a_contender_outlives_a_paused_holder_within_the_time_it_has() {
    assert!(LEASE < Duration::from_secs(30));
    assert!(HEARTBEAT * 3 < LEASE);
}
