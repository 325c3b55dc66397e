//! Who is at work on a deployment is alone.

use std::collections::BTreeMap;

use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;

use super::{Fact, all_facts};
use crate::binding::deployment::deeds::{CHANGE, LOCK, RENEWAL, STATE};

/// Only the latest holder of an instance's lock changes anything of it: its state, its lock, what stands on the
/// machine. Each holding has a greater token than the one before.
///
/// A holder that was paused or cut off may find out late that it lost the lock; what counts is that nothing it does
/// after that takes effect.
pub struct SingleHolder;

impl Invariant for SingleHolder {
    fn name(&self) -> &'static str {
        "single-holder"
    }

    fn about(&self) -> &'static str {
        "only who took the lock of a deployment last changes anything of it"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        let mut holders: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
        let (mut locks, mut changes) = (0, 0);
        for (about, fact) in all_facts(history) {
            let (instance, by) = (fact.get("instance"), fact.get("by"));
            match about {
                LOCK => {
                    locks += 1;
                    let Ok(token) = fact.get("token").parse::<u64>() else {
                        return Ruling::inconclusive(format!("{by} was given a token that is no number"));
                    };
                    if let Some((earlier, last)) = holders.insert(instance, (by, token))
                        && token <= last
                    {
                        let why = format!(
                            "{by} took the lock of {instance} with token {token}, and {earlier} had {last}"
                        );
                        return Ruling::violated(why, fact.at);
                    }
                }
                CHANGE | STATE | RENEWAL => {
                    changes += 1;
                    let holder = holders.get(instance).map(|(holder, _)| *holder);
                    if holder != Some(by) {
                        let held =
                            holder.map_or("nobody ever held it".to_owned(), |it| format!("{it} held it"));
                        return Ruling::violated(
                            format!("{by} did this to {instance}, and {held}: {}", what(about, &fact)),
                            fact.at,
                        );
                    }
                }
                _ => {}
            }
        }
        Ruling::held(format!("{changes} changes under {locks} locks"))
    }
}

fn what(about: &str, fact: &Fact<'_>) -> String {
    match about {
        CHANGE => fact.get("what").to_owned(),
        STATE => format!("{} → {}", fact.get("from"), fact.get("to")),
        _ => "it prolonged its lock".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use harness_core::event::What;
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, fact, history};
    use super::*;

    fn lock(by: &str, token: &str) -> What {
        fact("postgres", LOCK, &[("instance", "hub"), ("by", by), ("token", token)])
    }

    fn change(by: &str, on: &str) -> What {
        fact("docker", CHANGE, &[("instance", on), ("by", by), ("what", "make container dive-hub-kas")])
    }

    fn renewal(by: &str) -> What {
        fact("postgres", RENEWAL, &[("instance", "hub"), ("by", by)])
    }

    fn verdict(events: Vec<What>) -> Verdict {
        let events = events.into_iter().zip(1..).map(|(what, second)| (at(second), what));
        SingleHolder.judge(&Scenario::named("a/b"), &history(events)).verdict
    }

    #[test]
    fn one_after_the_other_is_fine_and_beside_each_other_is_not() {
        let one_then_other = || vec![lock("a", "1"), change("a", "hub"), lock("b", "2"), change("b", "hub")];
        assert_eq!(verdict(one_then_other()), Verdict::Held);
        for late in [change("a", "hub"), renewal("a")] {
            assert_eq!(verdict([one_then_other(), vec![late]].concat()), Verdict::Violated);
        }
        assert_eq!(verdict([one_then_other(), vec![renewal("b")]].concat()), Verdict::Held);
    }

    #[test]
    fn who_never_held_the_lock_of_this_instance_changes_nothing_of_it() {
        assert_eq!(verdict(vec![change("a", "hub")]), Verdict::Violated);
        assert_eq!(verdict(vec![lock("a", "1"), change("a", "spoke-fra")]), Verdict::Violated);
    }

    #[test]
    fn tokens_grow() {
        assert_eq!(verdict(vec![lock("a", "2"), lock("b", "2")]), Verdict::Violated);
        assert_eq!(verdict(vec![lock("a", "2"), lock("b", "1")]), Verdict::Violated);
        assert_eq!(verdict(vec![lock("a", "one")]), Verdict::Inconclusive);
    }
}
