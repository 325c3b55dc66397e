//! Nothing of a deployment is forgotten.

use std::collections::BTreeSet;

use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;

use super::all_facts;
use crate::binding::deployment::deeds::{GONE, MADE, NOTHING_LEFT, STRUCK_OUT, WRITTEN};

/// Everything that a deployment makes is written down before it is there, and for as long as it is: so whoever comes
/// after a crash knows what to undo. When a run says that nothing is left, nothing is.
pub struct Clean;

impl Invariant for Clean {
    fn name(&self) -> &'static str {
        "clean"
    }

    fn about(&self) -> &'static str {
        "what is there is written down, and nothing is left of what was rolled back or removed"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        let (mut there, mut written) = (BTreeSet::new(), BTreeSet::new());
        let (mut made, mut removed) = (0, 0);
        for (about, fact) in all_facts(history) {
            let (instance, thing) = (fact.get("instance"), fact.get("thing"));
            let of = (instance, thing);
            match about {
                WRITTEN => {
                    written.insert(of);
                }
                MADE => {
                    made += 1;
                    there.insert(of);
                    if !written.contains(&of) {
                        let why = format!("{thing} of {instance} was made, and it is written down nowhere");
                        return Ruling::violated(why, fact.at);
                    }
                }
                STRUCK_OUT => {
                    written.remove(&of);
                    if there.contains(&of) {
                        let why = format!("{thing} of {instance} was struck out, and it is still there");
                        return Ruling::violated(why, fact.at);
                    }
                }
                GONE => {
                    there.remove(&of);
                }
                NOTHING_LEFT => {
                    removed += 1;
                    let left: Vec<&str> =
                        there.iter().filter(|(of, _)| *of == instance).map(|(_, thing)| *thing).collect();
                    if !left.is_empty() {
                        let why =
                            format!("{instance} was said to be gone, and there are {}", left.join(", "));
                        return Ruling::violated(why, fact.at);
                    }
                }
                _ => {}
            }
        }
        Ruling::held(format!(
            "{made} things made, {} still there, {removed} times all of it gone",
            there.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, fact, history};
    use super::*;

    fn verdict(deeds: &[(&str, &str)]) -> Verdict {
        let deed =
            |(about, thing): &(&str, &str)| fact("docker", about, &[("instance", "hub"), ("thing", thing)]);
        let events = deeds.iter().map(deed).zip(1..).map(|(what, second)| (at(second), what));
        Clean.judge(&Scenario::named("a/b"), &history(events)).verdict
    }

    #[test]
    fn written_made_gone_struck_out_is_the_order() {
        let order = [(WRITTEN, "kas"), (MADE, "kas"), (GONE, "kas"), (STRUCK_OUT, "kas"), (NOTHING_LEFT, "")];
        for until in 0..=order.len() {
            assert_eq!(verdict(&order[..until]), Verdict::Held, "cut after {until}");
        }
        assert_eq!(verdict(&[(WRITTEN, "kas"), (STRUCK_OUT, "kas")]), Verdict::Held, "never made");
    }

    #[test]
    fn what_is_made_first_struck_out_early_or_left_behind_is_seen() {
        assert_eq!(verdict(&[(MADE, "kas"), (WRITTEN, "kas")]), Verdict::Violated);
        assert_eq!(verdict(&[(WRITTEN, "opa"), (MADE, "kas")]), Verdict::Violated);
        assert_eq!(verdict(&[(WRITTEN, "kas"), (MADE, "kas"), (STRUCK_OUT, "kas")]), Verdict::Violated);
        assert_eq!(verdict(&[(WRITTEN, "kas"), (MADE, "kas"), (NOTHING_LEFT, "")]), Verdict::Violated);
    }
}
