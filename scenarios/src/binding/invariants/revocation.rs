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
        // Whoever was told that it was done may rely on it; only a question to the policy is `allowed`.
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
        for exchange in exchanges().filter(|exchange| exchange.answer.class == "allowed") {
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
