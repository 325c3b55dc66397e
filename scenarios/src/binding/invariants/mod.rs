//! What must hold in every run, as folds over its timeline.

mod audit_complete;
mod breaker_path;
mod clean;
mod contained;
mod fail_closed;
mod in_order;
mod revocation;
mod single_holder;
mod state_path;
mod whole;

use harness_core::event::What;
use harness_core::history::History;
use harness_core::invariant::Invariant;
use harness_core::time::Span;

pub use audit_complete::AuditComplete;
pub use breaker_path::BreakerPath;
pub use clean::Clean;
pub use contained::Contained;
pub use fail_closed::FailClosed;
pub use in_order::InOrder;
pub use revocation::Revocation;
pub use single_holder::SingleHolder;
pub use state_path::StatePath;
pub use whole::Whole;

use super::deployment::topology::DEPLOYMENT;

/// What nodes are held to, in the order reports show them. Recovery and clean-up are not among them: the
/// harness judges those of every run by itself, on axes of their own.
const OF_NODES: [&dyn Invariant; 5] = [&FailClosed, &Revocation, &BreakerPath, &Contained, &AuditComplete];

/// What deployments are held to.
const OF_DEPLOYMENTS: [&dyn Invariant; 5] = [&SingleHolder, &StatePath, &Clean, &InOrder, &Whole];

/// Every invariant.
pub fn all() -> Vec<&'static dyn Invariant> {
    [&OF_NODES[..], &OF_DEPLOYMENTS[..]].concat()
}

/// Those that hold in every run on a topology.
pub fn of(topology: &str) -> &'static [&'static dyn Invariant] {
    if topology == DEPLOYMENT { &OF_DEPLOYMENTS } else { &OF_NODES }
}

/// A fact of a witness, as the timeline keeps it.
struct Fact<'a> {
    at: Span,
    witness: &'a str,
    detail: &'a std::collections::BTreeMap<String, String>,
}

impl<'a> Fact<'a> {
    fn get(&self, key: &str) -> &'a str {
        self.detail.get(key).map_or("", String::as_str)
    }
}

/// The facts about a subject, in the order of telling.
fn facts<'a>(history: &'a History, subject: &'a str) -> impl Iterator<Item = Fact<'a>> + 'a {
    history.events().iter().filter_map(move |event| match &event.what {
        What::Fact { witness, about, detail } if about == subject => {
            Some(Fact { at: event.at, witness, detail })
        }
        _ => None,
    })
}

/// All facts, in the order of telling.
fn all_facts(history: &History) -> impl Iterator<Item = (&str, Fact<'_>)> {
    history.events().iter().filter_map(|event| match &event.what {
        What::Fact { witness, about, detail } => {
            Some((about.as_str(), Fact { at: event.at, witness, detail }))
        }
        _ => None,
    })
}

#[cfg(test)]
mod histories {
    //! Hand-made timelines.

    use std::time::Duration;

    use harness_core::event::{Answer, Event, What};
    use harness_core::history::History;
    use harness_core::time::{At, Span};

    pub(super) fn at(seconds: u64) -> Span {
        Span::exactly(At::from_start(Duration::from_secs(seconds)))
    }

    pub(super) fn history(events: impl IntoIterator<Item = (Span, What)>) -> History {
        History::of(
            events
                .into_iter()
                .enumerate()
                .map(|(seq, (at, what))| Event { seq: seq as u64, at, what })
                .collect(),
        )
    }

    pub(super) fn fact(witness: &str, about: &str, detail: &[(&str, &str)]) -> What {
        let detail = detail.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        What::Fact { witness: witness.into(), about: about.into(), detail }
    }

    pub(super) fn request(class: &str, id: &str) -> What {
        What::Request { load: "reads".into(), number: 0, answer: Answer::new(class).with("request", id) }
    }

    pub(super) fn signal(signal: &str, value: &str) -> What {
        What::Signal { signal: signal.into(), value: value.into(), was: None }
    }
}
