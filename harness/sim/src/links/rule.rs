//! What can be wrong with an edge, and what that means for a call. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;

use super::LinkError;

/// Something wrong with an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// New calls are refused.
    Refuse,
    /// New calls are reset when their request arrives.
    Reset,
    /// Requests vanish (`up`), answers vanish (`down`), or both do. Nothing tells the sender.
    Lose {
        /// What goes from caller to callee vanishes.
        up: bool,
        /// What goes from callee to caller vanishes.
        down: bool,
    },
    /// Requests and answers are held until the rule is lifted.
    Stall,
    /// Answers come later by `delay`, give or take a uniformly drawn `jitter`; never before they are sent.
    Delay {
        /// Added to the edge's own latency.
        delay: Duration,
        /// Half the width of the spread.
        jitter: Duration,
    },
    /// An imposter gives this answer in the callee's stead, whether or not that one lives.
    WrongAnswer {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The connection closes after so many bytes of an answer.
    Truncate {
        /// Bytes that get through.
        after_bytes: u64,
    },
}

/// What becomes of a request that has crossed the edge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It waits until the rules change.
    Held,
    /// It vanishes.
    Lost,
    /// The caller is told so.
    Failed(LinkError),
    /// An imposter answers it.
    Imposter { status: u16, body: String },
    /// The callee gets it.
    Through,
}

/// What becomes of an answer that has crossed the edge.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// It waits until the rules change.
    Held,
    /// It vanishes.
    Lost,
    /// The caller gets it, or the first bytes of it.
    Through { truncated: Option<u64> },
}

/// The rules of an edge, by the name of the fault that imposed them.
#[derive(Debug, Default)]
pub(super) struct Rules(BTreeMap<String, Rule>);

impl Rules {
    pub(super) fn impose(&mut self, name: &str, rule: Rule) {
        self.0.insert(name.to_owned(), rule);
    }

    pub(super) fn lift(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// A refused connection carries nothing, a stalled one nothing yet, a lossy one nothing that the rest
    /// could act on: in this order.
    pub(super) fn at_arrival(&self) -> Arrival {
        if self.0.is_empty() {
            return Arrival::Through;
        }
        if self.has(|rule| matches!(rule, Rule::Refuse)) {
            return Arrival::Failed(LinkError::Refused);
        }
        if self.stalls() {
            return Arrival::Held;
        }
        if self.loses_requests() {
            return Arrival::Lost;
        }
        if self.has(|rule| matches!(rule, Rule::Reset)) {
            return Arrival::Failed(LinkError::Reset);
        }
        let imposter = self.0.values().find_map(|rule| match rule {
            Rule::WrongAnswer { status, body } => {
                Some(Arrival::Imposter { status: *status, body: body.clone() })
            }
            _ => None,
        });
        imposter.unwrap_or(Arrival::Through)
    }

    pub(super) fn at_return(&self) -> Return {
        if self.stalls() {
            return Return::Held;
        }
        if self.has(|rule| matches!(rule, Rule::Lose { down: true, .. })) {
            return Return::Lost;
        }
        let truncated = self.0.values().filter_map(|rule| match rule {
            Rule::Truncate { after_bytes } => Some(*after_bytes),
            _ => None,
        });
        Return::Through { truncated: truncated.min() }
    }

    pub(super) fn loses_requests(&self) -> bool {
        self.has(|rule| matches!(rule, Rule::Lose { up: true, .. }))
    }

    /// How much later an answer comes that is sent now.
    pub(super) fn delay(&self, chance: &mut SmallRng) -> Duration {
        self.delays().map(|(delay, jitter)| draw(delay, jitter, chance)).sum()
    }

    /// The greatest delay that can be drawn.
    pub(super) fn greatest_delay(&self) -> Duration {
        self.delays().map(|(delay, jitter)| delay.saturating_add(jitter)).sum()
    }

    fn stalls(&self) -> bool {
        self.has(|rule| matches!(rule, Rule::Stall))
    }

    fn has(&self, of_kind: impl Fn(&Rule) -> bool) -> bool {
        self.0.values().any(of_kind)
    }

    fn delays(&self) -> impl Iterator<Item = (Duration, Duration)> {
        self.0.values().filter_map(|rule| match rule {
            Rule::Delay { delay, jitter } => Some((*delay, *jitter)),
            _ => None,
        })
    }
}

fn draw(delay: Duration, jitter: Duration, chance: &mut SmallRng) -> Duration {
    if jitter.is_zero() {
        return delay;
    }
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let (least, most) = (nanos(delay.saturating_sub(jitter)), nanos(delay.saturating_add(jitter)));
    Duration::from_nanos(chance.random_range(least..=most))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chance;

    fn rules(rules: impl IntoIterator<Item = Rule>) -> Rules {
        let mut all = Rules::default();
        rules.into_iter().enumerate().for_each(|(n, rule)| all.impose(&n.to_string(), rule));
        all
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
        prop_oneof![
            Just(Rule::Refuse),
            Just(Rule::Reset),
            Just(Rule::Stall),
            any::<(bool, bool)>().prop_map(|(up, down)| Rule::Lose { up, down }),
            (millis(0..500), millis(0..500)).prop_map(|(delay, jitter)| Rule::Delay { delay, jitter }),
            (100u16..600).prop_map(|status| Rule::WrongAnswer { status, body: "x".into() }),
            (0u64..1_000).prop_map(|after_bytes| Rule::Truncate { after_bytes }),
        ]
    }

    proptest! {
        #[test]
        fn imposing_and_lifting_rules_leaves_the_edge_as_it_was(imposed in proptest::collection::vec(any_rule(), 0..8)) {
            let mut all = rules(imposed);
            for name in all.names() {
                prop_assert!(all.lift(&name));
                prop_assert!(!all.lift(&name));
            }
            prop_assert_eq!(all.at_arrival(), Arrival::Through);
            prop_assert_eq!(all.at_return(), Return::Through { truncated: None });
            prop_assert_eq!(all.delay(&mut chance::stream(1, "x")), Duration::ZERO);
        }

        #[test]
        fn a_drawn_delay_stays_within_its_jitter(delay in 0u64..10_000, jitter in 0u64..10_000, seed in any::<u64>()) {
            let (delay, jitter) = (Duration::from_micros(delay), Duration::from_micros(jitter));
            let all = rules([Rule::Delay { delay, jitter }]);
            let drawn = all.delay(&mut chance::stream(seed, "x"));
            prop_assert!(delay.saturating_sub(jitter) <= drawn && drawn <= delay + jitter);
            prop_assert_eq!(all.greatest_delay(), delay + jitter);
        }

        #[test]
        fn the_first_that_a_request_meets_decides(imposed in proptest::collection::vec(any_rule(), 0..8)) {
            let all = rules(imposed.clone());
            let has = |of_kind: fn(&Rule) -> bool| imposed.iter().any(of_kind);
            let arrival = all.at_arrival();
            if has(|rule| *rule == Rule::Refuse) {
                prop_assert_eq!(arrival, Arrival::Failed(LinkError::Refused));
            } else if has(|rule| *rule == Rule::Stall) {
                prop_assert_eq!(arrival, Arrival::Held);
            } else if has(|rule| matches!(rule, Rule::Lose { up: true, .. })) {
                prop_assert_eq!(arrival, Arrival::Lost);
            } else if has(|rule| *rule == Rule::Reset) {
                prop_assert_eq!(arrival, Arrival::Failed(LinkError::Reset));
            } else {
                prop_assert_eq!(
                    matches!(arrival, Arrival::Imposter { .. }),
                    has(|rule| matches!(rule, Rule::WrongAnswer { .. })),
                );
            }
        }
    }
}
