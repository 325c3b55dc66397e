//! One service of the topology: its process over all restarts.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use harness_core::time::At;
use harness_core::world::WorldError;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

use crate::canary::Canary;
use crate::clock::Clock;
use crate::lines::Output;
use crate::listener::Listener;
use crate::process::{Exit, Launch, Process, ProcessError, Stopped};
use crate::reaper::Reaper;
use crate::system::{Ready, ServiceSpec};

/// How often a starting service is asked whether it is ready.
const ASK: Duration = Duration::from_millis(5);
/// How long it may take to say so.
const ANSWER: Duration = Duration::from_millis(500);

/// What starting a process takes.
#[derive(Clone, Debug)]
pub(crate) struct Crew {
    pub(crate) clock: Clock,
    pub(crate) reaper: Rc<Reaper>,
    /// The runtime that reads the output and waits for the end of every process.
    pub(crate) watch: Handle,
}

/// A service. At most one process of it runs at a time.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) spec: ServiceSpec,
    pub(crate) address: SocketAddr,
    pub(crate) output: Output,
    folder: PathBuf,
    process: RefCell<Option<Process>>,
    /// Whether the present process was told to end, or its end was already told of.
    excused: Cell<bool>,
}

impl Service {
    /// A service that does not run yet. Makes its folder and writes its files.
    pub(crate) fn install(
        spec: ServiceSpec,
        address: SocketAddr,
        folder: PathBuf,
        output: Output,
    ) -> Result<Self, WorldError> {
        let failed = |path: &Path, error: std::io::Error| WorldError::Ground {
            problem: format!("{}: {error}", path.display()),
            next_step: "make room there, or set TMPDIR to a folder that has some".into(),
        };
        fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
        for (path, content) in &spec.files {
            if !path.components().all(|part| matches!(part, Component::Normal(_))) {
                return Err(WorldError::Failed(format!(
                    "{}: not below the service's folder",
                    path.display()
                )));
            }
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(&folder);
            fs::create_dir_all(parent).map_err(|error| failed(parent, error))?;
            write_private(&path, content).map_err(|error| failed(&path, error))?;
        }
        if let Ready::Logs(text) = &spec.ready {
            output.look_for(text);
        }
        let (process, excused) = (RefCell::new(None), Cell::new(false));
        Ok(Self { spec, address, output, folder, process, excused })
    }

    /// The present process, or the last one.
    pub(crate) fn process(&self) -> Option<Process> {
        self.process.borrow().clone()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process().is_some_and(|process| process.exit().is_none())
    }

    /// Starts the process unless it runs, and returns when it is ready; the latest instant at which it was known
    /// not to be.
    pub(crate) async fn start(&self, crew: &Crew) -> Result<At, WorldError> {
        let began = crew.clock.now();
        if !self.is_running() {
            self.spawn(crew)?;
        }
        self.ready(&crew.clock, began).await
    }

    fn spawn(&self, crew: &Crew) -> Result<(), WorldError> {
        if TcpListener::bind(self.address).is_err() {
            return Err(self.port_is_taken());
        }
        let launch = Launch {
            program: self.spec.program.clone(),
            args: self.spec.args.clone(),
            env: self.spec.env.clone(),
            dir: self.folder.clone(),
        };
        let failed = |error| WorldError::Ground {
            problem: format!("{} can't be started: {}: {error}", self.spec.name, self.spec.program.display()),
            next_step: "see that the executable is there and may be run".into(),
        };
        let _watch = crew.watch.enter();
        let process =
            Process::spawn(&launch, crew.reaper.mark(), &self.output, crew.clock).map_err(failed)?;
        let id = process.id();
        *self.process.borrow_mut() = Some(process);
        self.excused.set(false);
        // Unregistered it would still be found by its mark, but a reaper that is gone finds nothing.
        crew.reaper
            .group_started(id)
            .map_err(|error| WorldError::Failed(format!("the reaper is gone: {error}")))
    }

    /// Completes when the service is ready; as [`start`](Self::start).
    async fn ready(&self, clock: &Clock, began: At) -> Result<At, WorldError> {
        let Some(process) = self.process() else {
            return Err(WorldError::Failed(format!("{} was never started", self.spec.name)));
        };
        let ready = async {
            let (mut not_ready, mut asked) = (began, clock.now());
            while !self.is_ready().await {
                not_ready = asked;
                sleep(ASK).await;
                asked = clock.now();
            }
            not_ready
        };
        let within = self.spec.ready_within;
        let outcome = tokio::select! {
            biased;
            exit = process.exited() => Err(exit.to_string()),
            ready = timeout(within, ready) => ready.map_err(|_| self.awaited()),
        };
        let why = match outcome {
            Ok(not_ready) => return Ok(not_ready),
            Err(why) => why,
        };
        // Its end is told here and nowhere else.
        self.excused.set(true);
        if process.exit().is_some() && Listener::on(self.address.port()).is_some() {
            return Err(self.port_is_taken());
        }
        let log = self.output.tail_at_rest().await;
        Err(WorldError::NotReady { service: self.spec.name.to_string(), why, log })
    }

    async fn is_ready(&self) -> bool {
        let asked = async |canary: Canary| {
            let asked = canary.send(self.address, 0, ANSWER).await;
            asked.answer().is_some_and(|heard| heard.status == Some(200))
        };
        match &self.spec.ready {
            Ready::Http(path) => asked(Canary::Http(path.clone())).await,
            Ready::Https(path) => asked(Canary::Https(path.clone())).await,
            Ready::Accepts => matches!(timeout(ANSWER, TcpStream::connect(self.address)).await, Ok(Ok(_))),
            Ready::Logs(_) => self.output.has_said_it(),
        }
    }

    fn awaited(&self) -> String {
        let (within, address) = (self.spec.ready_within, self.address);
        match &self.spec.ready {
            Ready::Http(path) => {
                format!("GET http://{address}{path} was not answered by 200 within {within:?}")
            }
            Ready::Https(path) => {
                format!("GET https://{address}{path} was not answered by 200 within {within:?}")
            }
            Ready::Accepts => format!("{address} took no connection within {within:?}"),
            Ready::Logs(text) => format!("it did not log {text:?} within {within:?}"),
        }
    }

    fn port_is_taken(&self) -> WorldError {
        let by = Listener::on(self.address.port()).map_or_else(|| "somebody".into(), |by| by.to_string());
        WorldError::Ground {
            problem: format!("{}, meant for {}, is taken by {by}", self.address, self.spec.name),
            next_step: "run again: another port will be chosen; or end that process".into(),
        }
    }

    /// Ends the process in good order. One that does not run has been ended.
    pub(crate) async fn stop(&self) -> Result<String, WorldError> {
        let Some(process) = self.process() else { return Ok(format!("{} did not run", self.spec.name)) };
        self.excused.set(true);
        match process.stop(self.spec.grace).await.map_err(|error| self.disobedient(&error))? {
            Stopped::InOrder(exit) => Ok(self.told(exit)),
            Stopped::ByForce(exit) => Ok(format!("{}, its grace being over", self.told(exit))),
        }
    }

    /// Ends the process at once.
    pub(crate) async fn kill(&self) -> Result<String, WorldError> {
        let Some(process) = self.process() else { return Ok(format!("{} did not run", self.spec.name)) };
        self.excused.set(true);
        process.kill().await.map(|exit| self.told(exit)).map_err(|error| self.disobedient(&error))
    }

    fn told(&self, exit: Exit) -> String {
        match self.process() {
            Some(process) => format!("{} (pid {}) {exit}", self.spec.name, process.id().pid),
            None => format!("{} {exit}", self.spec.name),
        }
    }

    pub(crate) fn disobedient(&self, error: &ProcessError) -> WorldError {
        WorldError::Failed(format!("{}: {error}", self.spec.name))
    }

    /// The end of a process that was not told to end. Told once.
    pub(crate) fn unasked_exit(&self) -> Option<Exit> {
        let exit = self.process().and_then(|process| process.exit())?;
        (!self.excused.replace(true)).then_some(exit)
    }
}
/// Writes a file that nobody else may read: it may hold a secret.
fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(content)
}
