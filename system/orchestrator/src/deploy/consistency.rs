//! Whether what is written down of a deployment agrees with itself and with what is there.
//!
//! | rule | else |
//! |---|---|
//! | a deployment whose state needs somebody at work has somebody | [`Difference::CutShort`] |
//! | a checkpoint holds what was saved | [`Difference::Corrupt`] |
//! | a finished phase stands on finished ones | [`Difference::StandsOn`] |
//! | what is COMPLETE has finished every phase it can't do without | [`Difference::NotWhole`] |
//! | of what is UNKNOWN nothing is written down | [`Difference::NotUndone`], [`Difference::NotRetracted`] |
//! | what a finished phase made is there, and is the deployment's | [`Difference::Missing`], [`Difference::Strangers`] |
//! | what is there is written down | [`Difference::Stray`] |
//! | what is there is of a deployment that there ever was | [`Difference::Unknown`] |
//! | a link joins two deployments | [`Difference::Dangling`] |
//!
//! What could not be looked at is a difference, too: it is not known to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Found, Thing};
use crate::store::Link;
use crate::{Checkpoint, Corrupt, DeploymentState, Holder, Instance, Intent, Phase};

/// What is written down of one deployment.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its newest state.
    pub state: DeploymentState,
    /// Who is at work on it.
    pub holder: Option<Holder>,
    /// Its checkpoints, or the one that can't be used.
    pub checkpoints: Result<Vec<Checkpoint>, Corrupt>,
    /// What it may have made and not undone.
    pub intents: Vec<Intent>,
}

/// What was found of one deployment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Under the names of what finished phases made.
    pub named: BTreeMap<Thing, Found>,
    /// Everything of its own.
    pub existing: Vec<Thing>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

/// One thing that does not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// Nobody is at work, and somebody should be.
    CutShort(DeploymentState),
    /// A checkpoint can't be used.
    Corrupt(Corrupt),
    /// A phase is finished that stands on one that isn't.
    StandsOn {
        /// Which.
        phase: Phase,
        /// On which.
        missing: Phase,
    },
    /// It is COMPLETE without this phase.
    NotWhole(Phase),
    /// Nothing should be left of it, and this is written down as made.
    NotUndone(Thing),
    /// Nothing should be left of it, and this phase is finished.
    NotRetracted(Phase),
    /// It is written down, and not there.
    Missing(Thing),
    /// It is written down, and what is there is somebody else's.
    Strangers(Thing, String),
    /// It is there, and not written down.
    Stray(Thing),
    /// It is there, and the store knows nothing of its instance.
    Unknown(Thing),
    /// A link leads from or to what is not deployed.
    Dangling {
        /// From where.
        from: Instance,
        /// To where.
        to: Instance,
    },
    /// Somebody is at work: what is written down and what is there move.
    AtWork(Holder),
    /// Something could not be looked at.
    Unseen(String),
}

impl Difference {
    /// Whether it was seen to differ. What was not compared is only not known to agree.
    pub const fn is_seen(&self) -> bool {
        !matches!(self, Self::AtWork(_) | Self::Unseen(_))
    }

    /// Its name, for programs.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::CutShort(_) => "cut-short",
            Self::Corrupt(_) => "corrupt-checkpoint",
            Self::StandsOn { .. } => "stands-on",
            Self::NotWhole(_) => "not-whole",
            Self::NotUndone(_) => "not-undone",
            Self::NotRetracted(_) => "not-retracted",
            Self::Missing(_) => "missing",
            Self::Strangers(..) => "strangers",
            Self::Stray(_) => "stray",
            Self::Unknown(_) => "unknown-instance",
            Self::Dangling { .. } => "dangling-link",
            Self::AtWork(_) => "at-work",
            Self::Unseen(_) => "unseen",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutShort(state) => write!(f, "it is {state}, and nobody is at work on it"),
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::StandsOn { phase, missing } => write!(f, "{phase} is finished, and {missing} is not"),
            Self::NotWhole(phase) => write!(f, "it is COMPLETE, and {phase} is not finished"),
            Self::NotUndone(thing) => write!(f, "it is removed, and {thing} is written down as made"),
            Self::NotRetracted(phase) => write!(f, "it is removed, and {phase} counts as finished"),
            Self::Missing(thing) => write!(f, "{thing} is written down, and not there"),
            Self::Strangers(thing, whose) => write!(f, "{thing} is written down, and is another's: {whose}"),
            Self::Stray(thing) => write!(f, "{thing} is there, and not written down"),
            Self::Unknown(thing) => {
                write!(f, "{thing} is there, and this database knows of no such deployment")
            }
            Self::Dangling { from, to } => {
                write!(f, "a link leads from {from} to {to}, and one is not deployed")
            }
            Self::AtWork(holder) => write!(f, "not compared: {holder} is at work on it"),
            Self::Unseen(why) => write!(f, "not compared: {why}"),
        }
    }
}

/// What must be there: made by phases that are finished.
pub fn made(recorded: &Recorded) -> BTreeSet<Thing> {
    let checkpoints = recorded.checkpoints.iter().flatten();
    checkpoints.flat_map(|checkpoint| checkpoint.resources.iter().map(Thing::from)).collect()
}

/// All differences of one deployment, those within the database first.
pub fn differences(recorded: &Recorded, seen: &Seen) -> Vec<Difference> {
    if let Some(holder) = &recorded.holder {
        return vec![Difference::AtWork(holder.clone())];
    }
    let within = [cut_short(recorded), of_phases(recorded), left_over(recorded)].concat();
    let written: BTreeSet<Thing> =
        recorded.intents.iter().map(|intent| Thing::from(&intent.resource)).collect();
    let absent = made(recorded).into_iter().filter_map(|thing| match seen.named.get(&thing) {
        Some(Found::Nothing) => Some(Difference::Missing(thing)),
        Some(Found::Strangers(whose)) => Some(Difference::Strangers(thing, whose.clone())),
        // What could not be looked at is told of as such.
        Some(Found::Ours | Found::Replaceable(_)) | None => None,
    });
    let strays =
        seen.existing.iter().filter(|thing| !written.contains(thing)).cloned().map(Difference::Stray);
    let unseen = seen.unseen.iter().cloned().map(Difference::Unseen);
    within.into_iter().chain(absent).chain(strays).chain(unseen).collect()
}

/// The links that lead from or to what is not `deployed`.
pub fn dangling(links: &[Link], deployed: &BTreeSet<Instance>) -> Vec<Difference> {
    let whole = |link: &&Link| deployed.contains(&link.from) && deployed.contains(&link.to);
    let lost = links.iter().filter(|link| !whole(link));
    lost.map(|link| Difference::Dangling { from: link.from.clone(), to: link.to.clone() }).collect()
}

fn cut_short(recorded: &Recorded) -> Vec<Difference> {
    let state = Some(recorded.state).filter(|state| state.needs_a_holder());
    state.map(Difference::CutShort).into_iter().collect()
}

fn of_phases(recorded: &Recorded) -> Vec<Difference> {
    let finished: BTreeSet<Phase> = match &recorded.checkpoints {
        Err(corrupt) => return vec![Difference::Corrupt(corrupt.clone())],
        Ok(checkpoints) => checkpoints.iter().map(|checkpoint| checkpoint.phase).collect(),
    };
    if recorded.state == DeploymentState::Unknown {
        return finished.into_iter().map(Difference::NotRetracted).collect();
    }
    let lacks = |phase: &Phase| !phase.is_optional() && !finished.contains(phase);
    let groundless = finished.iter().filter_map(|phase| {
        let missing = phase.earlier().find(lacks)?;
        Some(Difference::StandsOn { phase: *phase, missing })
    });
    let is_complete = recorded.state == DeploymentState::Complete;
    let lacking = Phase::ALL.into_iter().filter(lacks).filter(|_| is_complete).map(Difference::NotWhole);
    groundless.chain(lacking).collect()
}

fn left_over(recorded: &Recorded) -> Vec<Difference> {
    let intents = recorded.intents.iter().filter(|_| recorded.state == DeploymentState::Unknown);
    intents.map(|intent| Difference::NotUndone(Thing::from(&intent.resource))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{FencingToken, Resource, ResourceKind, Stamp};

    fn thing(name: &str) -> Thing {
        Thing::new(ResourceKind::Container, name)
    }

    fn of(phase: Phase) -> Resource {
        thing(&phase.to_string()).over(None)
    }

    /// Something that finished these phases, each of which made one thing.
    fn recorded(state: DeploymentState, phases: &[Phase]) -> Recorded {
        let seal = |phase: &Phase| {
            Checkpoint::seal(1, *phase, Stamp::from_millis(1), FencingToken::FIRST, vec![of(*phase)])
        };
        let intent = |phase: &Phase| Intent { seq: 1, phase: *phase, resource: of(*phase) };
        Recorded {
            state,
            holder: None,
            checkpoints: Ok(phases.iter().map(seal).collect()),
            intents: phases.iter().map(intent).collect(),
        }
    }

    /// All that it made is there.
    fn seen(recorded: &Recorded) -> Seen {
        let existing: Vec<_> = made(recorded).into_iter().collect();
        let named = existing.iter().cloned().map(|thing| (thing, Found::Ours)).collect();
        Seen { named, existing, unseen: Vec::new() }
    }

    fn told(recorded: &Recorded, seen: &Seen) -> Vec<String> {
        differences(recorded, seen).iter().map(Difference::to_string).collect()
    }

    #[test]
    fn what_stands_as_written_agrees_with_or_without_the_optional_phase() {
        let whole = recorded(DeploymentState::Complete, &Phase::ALL);
        assert_eq!(told(&whole, &seen(&whole)), Vec::<String>::new());
        let unseeded: Vec<_> = Phase::ALL.into_iter().filter(|phase| !phase.is_optional()).collect();
        let whole = recorded(DeploymentState::Complete, &unseeded);
        assert_eq!(told(&whole, &seen(&whole)), Vec::<String>::new());
        let nothing = recorded(DeploymentState::Unknown, &[]);
        assert_eq!(told(&nothing, &Seen::default()), Vec::<String>::new());
    }

    #[test]
    fn a_deployment_whose_state_needs_somebody_at_work_has_somebody() {
        for state in DeploymentState::ALL {
            let mut alone = recorded(state, &[]);
            let cut_short =
                told(&alone, &Seen::default()).iter().any(|line| line.contains("nobody is at work"));
            assert_eq!(cut_short, state.needs_a_holder(), "{state}");
            let holder = Holder { host: "ops".into(), pid: 7 };
            alone.holder = Some(holder.clone());
            assert_eq!(differences(&alone, &Seen::default()), [Difference::AtWork(holder)]);
        }
    }

    #[test]
    fn checkpoints_agree_with_the_state_and_each_other() {
        let gap = recorded(DeploymentState::Failed, &[Phase::Preflight, Phase::Deployment]);
        let (phase, missing) = (Phase::Deployment, Phase::Initialization);
        assert_eq!(differences(&gap, &seen(&gap)), [Difference::StandsOn { phase, missing }]);
        let half = recorded(DeploymentState::Complete, &[Phase::Preflight, Phase::Initialization]);
        let lacking = [Phase::Deployment, Phase::Configuration, Phase::Verification];
        assert_eq!(differences(&half, &seen(&half)), lacking.map(Difference::NotWhole));
        let removed = recorded(DeploymentState::Unknown, &[Phase::Preflight]);
        let left = [
            Difference::NotRetracted(Phase::Preflight),
            Difference::NotUndone(Thing::from(&of(Phase::Preflight))),
        ];
        assert_eq!(differences(&removed, &seen(&removed)), left);
        let corrupt = Corrupt { seq: 3, phase: Phase::Seeding };
        let broken =
            Recorded { checkpoints: Err(corrupt.clone()), ..recorded(DeploymentState::Complete, &[]) };
        assert_eq!(differences(&broken, &Seen::default()), [Difference::Corrupt(corrupt)]);
    }

    #[test]
    fn a_link_joins_two_deployments() {
        let [hub, fra, deu] = ["hub", "spoke-fra", "spoke-deu"].map(|name| name.parse::<Instance>().unwrap());
        let link = |from: &Instance, to: &Instance| Link {
            from: from.clone(),
            to: to.clone(),
            verified: true,
            at: Stamp::from_millis(1),
        };
        let links = [link(&hub, &fra), link(&fra, &hub), link(&deu, &hub), link(&hub, &deu)];
        let deployed = BTreeSet::from([hub.clone(), fra]);
        let lost = [(deu.clone(), hub.clone()), (hub, deu)];
        assert_eq!(dangling(&links, &deployed), lost.map(|(from, to)| Difference::Dangling { from, to }));
    }

    proptest! {
        /// Whatever is taken away, put there by another, or added, that is told of, and nothing else.
        #[test]
        fn each_thing_that_is_not_as_written_is_told_once(
            fates in prop::collection::vec(0..4_u8, Phase::ALL.len()), strays in 0..3_usize,
        ) {
            let recorded = recorded(DeploymentState::Complete, &Phase::ALL);
            let mut seen = seen(&recorded);
            let mut expected = BTreeSet::new();
            for (phase, fate) in Phase::ALL.into_iter().zip(fates) {
                let thing = Thing::from(&of(phase));
                let (found, difference) = match fate {
                    1 => (Found::Nothing, Some(Difference::Missing(thing.clone()))),
                    2 => (Found::Strangers("ops".into()), Some(Difference::Strangers(thing.clone(), "ops".into()))),
                    3 => (Found::Replaceable("x".into()), None),
                    _ => (Found::Ours, None),
                };
                if fate == 1 {
                    seen.existing.retain(|there| *there != thing);
                }
                seen.named.insert(thing, found);
                expected.extend(difference.map(|difference| difference.to_string()));
            }
            for stray in 0..strays {
                seen.existing.push(thing(&stray.to_string()));
                expected.insert(Difference::Stray(thing(&stray.to_string())).to_string());
            }
            let told = told(&recorded, &seen);
            prop_assert_eq!(told.len(), expected.len());
            prop_assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}
