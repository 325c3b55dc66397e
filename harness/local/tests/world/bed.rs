//! What the tests share: a system of two services, a world of it, and a clock.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use harness_core::event::Answer;
use harness_core::journal::Journal;
use harness_core::recorder::Recorder;
use harness_core::time::Span;
use harness_core::world::{World, WorldError};
use harness_local::canary::Outcome;
use harness_local::clock::Clock;
use harness_local::{
    Canary, Identity, LocalConfig, LocalSystem, LocalWorld, ServiceSpec, Site, WatcherCommand,
};
use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

/// The speed of most tests: ten system seconds in a real one.
pub(crate) const SPEED: f64 = 10.0;
/// What the poll of the edge met: a class, or `slow`.
pub(crate) const SIGNAL: &str = "front/work";
const POLL: Duration = Duration::from_millis(10);
const IN_A_ROW: u32 = 5;
const POLL_LIMIT: Duration = Duration::from_millis(300);
const SLOW: Duration = Duration::from_millis(150);
/// How soon anything shows on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(5);
/// The most that the fastest of a few calls over loopback takes.
pub(crate) const HICCUP: Duration = Duration::from_millis(400);

/// `front` calls `back`, and a client calls `front`. Both answer everything with 200.
#[derive(Default)]
pub(crate) struct Pair {
    /// Words that give `back` a quirk, see [`crate::serve`].
    pub(crate) quirks: Vec<&'static str>,
    /// What `back` proves itself with, where it speaks TLS.
    pub(crate) identity: Option<Identity>,
    /// For how long `back` may not be ready.
    pub(crate) ready_within: Option<Duration>,
}

impl LocalSystem for Pair {
    fn plan(&self, site: &Site) -> Result<Vec<ServiceSpec>, WorldError> {
        let back = site.address("back")?.to_string();
        let front = site.address("front")?.to_string();
        site.via("front", "back")?;
        let exe = std::env::current_exe().expect("this executable is there");
        let mut spec = ServiceSpec::new("back", &exe, "/health")
            .args(["part-serve".to_owned(), back])
            .args(self.quirks.iter().copied())
            .file("conf/back.conf", "quiet = false\n");
        if let Some(identity) = &self.identity {
            let (chain, key) = (identity.chain.clone(), identity.key.clone());
            spec = spec.args(["tls"]).file("tls.pem", chain).file("tls.key", key).tls(identity.clone());
        }
        spec.ready_within = self.ready_within.unwrap_or(spec.ready_within);
        Ok(vec![
            ServiceSpec::new("front", &exe, "/health").args(["part-serve".to_owned(), front]).after("back"),
            spec,
        ])
    }

    /// Over the edge, whatever `request` is: the class is what came of it.
    async fn send(&self, site: &Site, _: &str, _: u64) -> Answer {
        let edge = site.via("front", "back").expect("the edge is planned");
        let outcome = self.canary("/work").send(edge, 0, Duration::from_secs(2)).await;
        Answer::new(class(&outcome)).with("outcome", outcome.to_string())
    }

    /// Polls the edge: [`SIGNAL`] is what came of it [`IN_A_ROW`] times. So it turns that much later
    /// than the edge itself, as a breaker does, and surely after what made it turn.
    async fn observe(&self, site: &Site, recorder: &Recorder) {
        let edge = site.via("front", "back").expect("the edge is planned");
        let (mut met, mut times) = ("", 0);
        loop {
            let outcome = self.canary("/health").send(edge, 0, POLL_LIMIT).await;
            let slow = outcome.answer().is_some_and(|heard| heard.whole > SLOW);
            let value = if slow { "slow" } else { class(&outcome) };
            times = if met == value { times + 1 } else { 1 };
            met = value;
            if times == IN_A_ROW {
                recorder.signal(Span::exactly(site.clock().now()), SIGNAL, value);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn observation_lag(&self, clock: &Clock) -> Duration {
        clock.system(2 * POLL_LIMIT + POLL)
    }
}

impl Pair {
    /// The same over TLS.
    pub(crate) fn over_tls() -> Self {
        let identity = Identity::foreign(&["localhost".to_owned()]).expect("a name that can be certified");
        Self { identity: Some(identity), ..Self::default() }
    }

    fn canary(&self, path: &str) -> Canary {
        if self.identity.is_some() { Canary::Https(path.into()) } else { Canary::Http(path.into()) }
    }
}

fn class(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Answered(heard) if heard.status == Some(200) => "ok",
        Outcome::Answered(_) => "wrong",
        Outcome::Refused => "refused",
        Outcome::Silent(_) => "silent",
        Outcome::Ended { reset: true, .. } => "reset",
        Outcome::Ended { reset: false, .. } => "cut short",
        Outcome::Unreachable(_) => "unreachable",
    }
}

/// A world with what it needs around it.
pub(crate) struct Bed {
    pub(crate) world: LocalWorld<Pair>,
    pub(crate) journal: Rc<RefCell<Journal>>,
    pub(crate) folder: TempDir,
}

impl Bed {
    pub(crate) fn new(pair: Pair) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary directory");
        let journal = Journal::open(&folder.path().join("undo.jsonl")).expect("a journal can be opened");
        let journal = Rc::new(RefCell::new(journal));
        let world = LocalWorld::new(pair, config(), Rc::clone(&journal)).expect("the speed is possible");
        Self { world, journal, folder }
    }

    pub(crate) async fn started(pair: Pair) -> Self {
        let bed = Self::new(pair);
        bed.world.start().await.unwrap_or_else(|error| panic!("{error}"));
        bed
    }

    /// Sends a request over the edge: what came of it, and how long it took.
    pub(crate) async fn send(&self) -> (String, Duration) {
        let began = now();
        let answer = self.world.send("work", 0).await;
        (answer.class, now() - began)
    }

    /// The fastest of a few: what a busy machine adds to one is no part of it.
    pub(crate) async fn fastest(&self) -> (String, Duration) {
        let mut fastest = self.send().await;
        for _ in 0..4 {
            if fastest.0 != "ok" || fastest.1 < HICCUP {
                break;
            }
            let (class, took) = self.send().await;
            fastest = (class, took.min(fastest.1));
        }
        fastest
    }

    pub(crate) fn address(&self, service: &str) -> SocketAddr {
        let topology = self.world.site().expect("the world has started");
        topology.address(service).expect("the service is planned")
    }

    pub(crate) async fn stop(self) {
        assert_eq!(self.world.stop().await, Vec::<String>::new());
        assert_eq!(self.journal.borrow().open_inverses().count(), 0, "nothing is left to undo");
    }
}

pub(crate) fn config() -> LocalConfig {
    LocalConfig { speed: SPEED, seed: 7, reaper: part("part-reaper") }
}

pub(crate) fn part(word: &str) -> WatcherCommand {
    let program = std::env::current_exe().expect("this executable is there");
    WatcherCommand { program, args: vec![word.to_owned()] }
}

/// A test that runs as the harness does: on one thread.
pub(crate) fn trial<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failed::from(error.to_string()))?;
        runtime.block_on(test());
        Ok(())
    })
}

#[expect(clippy::disallowed_methods, reason = "real processes are measured in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until something holds, for at most `limit`; returns how long it took.
pub(crate) async fn until(limit: Duration, what: &str, holds: impl Fn() -> bool) -> Duration {
    let began = now();
    while !holds() {
        assert!(now() - began < limit, "after {limit:?} still not so: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    now() - began
}
