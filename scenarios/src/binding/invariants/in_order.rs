//! What stands on something is started after it.

use harness_core::history::History;
use harness_core::invariant::{Invariant, Ruling};
use harness_core::scenario::Scenario;

use super::facts;
use crate::binding::deployment::deeds::{MADE, RULE};

/// No service is started before what it needs is healthy, none is made before its network, and no version of a secret is
/// dropped before the last who works with it.
pub struct InOrder;

impl Invariant for InOrder {
    fn name(&self) -> &'static str {
        "in-order"
    }

    fn about(&self) -> &'static str {
        "no service is started before what it needs is healthy"
    }

    fn judge(&self, _: &Scenario, history: &History) -> Ruling {
        match facts(history, RULE).next() {
            Some(broken) => Ruling::violated(broken.get("rule"), broken.at),
            None => Ruling::held(format!("{} things made", facts(history, MADE).count())),
        }
    }
}

#[cfg(test)]
mod tests {
    use harness_core::verdict::Verdict;

    use super::super::histories::{at, fact, history};
    use super::*;

    #[test]
    fn what_the_machine_tells_of_is_seen() {
        let made = (at(1), fact("docker", MADE, &[("instance", "hub"), ("thing", "network dive-shared")]));
        let rule =
            (at(2), fact("docker", RULE, &[("rule", "kas was started though backend is not healthy")]));
        let judged = |events: Vec<_>| InOrder.judge(&Scenario::named("a/b"), &history(events)).verdict;
        assert_eq!(judged(vec![made.clone()]), Verdict::Held);
        assert_eq!(judged(vec![made, rule]), Verdict::Violated);
    }
}
