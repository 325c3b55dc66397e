//! Who comes between on an edge: an interceptor in a container of its own, for as long as the fault lasts.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use harness_core::fault::{Edge, ServiceName};
use harness_core::world::WorldError;

use super::errors::{engine_failed, not_started};
use super::ground::Ground;
use super::system::{ContainerPlan, ImageChoice};
use crate::cleanup;
use crate::container::{Container, ContainerSpec, Ready};
use crate::images::Recipe;

/// How the names of interceptors begin.
const NAME: &str = "interceptor-";
const PORT: u16 = 8443;
const READY: Duration = Duration::from_secs(30);

/// Whether a container's service is an interceptor.
pub(super) fn is_one(service: &ServiceName) -> bool {
    service.0.starts_with(NAME)
}

/// An image of which a container can be an interceptor: with `args`, and after them `--listen <address>`,
/// `--to <address>` and `--name <name>` once or more, it leads to [`harness_local::interceptor::serve`] with a
/// [foreign](harness_local::Identity::foreign) identity of these names, once it has logged `listening`.
#[derive(Clone, Debug)]
pub struct InterceptorRole {
    /// How to come by the image.
    pub recipe: Recipe,
    /// What follows its entrypoint.
    pub args: Vec<String>,
}

/// The interceptors of one run, by the number of the fault that each is.
#[derive(Debug)]
pub(super) struct Interceptors {
    ground: Rc<Ground>,
    role: Option<InterceptorRole>,
    image: RefCell<Option<String>>,
    running: RefCell<BTreeMap<u64, (Edge, Container)>>,
}

impl Interceptors {
    pub(super) fn new(ground: Rc<Ground>, role: Option<InterceptorRole>) -> Self {
        Self { ground, role, image: RefCell::default(), running: RefCell::default() }
    }

    /// Takes note of the image, which some service of the topology has too.
    pub(super) fn have(&self, plans: &[ContainerPlan], tags: &BTreeMap<ServiceName, String>) {
        let wanted = self.role.as_ref().map(|role| ImageChoice::Recipe(role.recipe.clone()));
        let of_role = |plan: &&ContainerPlan| wanted.as_ref() == Some(&plan.image);
        let tag = plans.iter().find(of_role).and_then(|plan| tags.get(&plan.name));
        *self.image.borrow_mut() = tag.cloned();
    }

    /// Starts one before `far`, whose callers know it at `near`; where it listens.
    pub(super) async fn start(
        &self,
        number: u64,
        edge: &Edge,
        near: IpAddr,
        far: SocketAddr,
    ) -> Result<SocketAddr, WorldError> {
        let (Some(role), Some(image)) = (&self.role, self.image.borrow().clone()) else {
            return Err(WorldError::Failed(format!("{edge}: no service here has the image of interceptors")));
        };
        if self.running.borrow().values().any(|(other, _)| other == edge) {
            return Err(WorldError::Failed(format!("{edge}: somebody came between already")));
        }
        let (listen, to) = (format!("0.0.0.0:{PORT}"), far.to_string());
        let (near, callee) = (near.to_string(), edge.to.to_string());
        let places = ["--listen", &listen, "--to", &to, "--name", &near, "--name", &callee];
        let args = role.args.iter().map(String::as_str).chain(places);
        let spec = ContainerSpec::new(format!("{NAME}{number}"), &image)
            .command(args)
            .ready(Ready::Log("listening".into()), READY);
        let container = self.ground.topology.start(&spec).await.map_err(not_started)?;
        let address = SocketAddr::from((container.address(), PORT));
        self.running.borrow_mut().insert(number, (edge.clone(), container));
        Ok(address)
    }

    /// Ends the one that the `number`-th fault of the run is, if it is one.
    pub(super) async fn end(&self, number: u64) -> Result<(), WorldError> {
        let Some((_, container)) = self.running.borrow_mut().remove(&number) else { return Ok(()) };
        cleanup::remove_container(self.ground.engine(), container.name()).await.map_err(engine_failed)
    }
}
