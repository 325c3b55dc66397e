//! What a system must tell of itself to run in this world.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use harness_core::event::{Answer, What};
use harness_core::fault::ServiceName;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;

use crate::canary::Canary;
use crate::clock::Clock;
use crate::identity::Identity;
use crate::lines::{LogLine, Lost};
use crate::site::Site;

/// A system bound to this world: one topology with its settings.
#[allow(async_fn_in_trait, reason = "the futures stay on the runner's own thread")]
pub trait LocalSystem {
    /// The services to run. Called once, when the world starts.
    ///
    /// [`Site::address`] gives a service its address, [`Site::via`] gives a caller the address at which
    /// it must call a service, so that the edge between them can be broken.
    fn plan(&self, site: &Site) -> Result<Vec<ServiceSpec>, WorldError>;

    /// Sends one request of a kind that the vocabulary declares and waits for its end, in bounded time.
    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer;

    /// Watches the system and records what it sees, until it is dropped.
    async fn observe(&self, site: &Site, recorder: &Recorder);

    /// How much later than it happened, in system time, [`LocalSystem::observe`] may record something.
    fn observation_lag(&self, clock: &Clock) -> Duration;

    /// Takes a line that a service logged. By default it goes to the record.
    fn on_log(&self, _site: &Site, recorder: &Recorder, line: LogLine) {
        recorder.record_at(line.received, What::Log { service: line.service.0, line: line.text });
    }

    /// Takes notice of lines that a service logged faster than they could be kept. A system whose
    /// signals or facts come from its logs should record that it was blind.
    fn on_lost_log(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, lost: Lost) {
        let Lost { lines, within } = lost;
        let text =
            format!("{service} logged {lines} lines more than a run keeps; they are not in this record");
        recorder.record(within, What::Note { text });
    }

    /// Takes notice of a service that ended without having been told to.
    fn on_exit(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, how: &str, at: Span) {
        recorder.record(at, What::Note { text: format!("{service} {how}, unasked") });
    }
}

/// When a service counts as ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// A GET of this path is answered by status 200.
    Http(String),
    /// The same over TLS.
    Https(String),
    /// Its port takes connections.
    Accepts,
    /// A line it logs contains this text.
    Logs(String),
}

/// A service: what to run, and how to tell how it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name in the topology.
    pub name: ServiceName,
    /// The executable; often the running one, with a hidden subcommand.
    pub program: PathBuf,
    /// Its arguments. It must listen at its [`Site::address`].
    pub args: Vec<String>,
    /// Added to the environment that it inherits.
    pub env: BTreeMap<String, String>,
    /// Files written to its folder ([`Site::folder`], also its working directory) before the first
    /// start. What it writes there survives its restarts.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// The services that must be ready before it starts.
    pub after: Vec<ServiceName>,
    /// When it counts as ready.
    pub ready: Ready,
    /// For how long, in real time, it may not be ready after a start.
    pub ready_within: Duration,
    /// An exchange that shows how it answers and disturbs nothing.
    pub canary: Canary,
    /// What it proves itself with, where it speaks TLS.
    pub identity: Option<Identity>,
    /// For how long, in real time, it may take to end after SIGTERM.
    pub grace: Duration,
}

impl ServiceSpec {
    /// A service that is ready when, and whose canary is that, a GET of `health` is answered by 200. It
    /// has 20 real seconds to become ready and 5 to end.
    pub fn new(name: &str, program: impl Into<PathBuf>, health: &str) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            files: BTreeMap::new(),
            after: Vec::new(),
            ready: Ready::Http(health.to_owned()),
            ready_within: Duration::from_secs(20),
            canary: Canary::Http(health.to_owned()),
            identity: None,
            grace: Duration::from_secs(5),
        }
    }

    /// The same with these arguments added.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The same with an environment variable more.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a file more; `path` is below the service's folder.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    /// The same, started only once that service is ready.
    #[must_use]
    pub fn after(mut self, service: &str) -> Self {
        self.after.push(service.into());
        self
    }

    /// The same, ready under another condition, for which it has `within` of real time.
    #[must_use]
    pub fn ready(mut self, ready: Ready, within: Duration) -> Self {
        self.ready = ready;
        self.ready_within = within;
        self
    }

    /// The same, speaking TLS: readiness and canary, as they are now, are asked for over it. Whoever is to
    /// answer in its place has the same identity, unless being somebody else is the fault.
    #[must_use]
    pub fn tls(mut self, identity: Identity) -> Self {
        if let Ready::Http(path) = self.ready {
            self.ready = Ready::Https(path);
        }
        if let Canary::Http(path) = self.canary {
            self.canary = Canary::Https(path);
        }
        self.identity = Some(identity);
        self
    }

    /// The same with another canary.
    #[must_use]
    pub fn canary(mut self, canary: Canary) -> Self {
        self.canary = canary;
        self
    }
}
