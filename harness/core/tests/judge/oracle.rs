//! What a claim means, by its plain definition, when every instant is known; and all ways to know them.

use harness_core::scenario::{Anchor, Answers, Claim, Until, Window};

use crate::draw::{END, Ticks, Truth};

/// What a claim comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    False,
    True,
    /// There is nothing to be true or false of: an empty window, nothing sent, nothing measured.
    Nothing,
}

impl From<bool> for Outcome {
    fn from(so: bool) -> Self {
        if so { Self::True } else { Self::False }
    }
}

/// A truth with every instant known.
struct Reading<'a> {
    truth: &'a Truth,
    in_effect: u64,
    healed: u64,
    turns: Vec<u64>,
    samples: Vec<u64>,
}

/// What the claim comes to in each reading of the truth.
pub(crate) fn outcomes(claim: &Claim, truth: &Truth) -> Vec<Outcome> {
    let about_signal = matches!(claim, Claim::Becomes { .. } | Claim::Stays { .. } | Claim::Turns { .. });
    let turns = if about_signal {
        in_order(&truth.turns.iter().map(|turn| turn.at).collect::<Vec<_>>())
    } else {
        vec![vec![]]
    };
    let samples = match claim {
        Claim::Measures { .. } => combinations(&truth.samples.iter().map(|(at, _)| *at).collect::<Vec<_>>()),
        _ => vec![vec![]],
    };
    let mut outcomes = Vec::new();
    for in_effect in truth.in_effect.0..=truth.in_effect.1 {
        for healed in truth.healed.0..=truth.healed.1 {
            for turns in &turns {
                for samples in &samples {
                    let (turns, samples) = (turns.clone(), samples.clone());
                    outcomes.extend(Reading { truth, in_effect, healed, turns, samples }.outcome(claim));
                }
            }
        }
    }
    outcomes.sort_unstable();
    outcomes.dedup();
    outcomes
}

fn combinations(spans: &[Ticks]) -> Vec<Vec<u64>> {
    spans.iter().fold(vec![vec![]], |known, (lo, hi)| {
        known
            .iter()
            .flat_map(|known| (*lo..=*hi).map(move |at| known.iter().copied().chain([at]).collect()))
            .collect()
    })
}

fn in_order(spans: &[Ticks]) -> Vec<Vec<u64>> {
    combinations(spans).into_iter().filter(|instants| instants.is_sorted()).collect()
}

impl Reading<'_> {
    fn anchor(&self, anchor: &Anchor) -> u64 {
        match anchor {
            Anchor::Start => 0,
            Anchor::InEffect(_) => self.in_effect,
            Anchor::Healed(_) => self.healed,
            Anchor::End => END - 10,
            other => unreachable!("not drawn: {other:?}"),
        }
    }

    /// When an anchor began to come about, and when it had.
    fn act(&self, anchor: &Anchor) -> (u64, u64) {
        match anchor {
            Anchor::InEffect(_) => self.truth.in_effect,
            Anchor::Healed(_) => self.truth.healed,
            anchor => (self.anchor(anchor), self.anchor(anchor)),
        }
    }

    /// Breaking and healing belong to no window.
    fn window(&self, window: &Window) -> (u64, u64) {
        let from = self.act(&window.from).1;
        match &window.until {
            Until::Anchor(anchor) => (from, self.act(anchor).0),
            Until::Lasting(lasting) => (from, from + lasting.as_nanos() as u64),
        }
    }

    /// The turns to a value: when, and when at the latest.
    fn turns_to(&self, value: &str) -> impl Iterator<Item = (u64, u64)> {
        let turns = &self.truth.turns;
        let turned: Vec<_> = (0..turns.len())
            .filter(|i| turns[*i].value == value && (*i == 0 || turns[i - 1].value != value))
            .map(|i| (self.turns[i], turns[i].at.1))
            .collect();
        turned.into_iter()
    }

    fn outcome(&self, claim: &Claim) -> Vec<Outcome> {
        match claim {
            Claim::Becomes { value, after, not_before, within, .. } => {
                let anchor = self.anchor(after);
                let bounds = not_before.as_nanos() as u64..=within.as_nanos() as u64;
                let in_time = |turn: Option<(u64, u64)>| {
                    turn.is_some_and(|(turn, _)| bounds.contains(&turn.saturating_sub(anchor)))
                };
                // The definition: the first turn that is not surely earlier than its anchor.
                let began = self.act(after).0;
                let defined = in_time(self.turns_to(value).find(|(_, latest)| *latest >= began));
                // In the strictest sense, the first turn at or after it. What is true in that sense must
                // not be called violated.
                let strictly = in_time(self.turns_to(value).find(|(turn, _)| *turn >= anchor));
                match (defined, strictly) {
                    (true, _) => vec![Outcome::True],
                    (false, true) => vec![Outcome::False, Outcome::True],
                    (false, false) => vec![Outcome::False],
                }
            }
            Claim::Stays { values, window, .. } => {
                let (from, until) = self.window(window);
                let known = self.turns.iter().any(|turn| *turn <= from);
                if from >= until {
                    return vec![Outcome::Nothing];
                }
                let broken = (0..self.turns.len()).any(|i| {
                    let next = self.turns.get(i + 1).copied().unwrap_or(u64::MAX);
                    !values.iter().any(|value| value == self.truth.turns[i].value)
                        && self.turns[i] < until
                        && next > from
                });
                vec![if broken {
                    Outcome::False
                } else if known {
                    Outcome::True
                } else {
                    Outcome::Nothing
                }]
            }
            Claim::Turns { value, at_least, at_most, window, .. } => {
                let (from, until) = self.window(window);
                if from >= until {
                    return vec![Outcome::Nothing];
                }
                let count =
                    self.turns_to(value).filter(|(turn, _)| (from..until).contains(turn)).count() as u32;
                vec![(*at_least..=*at_most).contains(&count).into()]
            }
            Claim::Measures { at_least, at_most, window, .. } => {
                let (from, until) = self.window(window);
                let values: Vec<f64> = (0..self.samples.len())
                    .filter(|i| (from..until).contains(&self.samples[*i]))
                    .map(|i| self.truth.samples[i].1)
                    .collect();
                if values.is_empty() {
                    return vec![Outcome::Nothing];
                }
                vec![values.iter().all(|value| (*at_least..=*at_most).contains(value)).into()]
            }
            Claim::Pace { percent, within, at_least, window, .. } => {
                let (from, until) = self.window(window);
                let sent = self.truth.requests.iter().filter(|((sent, _), _)| (from..until).contains(sent));
                let times: Vec<u64> = sent.map(|((sent, ended), _)| ended - sent).collect();
                if times.len() < *at_least as usize {
                    return vec![Outcome::Nothing];
                }
                let in_time = times.iter().filter(|time| **time <= within.as_nanos() as u64).count();
                vec![(in_time as f64 >= times.len() as f64 * percent / 100.0).into()]
            }
            Claim::Requests { answers, at_least, answered_within, window, .. } => {
                let (from, until) = self.window(window);
                let limit = answered_within.map_or(u64::MAX, |limit| limit.as_nanos() as u64);
                let slow = self.truth.requests.iter().any(|((sent, ended), _)| {
                    ended - sent > limit && *sent >= from && sent.saturating_add(limit) < until
                });
                let inside: Vec<&str> = self
                    .truth
                    .requests
                    .iter()
                    .filter(|((sent, ended), _)| *sent >= from && *ended < until)
                    .map(|(_, class)| *class)
                    .collect();
                let of = |classes: &[String], class: &str| classes.iter().any(|known| known == class);
                let so = match answers {
                    Answers::All(classes) => inside.iter().all(|class| of(classes, class)),
                    Answers::None(classes) => !inside.iter().any(|class| of(classes, class)),
                    Answers::Some(classes) => inside.iter().any(|class| of(classes, class)),
                };
                let enough = inside.len() >= *at_least as usize;
                let shows_nothing = !enough && (so || matches!(answers, Answers::Some(_)));
                vec![match (slow, shows_nothing) {
                    (true, _) => Outcome::False,
                    (false, true) => Outcome::Nothing,
                    (false, false) => so.into(),
                }]
            }
        }
    }
}
