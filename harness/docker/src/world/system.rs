//! What a system must tell of itself to run in containers.

use std::time::Duration;

use harness_core::event::{Answer, What};
use harness_core::fault::ServiceName;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::WorldError;
use harness_local::clock::Clock;
use harness_local::{Canary, LogLine};

use super::site::Site;
use crate::container::{ContainerSpec, Ready};
use crate::images::Recipe;

/// A system bound to this world: one topology with its settings.
#[allow(async_fn_in_trait, reason = "the futures stay on the runner's own thread")]
pub trait DockerSystem {
    /// The containers to run. Called once, when the world starts.
    ///
    /// [`Site::via`] gives a caller the address at which it must call a service, so that the edge between
    /// them can be broken; [`Site::host`] names a service past every edge.
    fn plan(&self, site: &Site) -> Result<Vec<ContainerPlan>, WorldError>;

    /// Makes ready what the services don't by themselves, such as what a store holds. Called once, when all of
    /// them are ready, before anything is sent or watched.
    async fn prepare(&self, _site: &Site) -> Result<(), WorldError> {
        Ok(())
    }

    /// Sends one request of a kind that the vocabulary declares and waits for its end, in bounded time.
    async fn send(&self, site: &Site, request: &str, number: u64) -> Answer;

    /// Watches the system and records what it sees, until it is dropped.
    async fn observe(&self, site: &Site, recorder: &Recorder);

    /// How much later than it happened, in system time, [`DockerSystem::observe`] may record something.
    fn observation_lag(&self, clock: &Clock) -> Duration;

    /// Takes a line that a service logged; it was received when the engine read it. By default it goes to
    /// the record.
    fn on_log(&self, _site: &Site, recorder: &Recorder, line: LogLine) {
        recorder.record_at(line.received, What::Log { service: line.service.0, line: line.text });
    }

    /// Takes notice of lines that came later than this world promises. A system whose signals or facts come
    /// from its logs should record that it was blind.
    fn on_late_log(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, within: Span) {
        let text = format!("the lines that {service} logged in this time came late");
        recorder.record(within, What::Note { text });
    }

    /// Takes notice of a service that ended without having been told to.
    fn on_exit(&self, _site: &Site, recorder: &Recorder, service: &ServiceName, how: &str, at: Span) {
        recorder.record(at, What::Note { text: format!("{service} {how}, unasked") });
    }
}

/// Where a container's image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageChoice {
    /// Pulled, or built on the spot.
    Recipe(Recipe),
    /// The engine has it, or can pull it, under this tag.
    Tag(String),
}

impl From<Recipe> for ImageChoice {
    fn from(recipe: Recipe) -> Self {
        Self::Recipe(recipe)
    }
}

impl From<&str> for ImageChoice {
    fn from(tag: &str) -> Self {
        Self::Tag(tag.to_owned())
    }
}

/// A service: what to run, and how to tell how it fares.
#[derive(Clone, Debug)]
pub struct ContainerPlan {
    pub(super) name: ServiceName,
    pub(super) image: ImageChoice,
    pub(super) port: u16,
    pub(super) after: Vec<ServiceName>,
    pub(super) ready: Ready,
    pub(super) ready_within: Duration,
    pub(super) canary: Canary,
    pub(super) grace: Duration,
    spec: ContainerSpec,
}

impl ContainerPlan {
    /// A service that listens on `port` of its container, and that is ready when, and whose canary is that, a
    /// GET of `health` is answered by 200. It has a minute to become ready and 5 s to end.
    pub fn new(name: &str, image: impl Into<ImageChoice>, port: u16, health: &str) -> Self {
        Self {
            name: name.into(),
            image: image.into(),
            port,
            after: Vec::new(),
            ready: Ready::Http { port, path: health.to_owned() },
            ready_within: Duration::from_secs(60),
            canary: Canary::Http(health.to_owned()),
            grace: Duration::from_secs(5),
            spec: ContainerSpec::new(name, "").port(port),
        }
    }

    /// The arguments that follow the image's entrypoint.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.spec = self.spec.command(args);
        self
    }

    /// The same with an environment variable more.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.spec = self.spec.env(name, value);
        self
    }

    /// The same with a file more, put in before the first start; `path` is absolute. World-readable.
    #[must_use]
    pub fn file(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.spec = self.spec.file(path, content);
        self
    }

    /// The same with a file more that only root can read there.
    #[must_use]
    pub fn secret(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.spec = self.spec.secret(path, content);
        self
    }

    /// The same with a file more that only root and root's group can read there.
    #[must_use]
    pub fn group_secret(mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.spec = self.spec.group_secret(path, content);
        self
    }

    /// The same with another port published; see [`Site::published`].
    #[must_use]
    pub fn publish(mut self, port: u16) -> Self {
        self.spec = self.spec.port(port);
        self
    }

    /// The same, started only once that service is ready.
    #[must_use]
    pub fn after(mut self, service: &str) -> Self {
        self.after.push(service.into());
        self
    }

    /// The same, ready under another condition, for which it has `within` after each start. Healed, it is
    /// ready when its canary is answered, unless the condition is an HTTP one.
    #[must_use]
    pub fn ready(mut self, ready: Ready, within: Duration) -> Self {
        (self.ready, self.ready_within) = (ready, within);
        self
    }

    /// The same, speaking TLS: readiness and canary, as they are now, are asked for over it.
    #[must_use]
    pub fn tls(mut self) -> Self {
        if let Ready::Http { port, path } = self.ready {
            self.ready = Ready::Https { port, path };
        }
        if let Canary::Http(path) = self.canary {
            self.canary = Canary::Https(path);
        }
        self
    }

    /// The same with another canary: an exchange that shows how it answers and disturbs nothing.
    #[must_use]
    pub fn canary(mut self, canary: Canary) -> Self {
        self.canary = canary;
        self
    }

    /// For how long, in whole seconds of real time, it may take to end after SIGTERM.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The container to start from the image of this tag.
    pub(super) fn spec(&self, image: &str) -> ContainerSpec {
        let mut spec = self.spec.clone().ready(self.ready.clone(), self.ready_within);
        image.clone_into(&mut spec.image);
        spec
    }
}
