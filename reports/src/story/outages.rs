//! The lives of faults: when each was injected, took effect, was healed.

use harness_core::event::{Event, Stage, What};
use harness_core::time::{At, Span};

/// One life of a windowed fault. A flapping fault has several.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outage {
    /// The fault's name in the scenario.
    pub(crate) name: String,
    /// What it is, in words: `opa stopped`.
    pub(crate) what: String,
    /// The service that suffers.
    pub(crate) victim: String,
    /// When anything was first done.
    pub(crate) begun: At,
    /// When it was in effect, and how that was seen.
    pub(crate) in_effect: Option<Span>,
    /// What showed the effect; nothing when it was never shown.
    pub(crate) evidence: Option<String>,
    /// When the healing began.
    pub(crate) healing: Option<At>,
    /// When it was over.
    pub(crate) healed: Option<Span>,
    /// What failed, if anything did.
    pub(crate) failed: Option<String>,
}

impl Outage {
    /// When it began to count: in effect, or else injected.
    pub(crate) fn from(&self) -> At {
        self.in_effect.map_or(self.begun, |at| at.lo)
    }

    /// When it was over; nothing when the record does not say.
    pub(crate) fn until(&self) -> Option<At> {
        self.healed.map(|at| at.hi)
    }
}

/// A one-shot fault.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Blow {
    /// What it was, in words.
    pub(crate) what: String,
    /// When.
    pub(crate) at: Span,
    /// What was seen of it.
    pub(crate) evidence: Option<String>,
}

/// The lives of all faults, in the order of their beginning.
pub(crate) fn outages(events: &[Event]) -> Vec<Outage> {
    let mut lives: Vec<Outage> = Vec::new();
    for event in events {
        let What::Fault { name, fault, stage, detail } = &event.what else { continue };
        let going_on = lives.iter_mut().rev().find(|life| life.name == *name && life.healed.is_none());
        let life = match (going_on, stage) {
            (Some(life), Stage::InEffect | Stage::Injecting) if life.in_effect.is_some() => {
                let next = begin(event, name, fault);
                // A flap begins anew without telling that the last time is over.
                life.healed = Some(event.at);
                lives.push(next);
                lives.last_mut()
            }
            (Some(life), _) => Some(life),
            (None, Stage::Healing | Stage::Healed) => None,
            (None, _) => {
                lives.push(begin(event, name, fault));
                lives.last_mut()
            }
        };
        let Some(life) = life else { continue };
        match stage {
            Stage::Injecting => {}
            Stage::InEffect => {
                life.in_effect = Some(event.at);
                life.evidence = Some(detail.clone());
            }
            Stage::Unproven => life.in_effect = Some(event.at),
            Stage::Healing => life.healing = Some(event.at.lo),
            Stage::Healed => life.healed = Some(event.at),
            Stage::Failed => life.failed = Some(detail.clone()),
        }
    }
    lives
}

fn begin(event: &Event, name: &str, fault: &harness_core::fault::Fault) -> Outage {
    Outage {
        name: name.to_owned(),
        what: fault.to_string(),
        victim: fault.victim().to_string(),
        begun: event.at.lo,
        in_effect: None,
        evidence: None,
        healing: None,
        healed: None,
        failed: None,
    }
}

/// All strikes, in the order of writing.
pub(crate) fn blows(events: &[Event]) -> Vec<Blow> {
    events
        .iter()
        .filter_map(|event| match &event.what {
            What::Strike { strike, evidence, .. } => {
                Some(Blow { what: strike.to_string(), at: event.at, evidence: evidence.clone() })
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use harness_core::fault::Fault;

    use super::*;

    fn stage(second: u64, stage: Stage) -> Event {
        let at = Span::exactly(At::from_start(Duration::from_secs(second)));
        let what =
            What::Fault { name: "f".into(), fault: Fault::Stop("opa".into()), stage, detail: "seen".into() };
        Event { seq: second, at, what }
    }

    #[test]
    fn a_life_runs_from_injection_to_heal() {
        let lives = outages(&[
            stage(1, Stage::Injecting),
            stage(2, Stage::InEffect),
            stage(5, Stage::Healing),
            stage(6, Stage::Healed),
        ]);
        let [life] = lives.as_slice() else { panic!("one life: {lives:?}") };
        assert_eq!(
            (life.from(), life.until()),
            (At::from_start(Duration::from_secs(2)), Some(At::from_start(Duration::from_secs(6))))
        );
        assert_eq!(life.evidence.as_deref(), Some("seen"));
    }

    #[test]
    fn a_flap_has_several_lives_and_a_cut_record_an_open_one() {
        let lives = outages(&[
            stage(1, Stage::Injecting),
            stage(2, Stage::InEffect),
            stage(3, Stage::Healed),
            stage(5, Stage::InEffect),
            stage(8, Stage::InEffect),
        ]);
        assert_eq!(lives.len(), 3);
        assert_eq!(lives[1].until(), Some(lives[2].from()));
        assert_eq!(lives[2].until(), None);
    }

    #[test]
    fn an_unseen_effect_has_no_evidence() {
        let lives = outages(&[stage(1, Stage::Injecting), stage(2, Stage::Unproven)]);
        assert!(lives[0].in_effect.is_some() && lives[0].evidence.is_none());
    }
}
