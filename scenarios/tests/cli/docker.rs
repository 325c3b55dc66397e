//! The container world under bad luck: the engine dies under a run, the run dies over its containers.
//!
//! Needs an engine and `HARNESS_DOCKER=1`, as the profile `docker` has it.

mod deployments;

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness_core::owner::Owner;
use harness_docker::{Engine, cleanup};
use nix::sys::signal::Signal;

use crate::bench::{Bench, OUTAGE, Running, SOON, now, text};

/// Images may have to be built first; and a reaper tries an engine that is gone for a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// How soon a reaper has done its work once the engine is back: it asks again and again.
const BACK: Duration = Duration::from_secs(30);

/// Whether there is an engine to be used. Told loudly when not.
fn engine_is_ours() -> bool {
    let ours = std::env::var("HARNESS_DOCKER").is_ok_and(|value| value == "1");
    if !ours {
        eprintln!("\n*** SKIPPED: HARNESS_DOCKER is not 1, so nothing was tried with containers ***\n");
    }
    ours
}

/// Names of the containers and networks of a process.
fn owned_by(pid: u32) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = Engine::connect().await.unwrap();
        let owned = cleanup::list_owned(&engine).await.unwrap().into_iter();
        let of_pid = |owner: &str| owner.parse::<Owner>().is_ok_and(|owner| owner.pid() == pid);
        owned.filter(|(_, owner)| of_pid(owner)).map(|(name, _)| name).collect()
    })
}

fn start(bench: &Bench, engine: Option<&Relay>) -> Running {
    let file = bench.file("edge.yaml", OUTAGE);
    let mut command = bench.chaos(&["run", file, "--world=docker"]);
    if let Some(relay) = engine {
        command.env("DOCKER_HOST", relay.host());
    }
    let mut running = Running::start(&mut command);
    running.patience = PATIENCE;
    running
}

#[test]
fn ctrl_c_leaves_no_container() {
    if !engine_is_ours() {
        return;
    }
    let bench = Bench::new();
    let mut running = start(&bench, None);
    let pid = running.pid();
    running.await_line("✗ outage: opa stopped");
    assert!(owned_by(pid).len() >= 4, "three containers and their network");
    running.signal(Signal::SIGINT);
    let ended = running.ended().code(2);
    assert!(ended.err.contains("✓ outage healed"), "{}", ended.err);
    assert_eq!(owned_by(pid), Vec::<String>::new());
    bench.assert_clean();
}

/// In one of a few tries: what a busy machine adds to the others is no part of it.
#[test]
fn sigkill_leaves_no_container_within_a_second() {
    if !engine_is_ours() {
        return;
    }
    let fastest = (0..3).map(|_| sigkill_leaves_no_container()).find(|took| *took <= SOON);
    assert!(fastest.is_some(), "in none of three tries");
}

/// How long it took until nothing was left.
fn sigkill_leaves_no_container() -> Duration {
    let bench = Bench::new();
    let mut running = start(&bench, None);
    let pid = running.pid();
    running.await_line("✗ outage: opa stopped");
    assert!(owned_by(pid).len() >= 4, "three containers and their network");
    running.signal(Signal::SIGKILL);
    let killed = now();
    loop {
        let left = owned_by(pid);
        if left.is_empty() {
            break;
        }
        assert!(killed.elapsed() < PATIENCE, "after {:?}: {left:?}", killed.elapsed());
    }
    let took = killed.elapsed();
    println!("nothing left {took:?} after SIGKILL");
    assert_eq!(running.ended().code, 128 + 9);
    let healed = bench.run(&["heal"]).code(0);
    assert!(healed.out.contains("outage"), "{}", healed.out);
    bench.gone_within(PATIENCE);
    bench.assert_clean();
    took
}

/// The engine dies while a fault is in effect, and stays dead until the run has ended.
#[test]
fn an_engine_that_dies_is_told_and_once_it_is_back_nothing_stays() {
    if !engine_is_ours() {
        return;
    }
    let bench = Bench::new();
    let mut relay = Relay::start(&bench.path("docker.sock"));
    let mut running = start(&bench, Some(&relay));
    let pid = running.pid();
    running.await_line("✗ outage: opa stopped");
    relay.cut();
    let cut = now();
    assert!(owned_by(pid).len() >= 4, "they are there, and out of the run's reach");
    let ended = running.ended().code(70).says(&[
        "no Docker engine at unix://",
        "docker.sock any more",
        "help: ",
        "`chaos heal`",
        "what was recorded: out/edge.outage.docker",
    ]);
    assert!(cut.elapsed() < Duration::from_secs(60), "{:?}", cut.elapsed());
    assert!(ended.err.contains("ended early: no Docker engine"), "{}", ended.err);
    let rendered = bench.run(&["report", text(&bench.the_run())]);
    assert!(rendered.out.contains("edge.outage.docker"), "{}", rendered.out);

    relay.mend();
    let mut heal = bench.chaos(&["heal"]);
    heal.env("DOCKER_HOST", relay.host());
    Running::start(&mut heal).ended().code(0);
    assert_eq!(owned_by(pid), Vec::<String>::new());
    // The reaper goes when it has looked once more.
    bench.gone_within(BACK);
    assert!(!bench.the_run().join("undo.jsonl").exists());
}

/// The engine is gone for a moment and comes back: the run's own reaper does what the run could not.
#[test]
fn an_engine_that_comes_back_finds_the_reaper_waiting() {
    if !engine_is_ours() {
        return;
    }
    let bench = Bench::new();
    let mut relay = Relay::start(&bench.path("docker.sock"));
    let mut running = start(&bench, Some(&relay));
    let pid = running.pid();
    running.await_line("✗ outage: opa stopped");
    relay.cut();
    assert!(owned_by(pid).len() >= 4, "they are there, and out of the run's reach");
    // From here on they are nobody's: runs that start beside this test may remove them, too.
    running.signal(Signal::SIGKILL);
    std::thread::sleep(Duration::from_secs(2));
    relay.mend();
    let back = now();
    while !owned_by(pid).is_empty() {
        assert!(back.elapsed() < BACK, "{:?}", owned_by(pid));
    }
    running.ended();
    bench.gone_within(PATIENCE);
    bench.run(&["heal"]).code(0);
    bench.assert_clean();
}

/// Stands between the command and the engine, so that the engine can be taken away from it alone.
struct Relay {
    path: PathBuf,
    line: Arc<Line>,
}

/// The relay until it is cut.
#[derive(Default)]
struct Line {
    cut: AtomicBool,
    streams: Mutex<Vec<UnixStream>>,
}

fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").ok();
    let path =
        host.as_deref().and_then(|host| host.strip_prefix("unix://")).unwrap_or("/var/run/docker.sock");
    path.into()
}

impl Relay {
    fn start(path: &Path) -> Self {
        let mut relay = Self { path: path.to_owned(), line: Arc::default() };
        relay.mend();
        relay
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// From here on nobody listens, and every connection is gone.
    fn cut(&mut self) {
        self.line.cut.store(true, Ordering::SeqCst);
        std::fs::remove_file(&self.path).unwrap();
        for stream in self.line.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&mut self) {
        let listener = UnixListener::bind(&self.path).unwrap();
        let line = Arc::new(Line::default());
        self.line = Arc::clone(&line);
        std::thread::spawn(move || {
            for near in listener.incoming() {
                if line.cut.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(near) = near {
                    let _ = line.carry(&near);
                }
            }
        });
    }
}

impl Line {
    /// Carries bytes both ways, ends included.
    fn carry(&self, near: &UnixStream) -> io::Result<()> {
        let far = UnixStream::connect(engine_socket())?;
        self.streams.lock().unwrap().extend([near.try_clone()?, far.try_clone()?]);
        let ways = [(near.try_clone()?, far.try_clone()?), (far, near.try_clone()?)];
        for (mut from, mut to) in ways {
            std::thread::spawn(move || {
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        Ok(())
    }
}
