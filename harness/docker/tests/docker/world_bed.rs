//! What the tests of the world share: OPA, called by this program over an edge.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use harness_core::event::Answer;
use harness_core::fault::Edge;
use harness_core::journal::Journal;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::{World, WorldError};
use harness_docker::world::{ContainerPlan, DockerConfig, DockerSystem, DockerWorld, Site};
use harness_docker::{Recipe, Source};
use harness_local::Canary;
use harness_local::canary::Outcome as Met;
use harness_local::clock::Clock;
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

use crate::support::{OPA, OPA_PORT, Outcome, POLICY, TOXIPROXY, block_on, check, me, now, reaper};

/// The most that an undisturbed call takes.
pub(crate) const SLACK: Duration = Duration::from_millis(500);
/// For how long a request waits for its answer: silence.
pub(crate) const SILENCE: Duration = Duration::from_secs(1);
/// How many requests may be slow before it is not the machine that made them so.
const TRIES: usize = 4;
/// How often the watcher asks OPA, and how long it waits.
const POLL: Duration = Duration::from_millis(100);
const POLL_ANSWER: Duration = Duration::from_millis(500);

/// OPA, called by `caller`, which is this program. Its signal `opa` is `up` or `down`, as polls over the edge tell.
#[derive(Clone)]
pub(crate) struct Decider {
    pub(crate) policy: &'static str,
    /// A watcher that does not look: to it OPA is always up.
    pub(crate) blind: bool,
    /// Another service, `second`, planned before OPA and started after it.
    pub(crate) two: bool,
}

impl Default for Decider {
    fn default() -> Self {
        Self { policy: POLICY, blind: false, two: false }
    }
}

impl DockerSystem for Decider {
    fn plan(&self, site: &Site) -> Result<Vec<ContainerPlan>, WorldError> {
        site.via("caller", "opa")?;
        let recipe = Recipe::parse(OPA).map_err(|error| WorldError::Failed(error.to_string()))?;
        let opa = ContainerPlan::new("opa", recipe, OPA_PORT, "/health")
            .args(["run", "--server", "--addr=0.0.0.0:8181", "/policy.rego"])
            .file("/policy.rego", self.policy);
        if !self.two {
            return Ok(vec![opa]);
        }
        let recipe = Recipe::parse(OPA).map_err(|error| WorldError::Failed(error.to_string()))?;
        let second = ContainerPlan::new("second", recipe, OPA_PORT, "/health")
            .args(["run", "--server", "--addr=0.0.0.0:8181"])
            .after("opa");
        Ok(vec![second, opa])
    }

    async fn send(&self, site: &Site, _: &str, _: u64) -> Answer {
        let Ok(edge) = site.via("caller", "opa") else { return Answer::new("unavailable") };
        let met = Canary::Http("/v1/data/t/allow".into()).send(edge, 0, SILENCE).await;
        Answer::new(class(&met)).with("met", met.to_string())
    }

    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let Ok(edge) = site.via("caller", "opa") else { return };
        let mut last = site.clock().now();
        loop {
            let asked = site.clock().now();
            let met = Canary::Http("/health".into()).send(edge, 0, POLL_ANSWER).await;
            let value = if self.blind || met.answer().is_some() { "up" } else { "down" };
            recorder.signal(Span::between(last, site.clock().now()), "opa", value);
            last = asked;
            tokio::time::sleep(POLL).await;
        }
    }

    fn observation_lag(&self, clock: &Clock) -> Duration {
        clock.system(POLL + POLL_ANSWER)
    }
}

pub(crate) fn class(met: &Met) -> &'static str {
    match met {
        Met::Answered(heard) if heard.status == Some(200) => "ok",
        Met::Answered(_) => "wrong",
        Met::Refused => "refused",
        Met::Silent(_) => "silent",
        Met::Ended { reset: true, .. } => "reset",
        Met::Ended { reset: false, .. } => "cut short",
        Met::Unreachable(_) => "unreachable",
    }
}

/// A world of it with a journal in a folder of its own.
pub(crate) struct Bed {
    pub(crate) world: DockerWorld<Decider>,
    pub(crate) journal: Rc<RefCell<Journal>>,
    pub(crate) folder: TempDir,
}

impl Bed {
    pub(crate) fn new(system: Decider, speed: f64) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let journal = Rc::new(RefCell::new(Journal::open(&folder.path().join("undo.jsonl"))?));
        let config = DockerConfig {
            speed,
            seed: 7,
            owner: reaper().watched().clone(),
            images: Source::Auto,
            executable: me(),
            toxiproxy: Recipe::parse(TOXIPROXY)?,
            interceptor: None,
        };
        let world = DockerWorld::new(system, config, Rc::clone(&journal))?;
        Ok(Self { world, journal, folder })
    }

    pub(crate) async fn started(system: Decider) -> Result<Self, Failed> {
        let bed = Self::new(system, 1.0)?;
        let began = now();
        let outcome = bed.world.start().await;
        println!("set up in {:.2?}", began.elapsed());
        match outcome {
            Ok(()) => Ok(bed),
            Err(error) => {
                bed.world.stop().await;
                Err(error.into())
            }
        }
    }

    pub(crate) fn edge(&self) -> Result<SocketAddr, Failed> {
        Ok(self.world.site().ok_or("it has started")?.via("caller", "opa")?)
    }

    /// What a request over the edge met, and how long it took. It is longer by `padding` bytes.
    pub(crate) async fn meet(
        &self,
        padding: usize,
        limit: Duration,
    ) -> Result<(&'static str, Duration), Failed> {
        let (edge, began) = (self.edge()?, now());
        let met = Canary::Http("/health".into()).send(edge, padding, limit).await;
        Ok((class(&met), began.elapsed()))
    }

    /// Fails unless a request meets that, and as fast as that: the fastest of a few, for what a busy machine
    /// adds to one is no part of it. None may be faster, or meet anything else but silence.
    pub(crate) async fn meets(
        &self,
        expected: &'static str,
        padding: usize,
        bounds: Range<Duration>,
    ) -> Outcome {
        let mut met = Vec::new();
        let limit = if expected == "silent" { bounds.start } else { bounds.end.max(SILENCE) };
        for _ in 0..TRIES {
            let (class, took) = self.meet(padding, limit).await?;
            met.push(format!("{class} after {took:.1?}"));
            if class == expected && bounds.contains(&took) {
                return Ok(());
            }
            if took < bounds.start || (class != expected && class != "silent") {
                break;
            }
        }
        Err(format!("{met:?}, not {expected} in {bounds:?}").into())
    }

    /// Fails unless a request is answered as if nothing had ever been broken.
    pub(crate) async fn undisturbed(&self) -> Outcome {
        self.meets("ok", 0, Duration::ZERO..SLACK).await
    }

    pub(crate) fn open_inverses(&self) -> usize {
        self.journal.borrow().open_inverses().count()
    }
}

pub(crate) fn edge() -> Edge {
    Edge::new("caller", "opa")
}

/// A test in a world that has started. Whatever comes of it, the world is stopped and must leave nothing.
pub(crate) fn trial(name: &str, test: impl AsyncFnOnce(&Bed) -> Outcome + Send + 'static) -> Trial {
    Trial::test(format!("docker::world/{name}"), move || {
        block_on(async {
            let bed = Bed::started(Decider::default()).await?;
            let outcome = test(&bed).await;
            let left = bed.world.stop().await;
            outcome?;
            check(left.is_empty(), format!("left behind: {left:?}"))?;
            check(bed.open_inverses() == 0, "an inverse is still open")
        })
    })
}
