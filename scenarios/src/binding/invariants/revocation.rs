//! What was revoked is not accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use harness_core::event::Stage;
use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;
use harness_core::time::At;

use crate::binding::topology::BLACKLIST;

/// A token whose revocation was acknowledged is refused from five seconds later on, as long as nothing stands
/// between the nodes and the store of revocations. While something does, and for five seconds after it is
/// healed, a revocation may not be known everywhere yet; one that was known before must hold all the same.
///
/// A caller's token has a name, `user/number`; `leave` revokes it and all of that user's before it.
pub struct Revocation;

/// Within which a revocation is known everywhere.
const BOUND: Duration = Duration::from_secs(5);

impl Invariant for Revocation {
    fn name(&self) -> &'static str {
        "revocation"
    }

    fn about(&self) -> &'static str {
        "nothing is accepted later than 5 s after its revocation was acknowledged"
    }

    fn judge(&self, scenario: &Scenario, history: &History) -> Ruling {
        let token = |detail: &BTreeMap<String, String>| -> Option<(String, u64)> {
            let (user, number) = detail.get("token")?.rsplit_once('/')?;
            Some((user.to_owned(), number.parse().ok()?))
        };
        let exchanges = || history.loads().flat_map(|(_, exchanges)| exchanges);
        // Whoever was told that it was done may rely on it.
        let mut revoked: Vec<(String, u64, At)> = Vec::new();
        for exchange in exchanges().filter(|exchange| exchange.answer.class == "done") {
            if let Some((user, number)) = token(&exchange.answer.detail) {
                revoked.push((user, number, exchange.at.hi));
            }
        }
        let away = windows(scenario, history);
        let known_by = |acknowledged: At| {
            let mut known = acknowledged + BOUND;
            for (began, ended) in &away {
                if *began < known && *ended > acknowledged {
                    known = known.max(*ended + BOUND);
                }
            }
            known
        };
        let accepted = |class: &str| ["allowed", "opened", "released"].contains(&class);
        for exchange in exchanges().filter(|exchange| accepted(&exchange.answer.class)) {
            let Some((user, number)) = token(&exchange.answer.detail) else { continue };
            let broken = revoked.iter().find(|(of, until, acknowledged)| {
                *of == user && number <= *until && exchange.at.lo > known_by(*acknowledged)
            });
            if let Some((_, _, acknowledged)) = broken {
                let why =
                    format!("token {user}/{number} was accepted; it had been revoked at {acknowledged}");
                return Ruling::violated(why, exchange.at);
            }
        }
        Ruling::held(format!("{} revocations, each in force from then on", revoked.len()))
    }
}

/// When something stood between nodes and the store of revocations.
fn windows(scenario: &Scenario, history: &History) -> Vec<(At, At)> {
    let of_store = scenario.faults.iter().filter(|(_, fault)| fault.victim().0 == BLACKLIST);
    of_store
        .flat_map(|(name, _)| {
            let began = history.fault_times(name, Stage::Injecting);
            let healed = history.fault_times(name, Stage::Healed);
            let end = |n: usize| healed.get(n).map_or(At::from_start(Duration::MAX / 2), |at| at.hi);
            began.iter().enumerate().map(move |(n, began)| (began.lo, end(n))).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use harness_core::event::{Answer, What};
    use harness_core::fault::Fault;
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, history};
    use super::*;

    fn sent(second: u64, class: &str, token: &str) -> (harness_core::time::Span, What) {
        let answer = Answer::new(class).with("token", token);
        (at(second), What::Request { load: class.into(), number: second, answer })
    }

    fn stage(second: u64, stage: Stage) -> (harness_core::time::Span, What) {
        let fault = Fault::Stop(BLACKLIST.into());
        (at(second), What::Fault { name: "away".into(), fault, stage, detail: String::new() })
    }

    fn verdict(events: impl IntoIterator<Item = (harness_core::time::Span, What)>) -> Verdict {
        let mut scenario = Scenario::named("a/b");
        scenario.faults.insert("away".into(), Fault::Stop(BLACKLIST.into()));
        Revocation.judge(&scenario, &history(events)).verdict
    }

    #[test]
    fn a_revoked_token_is_good_for_five_seconds_and_the_next_one_for_longer() {
        let revoked = || sent(10, "done", "carol/1");
        assert_eq!(verdict([revoked(), sent(15, "allowed", "carol/1")]), Verdict::Held);
        assert_eq!(verdict([revoked(), sent(16, "allowed", "carol/1")]), Verdict::Violated);
        assert_eq!(verdict([revoked(), sent(16, "allowed", "carol/0")]), Verdict::Violated);
        assert_eq!(verdict([revoked(), sent(16, "allowed", "carol/2")]), Verdict::Held);
        assert_eq!(verdict([revoked(), sent(16, "allowed", "bob/1")]), Verdict::Held);
    }

    #[test]
    fn a_key_is_an_acceptance_too_and_a_refusal_is_none() {
        let revoked = || sent(10, "done", "bob/1");
        for class in ["allowed", "opened", "released"] {
            assert_eq!(verdict([revoked(), sent(16, class, "bob/1")]), Verdict::Violated, "{class}");
        }
        for class in ["denied", "unauthenticated", "unavailable", "refused"] {
            assert_eq!(verdict([revoked(), sent(16, class, "bob/1")]), Verdict::Held, "{class}");
        }
    }

    #[test]
    fn only_what_was_acknowledged_counts_and_it_counts_for_ever() {
        let used = |second| sent(second, "allowed", "bob/1");
        for class in ["unauthenticated", "unavailable", "error", "no-answer", "refused"] {
            assert_eq!(verdict([sent(10, class, "bob/1"), used(60)]), Verdict::Held, "{class}");
        }
        let revoked = sent(10, "done", "bob/1");
        assert_eq!(verdict([revoked.clone(), used(3_600)]), Verdict::Violated);
        assert_eq!(verdict([used(5), revoked]), Verdict::Held, "used before");
    }

    #[test]
    fn a_user_is_named_whole_and_logins_are_counted_not_compared_as_text() {
        let revoked = || sent(10, "done", "bob/9");
        assert_eq!(verdict([revoked(), sent(16, "allowed", "bob/10")]), Verdict::Held, "a later login");
        assert_eq!(verdict([revoked(), sent(16, "allowed", "bob/8")]), Verdict::Violated);
        assert_eq!(verdict([revoked(), sent(16, "allowed", "bobby/9")]), Verdict::Held);
        assert_eq!(verdict([sent(10, "done", "a/b/1"), sent(16, "allowed", "a/b/1")]), Verdict::Violated);
    }

    #[test]
    fn of_two_revocations_the_earlier_binds() {
        let events =
            |used| [sent(10, "done", "bob/1"), sent(30, "done", "bob/1"), sent(used, "allowed", "bob/1")];
        assert_eq!(verdict(events(31)), Verdict::Violated);
        assert_eq!(verdict(events(12)), Verdict::Held);
    }

    #[test]
    fn an_absence_that_is_over_or_comes_later_excuses_nothing() {
        let away = |from, until| [stage(from, Stage::Injecting), stage(until, Stage::Healed)];
        let with = |away: [_; 2], revoked, used| {
            let events =
                away.into_iter().chain([sent(revoked, "done", "carol/1"), sent(used, "allowed", "carol/1")]);
            verdict(events)
        };
        assert_eq!(with(away(1, 5), 10, 16), Verdict::Violated, "over before");
        assert_eq!(with(away(15, 60), 9, 16), Verdict::Violated, "known when it began");
        assert_eq!(with(away(20, 60), 25, 64), Verdict::Held, "five seconds after it is back, not fewer");
        let never_healed =
            [stage(20, Stage::Injecting), sent(25, "done", "carol/1"), sent(900, "allowed", "carol/1")];
        assert_eq!(verdict(never_healed), Verdict::Held, "never back, never known everywhere");
    }

    #[test]
    fn an_absent_store_excuses_what_was_not_known_yet_and_nothing_else() {
        let away = || [stage(20, Stage::Injecting), stage(60, Stage::Healed)];
        let with = |revoked: u64, used: u64| {
            let events = away()
                .into_iter()
                .chain([sent(revoked, "done", "carol/1"), sent(used, "allowed", "carol/1")]);
            verdict(events)
        };
        assert_eq!(with(10, 30), Verdict::Violated, "it was known before");
        assert_eq!(with(18, 30), Verdict::Held, "the store went away before it was known");
        assert_eq!(with(18, 66), Verdict::Violated, "it was back for five seconds");
    }
}
