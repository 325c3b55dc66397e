//! What the worlds of processes and of containers have in common: a run in real time on one thread, with its
//! journal on disk, of a product that is asked over HTTP.

use std::cell::{OnceCell, RefCell};
use std::fmt::Display;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use dive_node::Settings;
use harness_core::event::Answer;
use harness_core::journal::Journal;
use harness_core::recorder::Recorder;
use harness_core::runner;
use harness_core::world::{World, WorldError};
use harness_local::LogLine;
use harness_local::clock::Clock;

use super::certificates::{Certificates, scheme};
use super::watch::{self, Client, LogClock};
use super::{seed, settings, shape_of};
use crate::binding::asked::Party;
use crate::binding::kit::Kit;
use crate::binding::requests::{Class, Kind};
use crate::binding::session::Session;
use crate::binding::topology::{HUB, KAS, KEYCLOAK, Shape};
use crate::execute::{ExecuteError, Plan};
use crate::folders::JOURNAL;
use crate::runtime;

/// Waits on this thread for `run` and all that it starts.
pub(super) fn on_this_thread(
    run: impl Future<Output = Result<(), ExecuteError>>,
) -> Result<(), ExecuteError> {
    let runtime = runtime::on_this_thread().map_err(|error| WorldError::Failed(error.to_string()))?;
    runtime.block_on(run)
}

/// Runs a plan's scenario in the world that `make` makes with the journal in `folder`.
pub(super) async fn run<W: World>(
    plan: &Plan,
    folder: &Path,
    recorder: &Recorder,
    interrupt: impl Future<Output = String>,
    make: impl FnOnce(Rc<RefCell<Journal>>) -> Result<W, WorldError>,
) -> Result<(), ExecuteError> {
    let path = folder.join(JOURNAL);
    let store = |why| ExecuteError::Store { path: path.clone(), why };
    let journal = Rc::new(RefCell::new(Journal::open(&path).map_err(store)?));
    let world = make(journal.clone())?;
    for fault in plan.scenario.faults.values() {
        world.supports(fault)?;
    }
    runner::run(&world, &plan.scenario, plan.seed, recorder, interrupt).await;
    drop(world);
    if let Ok(journal) = Rc::try_unwrap(journal) {
        journal.into_inner().close().map_err(store)?;
    }
    Ok(())
}

/// The base URL of a service of the product or of its identity provider that listens there.
pub(super) fn base(service: &str, at: Result<SocketAddr, WorldError>) -> Result<String, WorldError> {
    Ok(format!("{}://{}", scheme(service), at?))
}

/// The product and who asks it, whatever its services are.
pub(super) struct Dive {
    pub(super) shape: Shape,
    pub(super) settings: Settings,
    pub(super) kit: Arc<Kit>,
    pub(super) certificates: Certificates,
    /// Where the authority's certificate is kept.
    pub(super) authority: PathBuf,
    pub(super) session: Session,
    pub(super) client: Client,
    log_clock: OnceCell<LogClock>,
}

impl Dive {
    pub(super) fn new(plan: &Plan, folder: &Path) -> Result<Self, ExecuteError> {
        let shape = shape_of(plan)?;
        let kit = Kit::now(shape)?;
        let certificates = Certificates::new()?;
        Ok(Self {
            shape,
            settings: settings::of(plan)?,
            session: Session::new(kit.clone()),
            kit,
            client: Client::new(&certificates.trust()?),
            authority: certificates.keep(folder)?,
            certificates,
            log_clock: OnceCell::new(),
        })
    }

    /// From here on, the time in a log line is one of `clock`.
    pub(super) fn pair_log_clock(&self, clock: &Clock) {
        self.log_clock.get_or_init(|| LogClock::pair(clock.now(), clock.speed()));
    }

    pub(super) fn on_log(&self, recorder: &Recorder, line: LogLine) {
        watch::lines::record(line, self.log_clock.get(), &self.kit, recorder);
    }

    /// Fills the store at `store`, past every edge. Nodes read the keys of the identity provider over edges of their
    /// own; named is the hub's, `keycloak`: its faults are the ones that scenarios are about.
    pub(super) async fn fill(&self, store: SocketAddr, keycloak: impl Display) -> Result<(), String> {
        let identity_provider = format!("{}://{keycloak}", scheme(KEYCLOAK));
        seed::seed(store, &self.settings.mongodb.database, &self.kit, &identity_provider).await
    }

    /// Asks as a caller does. `address` is where a service listens, `management` where the identity provider takes
    /// orders.
    pub(super) async fn send(
        &self,
        request: &str,
        number: u64,
        clock: &Clock,
        address: impl Fn(&str) -> Result<SocketAddr, WorldError>,
        management: impl FnOnce() -> Result<SocketAddr, WorldError>,
    ) -> Answer {
        let error = |why: String| Answer::new(Class::Error.name()).with("error", why);
        let base_of = |service: &str| base(service, address(service));
        let Some(kind) = Kind::named(request) else {
            return error(format!("no request is called {request}"));
        };
        if kind == Kind::Open {
            return match (base_of(HUB), base_of(KAS)) {
                (Ok(hub), Ok(kas)) => self.client.open(&hub, &kas, &self.session, number).await,
                (Err(why), _) | (_, Err(why)) => error(why.to_string()),
            };
        }
        let asked = self.session.ask(kind, number);
        let to = match asked.to {
            Party::Hub => base_of(HUB),
            Party::Kas => base_of(KAS),
            Party::Keycloak => base_of(KEYCLOAK),
            Party::KeycloakManagement => base(KEYCLOAK, management()),
        };
        match to {
            Ok(to) => self.client.send(&to, &self.session, &asked, clock.real(asked.patience)).await,
            Err(why) => asked.failed(why.to_string()),
        }
    }
}
