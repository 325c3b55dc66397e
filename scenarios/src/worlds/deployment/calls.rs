//! A call of the machine that is deployed onto, and its answer, as data.

use std::collections::{BTreeMap, BTreeSet};

use dive_orchestrator::deploy::{
    Action, Done, Failure, Found, Holding, Platform, Site as Deployed, Step, Subject, Thing,
};
use dive_orchestrator::ladder::Rung;
use dive_orchestrator::{ErrorCode, Instance, Operation, Phase, Remedy, Resource, Service, Slot};
use serde::{Deserialize, Serialize};

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::worlds) struct Call {
    /// About what.
    pub(in crate::worlds) instance: Instance,
    /// Where that is on the machine.
    pub(in crate::worlds) slot: Slot,
    /// By whom.
    pub(in crate::worlds) by: String,
    /// What is asked.
    pub(in crate::worlds) asked: Asked,
}

/// What is asked: the methods of a platform. A thing is a resource before which nothing stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::worlds) enum Asked {
    Steps(Phase),
    Needs,
    Find(Resource),
    Make(Resource),
    Unmake(Resource),
    Check(Phase, String),
    Start(Service),
    Stop(Service),
    Rung(Service, Rung),
    Renew(Service),
    LogTail(Service, usize),
    Remedy(Remedy, About),
    Existing,
    Unknown(BTreeSet<Instance>),
}

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::worlds) enum About {
    Service(Service),
    Thing(Resource),
    Check(String),
}

/// A piece of a phase's work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::worlds) enum Piece {
    Make(Operation, Resource),
    Check(Operation, String),
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::worlds) enum Answered {
    Done,
    Steps(Vec<Piece>),
    Needs(BTreeMap<Service, Vec<Service>>),
    Nothing,
    Ours,
    Replaceable(String),
    Strangers(String),
    Holds,
    NotYet(String),
    Lines(Vec<String>),
    Things(Vec<Resource>),
    Unknown(Vec<(Instance, Resource)>),
}

/// What became of a call, so that it can be sent.
pub(in crate::worlds) type Sent = Result<Answered, (ErrorCode, String)>;

impl Call {
    /// What is changed by it, in words; nothing when it only looks.
    pub(in crate::worlds) fn changes(&self) -> Option<String> {
        Some(match &self.asked {
            Asked::Make(resource) => format!("make {}", Thing::from(resource)),
            Asked::Unmake(resource) => format!("remove {}", Thing::from(resource)),
            Asked::Start(service) => format!("start {service}"),
            Asked::Stop(service) => format!("stop {service}"),
            Asked::Renew(service) => format!("renew {service}"),
            Asked::Remedy(remedy, about) => {
                format!("{remedy:?} against an error of {}", Subject::from(about.clone()))
            }
            _ => return None,
        })
    }

    /// Has it done by `machine`.
    pub(in crate::worlds) async fn carry_out(self, machine: &dyn Platform) -> Done<Answered> {
        let site = Deployed { instance: self.instance, slot: self.slot };
        let done = |()| Answered::Done;
        match self.asked {
            Asked::Steps(phase) => machine
                .steps(&site, phase)
                .await
                .map(|steps| Answered::Steps(steps.into_iter().map(Piece::from).collect())),
            Asked::Needs => machine.needs(&site).await.map(Answered::Needs),
            Asked::Find(resource) => machine.find(&site, &Thing::from(&resource)).await.map(Answered::from),
            Asked::Make(resource) => machine.make(&site, &resource).await.map(done),
            Asked::Unmake(resource) => machine.unmake(&site, &resource).await.map(done),
            Asked::Check(phase, what) => machine.check(&site, phase, &what).await.map(done),
            Asked::Start(service) => machine.start(&site, service).await.map(done),
            Asked::Stop(service) => machine.stop(&site, service).await.map(done),
            Asked::Rung(service, rung) => machine.rung(&site, service, rung).await.map(Answered::from),
            Asked::Renew(service) => machine.renew(&site, service).await.map(done),
            Asked::LogTail(service, count) => {
                machine.log_tail(&site, service, count).await.map(Answered::Lines)
            }
            Asked::Remedy(remedy, about) => machine.remedy(&site, remedy, &about.into()).await.map(done),
            Asked::Existing => machine
                .existing(&site)
                .await
                .map(|things| Answered::Things(things.into_iter().map(|thing| thing.over(None)).collect())),
            Asked::Unknown(known) => machine.unknown(&known).await.map(|unknown| {
                let sent = |(instance, thing): (Instance, Thing)| (instance, thing.over(None));
                Answered::Unknown(unknown.into_iter().map(sent).collect())
            }),
        }
    }
}

/// What was answered is no answer to what was asked.
fn beside_the_point<T>(answered: &Answered) -> Done<T> {
    Err(Failure::new(ErrorCode::Unknown, format!("{answered:?} is no answer to what was asked")))
}

impl Answered {
    pub(in crate::worlds) fn done(self) -> Done {
        if self == Self::Done { Ok(()) } else { beside_the_point(&self) }
    }

    pub(in crate::worlds) fn steps(self) -> Done<Vec<Step>> {
        match self {
            Self::Steps(pieces) => Ok(pieces.into_iter().map(Step::from).collect()),
            other => beside_the_point(&other),
        }
    }

    pub(in crate::worlds) fn needs(self) -> Done<BTreeMap<Service, Vec<Service>>> {
        match self {
            Self::Needs(needs) => Ok(needs),
            other => beside_the_point(&other),
        }
    }

    pub(in crate::worlds) fn found(self) -> Done<Found> {
        match self {
            Self::Nothing => Ok(Found::Nothing),
            Self::Ours => Ok(Found::Ours),
            Self::Replaceable(content) => Ok(Found::Replaceable(content)),
            Self::Strangers(whose) => Ok(Found::Strangers(whose)),
            other => beside_the_point(&other),
        }
    }

    pub(in crate::worlds) fn holding(self) -> Done<Holding> {
        match self {
            Self::Holds => Ok(Holding::Yes),
            Self::NotYet(why) => Ok(Holding::NotYet(why)),
            other => beside_the_point(&other),
        }
    }

    pub(in crate::worlds) fn lines(self) -> Done<Vec<String>> {
        match self {
            Self::Lines(lines) => Ok(lines),
            other => beside_the_point(&other),
        }
    }

    pub(in crate::worlds) fn things(self) -> Done<Vec<Thing>> {
        match self {
            Self::Things(resources) => Ok(resources.iter().map(Thing::from).collect()),
            other => beside_the_point(&other),
        }
    }

    pub(in crate::worlds) fn unknown(self) -> Done<Vec<(Instance, Thing)>> {
        match self {
            Self::Unknown(sent) => {
                Ok(sent.into_iter().map(|(instance, resource)| (instance, Thing::from(&resource))).collect())
            }
            other => beside_the_point(&other),
        }
    }
}

impl From<Found> for Answered {
    fn from(found: Found) -> Self {
        match found {
            Found::Nothing => Self::Nothing,
            Found::Ours => Self::Ours,
            Found::Replaceable(content) => Self::Replaceable(content),
            Found::Strangers(whose) => Self::Strangers(whose),
        }
    }
}

impl From<Holding> for Answered {
    fn from(holding: Holding) -> Self {
        match holding {
            Holding::Yes => Self::Holds,
            Holding::NotYet(why) => Self::NotYet(why),
        }
    }
}

impl From<Step> for Piece {
    fn from(Step { operation, action }: Step) -> Self {
        match action {
            Action::Make(thing) => Self::Make(operation, thing.over(None)),
            Action::Check(what) => Self::Check(operation, what),
        }
    }
}

impl From<Piece> for Step {
    fn from(piece: Piece) -> Self {
        match piece {
            Piece::Make(operation, resource) => {
                Self { operation, action: Action::Make(Thing::from(&resource)) }
            }
            Piece::Check(operation, what) => Self { operation, action: Action::Check(what) },
        }
    }
}

impl From<&Subject> for About {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Service(service) => Self::Service(*service),
            Subject::Thing(thing) => Self::Thing(thing.clone().over(None)),
            Subject::Check(what) => Self::Check(what.clone()),
        }
    }
}

impl From<About> for Subject {
    fn from(about: About) -> Self {
        match about {
            About::Service(service) => Self::Service(service),
            About::Thing(resource) => Self::Thing(Thing::from(&resource)),
            About::Check(what) => Self::Check(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dive_orchestrator::ResourceKind;
    use dive_orchestrator::deploy::simulated::SimulatedPlatform;
    use dive_runtime::TokioRuntime;

    use super::*;

    fn network() -> Resource {
        Thing::new(ResourceKind::Network, dive_orchestrator::NETWORK).over(None)
    }

    fn call(asked: Asked) -> Call {
        Call { instance: Instance::Hub, slot: Slot::HUB, by: "operator#1".to_owned(), asked }
    }

    /// A call that was written down and read again does to the machine what it did before.
    #[tokio::test(start_paused = true)]
    async fn a_call_does_the_same_when_it_was_sent() {
        let machine = SimulatedPlatform::new(Arc::new(TokioRuntime::new()));
        let site = Deployed { instance: Instance::Hub, slot: Slot::HUB };
        let sent = async |asked: Asked| {
            let call = serde_json::to_string(&call(asked)).unwrap();
            let call: Call = serde_json::from_str(&call).unwrap();
            let answer = call.carry_out(&machine).await.map_err(|failure| (failure.code, failure.detail));
            let answer: Sent = serde_json::from_str(&serde_json::to_string(&answer).unwrap()).unwrap();
            answer
        };
        assert_eq!(sent(Asked::Find(network())).await.unwrap().found().unwrap(), Found::Nothing);
        sent(Asked::Make(network())).await.unwrap().done().unwrap();
        assert_eq!(sent(Asked::Find(network())).await.unwrap().found().unwrap(), Found::Ours);
        for phase in Phase::ALL {
            let steps = sent(Asked::Steps(phase)).await.unwrap().steps().unwrap();
            assert_eq!(steps, machine.steps(&site, phase).await.unwrap());
        }
        let needs = sent(Asked::Needs).await.unwrap().needs().unwrap();
        assert_eq!(needs, machine.needs(&site).await.unwrap());
        let (code, _) = sent(Asked::Start(Service::Opa)).await.unwrap_err();
        assert_eq!(code, ErrorCode::ContainerStart);
        let holding = sent(Asked::Rung(Service::Opa, Rung::Exists)).await.unwrap().holding().unwrap();
        assert!(matches!(holding, Holding::NotYet(_)));
        assert_eq!(sent(Asked::LogTail(Service::Opa, 1)).await.unwrap().lines().unwrap().len(), 1);
        sent(Asked::Unmake(network())).await.unwrap().done().unwrap();
        assert!(sent(Asked::Existing).await.unwrap().things().unwrap().is_empty());
    }

    #[test]
    fn what_only_looks_changes_nothing_and_an_answer_to_something_else_is_a_failure() {
        assert_eq!(call(Asked::Find(network())).changes(), None);
        assert_eq!(call(Asked::Stop(Service::Opa)).changes().as_deref(), Some("stop opa"));
        assert!(Answered::Holds.done().is_err() && Answered::Done.holding().is_err());
        let subject = Subject::Check("a user logs in".to_owned());
        assert_eq!(Subject::from(About::from(&subject)), subject);
    }
}
