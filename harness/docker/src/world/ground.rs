//! What a run stands on before there is any service: an engine, a network of its own, Toxiproxy.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use harness_core::owner::Owner;
use harness_core::world::WorldError;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::control::Control;
use super::errors::{no_image, no_network, not_started};
use crate::cleanup;
use crate::container::{Container, ContainerSpec, Ready};
use crate::engine::{Engine, EngineError};
use crate::images::{Images, Recipe};
use crate::reaper::Watched;
use crate::topology::Topology;

/// The service name of Toxiproxy's own container.
pub(super) const TOXIPROXY: &str = "toxiproxy";
const CONTROL: u16 = 8474;
const TOXIPROXY_READY: Duration = Duration::from_secs(30);
const REACHED: Duration = Duration::from_secs(3);
/// A request that was under way when its sender gave up may still be carried out by the engine.
const SETTLE: Duration = Duration::from_millis(300);

/// The network of one run. When this is dropped before it was cleared, it clears itself.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) topology: Topology,
    owner: Owner,
    cleared: Cell<bool>,
}

/// A Toxiproxy in a container of its own.
#[derive(Debug)]
pub(super) struct Toxiproxy {
    pub(super) control: Control,
    pub(super) control_at: SocketAddr,
    pub(super) container: Container,
    pub(super) image: String,
}

impl Ground {
    /// Removes what dead owners left behind, then makes the network.
    pub(super) async fn lay(engine: &Engine, owner: &Watched) -> Result<Self, WorldError> {
        match cleanup::remove_stale(engine).await {
            Ok(swept) if swept.is_empty() => {}
            Ok(swept) => tracing::info!(?swept, "left behind by dead owners, removed"),
            // Others sweep too. What is left of the dead keeps nobody from living.
            Err(error) => tracing::warn!(%error, "not all that dead owners left behind could be removed"),
        }
        let topology = Topology::create(engine, owner, "run").await.map_err(no_network)?;
        Ok(Self { topology, owner: owner.owner().clone(), cleared: Cell::new(false) })
    }

    pub(super) fn engine(&self) -> &Engine {
        self.topology.engine()
    }

    pub(super) async fn start_toxiproxy(
        &self,
        images: &Images,
        recipe: &Recipe,
    ) -> Result<Toxiproxy, WorldError> {
        let image = images.ensure(recipe).await.map_err(no_image)?.tag;
        let spec = ContainerSpec::new(TOXIPROXY, &image)
            .command(["-host=0.0.0.0"])
            .port(CONTROL)
            .ready(Ready::Http { port: CONTROL, path: "/version".into() }, TOXIPROXY_READY);
        let container = self.topology.start(&spec).await.map_err(not_started)?;
        let direct = SocketAddr::from((container.address(), CONTROL));
        if !matches!(timeout(REACHED, TcpStream::connect(direct)).await, Ok(Ok(_))) {
            return Err(WorldError::Ground {
                problem: format!("this machine does not reach its containers at their own addresses ({direct})"),
                next_step: "use an engine that runs on this machine itself, not rootless nor within a virtual machine"
                    .into(),
            });
        }
        let Some(control_at) = container.published(CONTROL) else {
            return Err(WorldError::Failed("the control port of Toxiproxy is not published".into()));
        };
        let control = Control::connect(control_at).await?;
        Ok(Toxiproxy { control, control_at, container, image })
    }

    /// Removes every container and the network; what could not be removed. After a start that did not come to
    /// its end (`settled` is false), it looks once more.
    pub(super) async fn clear(&self, settled: bool) -> Vec<String> {
        let (engine, owner, name) = (self.engine(), &self.owner, self.topology.name());
        let mut removed = remove(engine, owner, name).await;
        if !settled || removed.is_err() {
            sleep(SETTLE).await;
            removed = remove(engine, owner, name).await;
        }
        let left = match removed {
            Ok(()) => self.left().await.unwrap_or_else(|error| vec![error.to_string()]),
            Err(error) => vec![format!("{name}: {error}")],
        };
        self.cleared.set(left.is_empty());
        left
    }

    async fn left(&self) -> Result<Vec<String>, EngineError> {
        let name = self.topology.name();
        let containers = format!("{name}-");
        let owned = cleanup::list_owned(self.engine()).await?.into_iter().map(|(found, _)| found);
        Ok(owned.filter(|found| found == name || found.starts_with(&containers)).collect())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if self.cleared.get() {
            return;
        }
        let (owner, name) = (&self.owner, self.topology.name());
        let clear = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let removed = runtime.map(|runtime| {
                runtime.block_on(async { remove(&Engine::connect().await?, owner, name).await })
            });
            if !matches!(removed, Ok(Ok(()))) {
                tracing::warn!(?removed, "left to the reaper");
            }
        };
        // The runtime of the run may be the one that drops this: nothing can be waited for on it.
        std::thread::scope(|scope| drop(scope.spawn(clear).join()));
    }
}

async fn remove(engine: &Engine, owner: &Owner, topology: &str) -> Result<(), EngineError> {
    cleanup::remove_topology(engine, owner, topology).await.map(drop)
}
