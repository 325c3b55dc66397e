//! The seam to what a deployment is made on: containers, processes, or a simulation of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;

use crate::ladder::Rung;
use crate::{ErrorCode, Instance, Operation, Phase, Remedy, Resource, ResourceKind, Service, Slot};

/// What is deployed, and where on its machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// What.
    pub instance: Instance,
    /// Its ports.
    pub slot: Slot,
}

/// A thing that a deployment makes, by its name: a [`Resource`] of which it is not yet known what stood there
/// before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing {
    /// What it is.
    pub kind: ResourceKind,
    /// Which one: a path, a container's name, a document's id. One name means one thing for good, across all
    /// instances.
    pub name: String,
}

impl Thing {
    /// A thing of this kind and name.
    pub fn new(kind: ResourceKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// The resource it becomes where `before` stood.
    pub fn over(self, before: Option<String>) -> Resource {
        Resource { kind: self.kind, name: self.name, before }
    }
}

impl From<&Resource> for Thing {
    fn from(resource: &Resource) -> Self {
        Self::new(resource.kind, resource.name.clone())
    }
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ResourceKind::File => "file",
            ResourceKind::Network => "network",
            ResourceKind::Volume => "volume",
            ResourceKind::Container => "container",
            ResourceKind::RealmObject => "realm object",
            ResourceKind::Document => "document",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// One piece of a phase's work.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Whose breaker is asked before each try of it, and by whose row of the retry matrix it is tried again.
    pub operation: Operation,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Makes this. It is written down first.
    Make(Thing),
    /// Looks whether this is so, in words such as `a user of fra logs in`, and changes nothing.
    Check(String),
}

/// What an error is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A service.
    Service(Service),
    /// Something made.
    Thing(Thing),
    /// Something looked at.
    Check(String),
}

impl From<&Action> for Subject {
    fn from(action: &Action) -> Self {
        match action {
            Action::Make(thing) => Self::Thing(thing.clone()),
            Action::Check(what) => Self::Check(what.clone()),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => service.fmt(f),
            Self::Thing(thing) => thing.fmt(f),
            Self::Check(what) => f.write_str(what),
        }
    }
}

/// What is there under a thing's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The deployment's own, of this run or of an earlier one, whole or in part.
    Ours,
    /// Something that is to be put back when the deployment is undone: its content, or where that is kept.
    /// Never a secret's value.
    Replaceable(String),
    /// Something of somebody else's, which is not touched: whose, in words.
    Strangers(String),
}

/// Whether a rung holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Holding {
    /// It does.
    Yes,
    /// Not yet; waiting may help. Why, in words.
    NotYet(String),
}

/// Something that could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Failure {
    /// Its code, which says what helps against it.
    pub code: ErrorCode,
    /// What happened, with names and figures; never a secret.
    pub detail: String,
}

impl Failure {
    /// A failure with this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// What every method of a platform answers.
pub type Done<T = ()> = Result<T, Failure>;

/// What deployments are made on.
///
/// The engine decides *what* happens and *when*; a platform does one thing at a time and tells how it went. It
/// neither tries again nor waits for a service to become healthy, it keeps no state of its own about
/// deployments, and it makes nothing that it was not told to make.
///
/// # Rules
/// - **Idempotent.** Making what is there, unmaking what is not, starting what runs, stopping what doesn't are
///   no failures and change nothing.
/// - **Cancellation.** The future of any call may be dropped at any point. What it had begun may then be there
///   whole, in part or not at all; [`make`](Self::make) completes it, [`unmake`](Self::unmake) removes it.
///   Only a crash, a lost lock or a call that hangs drops one: otherwise a call is let come to its end.
/// - **Strangers.** What was not made by a deployment of this site (or is shared by all, as the network is) is
///   neither changed nor removed; meeting it is [`ErrorCode::InstanceConflict`].
/// - Calls of different services and different sites run at the same time.
/// - Unreadable is a failure, never [`Found::Nothing`].
#[async_trait]
pub trait Platform: Send + Sync {
    /// What a phase is made of, in order, found out anew at each call and changing nothing.
    ///
    /// - PREFLIGHT: checks only. The engine itself looks for strangers under the names of [`parts`](Self::parts)
    ///   and looks for the hub.
    /// - DEPLOYMENT: what is made before any service is, such as the network; the services are brought up
    ///   after it, level by level.
    /// - VERIFICATION: checks only, functional ones. The engine itself has every service climb its ladder and
    ///   compares the containers there are with those there must be.
    async fn steps(&self, site: &Site, phase: Phase) -> Done<Vec<Step>>;

    /// The services of a site.
    fn services(&self, site: &Site) -> Vec<Service> {
        Service::of(&site.instance)
    }

    /// What must be healthy before each service of a site is started: by [its own table](Service::needs), where nothing
    /// else is said. PREFLIGHT refuses a cycle in it, and what is needed and not among the services.
    async fn needs(&self, site: &Site) -> Done<BTreeMap<Service, Vec<Service>>> {
        Ok(self.services(site).into_iter().map(|service| (service, service.needs().to_vec())).collect())
    }

    /// What a service consists of, in the order it is made: its volumes, then its container, which is named
    /// [`Service::container`].
    fn parts(&self, site: &Site, service: Service) -> Vec<Thing>;

    /// What is there under a thing's name.
    async fn find(&self, site: &Site, thing: &Thing) -> Done<Found>;

    /// Makes a thing that was written down. A container is made, not started; when one of its own is there
    /// that is not as it should be now, it is made anew.
    async fn make(&self, site: &Site, resource: &Resource) -> Done;

    /// Removes a thing, or puts back what stood there before. What is shared goes with its last user. An earlier
    /// version of a secret that has a newer one is removed when nothing takes it any more.
    async fn unmake(&self, site: &Site, resource: &Resource) -> Done;

    /// Looks whether `what` (the text of an [`Action::Check`] of this platform) is so.
    async fn check(&self, site: &Site, phase: Phase, what: &str) -> Done;

    /// Starts the container of a service that was made. Done when the engine says that it runs.
    async fn start(&self, site: &Site, service: Service) -> Done;

    /// Stops it, keeping its data.
    async fn stop(&self, site: &Site, service: Service) -> Done;

    /// Asks one rung of a service's ladder, once.
    ///
    /// # Errors
    /// When waiting can't help: its container has ended ([`ErrorCode::ContainerStart`]), its own health check
    /// has given up ([`ErrorCode::ContainerUnhealthy`]), the container engine doesn't answer.
    async fn rung(&self, site: &Site, service: Service, rung: Rung) -> Done<Holding>;

    /// Brings what a service that answers keeps itself, such as a password in its database, to the newest versions of
    /// this site's secrets. The server may go on taking earlier ones as long as these are not unmade: whoever still
    /// works with one is not locked out by it. Asked only while there are earlier versions, before the topmost rung.
    ///
    /// # Errors
    /// When waiting may help, too: it is asked again as a rung is.
    async fn renew(&self, site: &Site, service: Service) -> Done;

    /// The last `count` lines a service wrote, oldest first, at most 100.
    async fn log_tail(&self, site: &Site, service: Service, count: usize) -> Done<Vec<String>>;

    /// Does what helps against an error about `subject`. It makes nothing that was not written down: it mends
    /// or makes anew what was. [`Remedy::TryOnceMore`] and [`Remedy::RereadState`] are never asked for.
    async fn remedy(&self, site: &Site, remedy: Remedy, subject: &Subject) -> Done;

    /// Everything of this site that is there, in order of kind and name, what is shared not counted.
    async fn existing(&self, site: &Site) -> Done<Vec<Thing>>;

    /// Everything that is there of instances that are not `known`, in order, what is shared not counted: a database
    /// that was lost, or another one's.
    async fn unknown(&self, known: &BTreeSet<Instance>) -> Done<Vec<(Instance, Thing)>>;
}
