//! However it ends, nothing is left: taken down, dropped, interrupted, killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use harness_core::fault::Fault;
use harness_core::world::{World, WorldError};
use harness_local::clock::Clock;
use harness_local::heartbeat::Heartbeat;
use harness_local::procfs::ProcessId;
use libtest_mimic::Trial;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bed::{Bed, Pair, SLACK, config, now, part, trial, until};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("nothing_is_left_a_second_after_the_owner_was_killed", killed),
        trial("nothing_is_left_of_a_world_that_was_dropped", dropped),
        trial("nothing_is_left_of_a_start_that_was_interrupted", interrupted),
        trial("a_daemon_that_left_its_group_is_ended_with_its_world", daemon),
        trial("a_reaper_that_is_none_is_an_error_before_anything_starts", no_reaper),
        trial("a_machine_that_stood_still_is_noticed", stood_still),
    ]
}

/// The part that is killed: brings a world up, tells what there is, and waits.
pub(crate) fn owner(_: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let bed = Bed::started(Pair { quirks: vec!["daemon"], ..Pair::default() }).await;
        bed.world
            .inject("frozen", &Fault::Pause("front".into()))
            .await
            .unwrap()
            .expect("the effect is shown");
        let site = bed.world.site().expect("it has started");
        println!("folder {}", site.folder("back").parent().expect("it has one").display());
        println!("port {}", bed.address("back").port());
        println!("port {}", bed.address("front").port());
        println!("journal {}", bed.folder.path().join("undo.jsonl").display());
        println!("up");
        std::future::pending::<()>().await;
    });
    ExitCode::FAILURE
}

/// Everything below this process, by parentage or by the mark of its world.
fn descendants(of: u32) -> BTreeSet<ProcessId> {
    let mark = format!("CHAOS_WORLD={}", boot_and(of));
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let pids: Vec<i32> = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    let marked = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()))
    };
    let child = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|line| line.strip_prefix("PPid:\t").is_some_and(|parent| parent == of.to_string()))
    };
    pids.into_iter().filter(|pid| marked(pid) || child(pid)).filter_map(ProcessId::of).collect()
}

fn boot_and(pid: u32) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    format!("{}.{pid}.", boot.trim())
}

/// In one of a few tries: what a busy machine adds to the others is no part of it.
async fn killed() {
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(gone_after_a_kill().await);
        if all.iter().any(|took| *took <= Duration::from_secs(1)) {
            return;
        }
    }
    panic!("nothing is left, but after {all:?}");
}

/// How long it took until nothing was left.
async fn gone_after_a_kill() -> Duration {
    let exe = std::env::current_exe().unwrap();
    let mut owner = Command::new(exe).arg("part-owner").stdout(Stdio::piped()).spawn().unwrap();
    let (mut folder, mut journal, mut ports) = (PathBuf::new(), PathBuf::new(), Vec::new());
    for line in BufReader::new(owner.stdout.take().unwrap()).lines() {
        match line.unwrap().split_once(' ') {
            Some(("folder", path)) => folder = path.into(),
            Some(("journal", path)) => journal = path.into(),
            Some(("port", port)) => ports.push(port.parse::<u16>().unwrap()),
            _ => break,
        }
    }
    let all = descendants(owner.id());
    assert!(all.len() >= 4, "two services, a daemon and the reaper: {all:?}");
    assert!(all.iter().all(|process| process.is_alive()) && folder.is_dir() && ports.len() == 2);

    owner.kill().unwrap();
    let nothing_is_left = || !all.iter().any(|process| process.is_alive()) && !folder.exists();
    let took = until(SLACK, "nothing is left", nothing_is_left).await;
    for port in ports {
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "{port} is still in use");
    }
    owner.wait().unwrap();

    // What the journal says is still to undo can be undone, by whoever comes.
    let left = harness_core::journal::Journal::open(&journal).unwrap();
    let inverses: Vec<_> = left.open_inverses().collect();
    assert!(inverses.len() == 1 && !inverses[0].owner.is_alive());
    harness_local::undo::heal(&inverses[0].action).unwrap();
    assert!(!all.iter().any(|process| process.is_alive()), "undoing brings nothing back");
    std::fs::remove_dir_all(journal.parent().unwrap()).unwrap();
    took
}

async fn dropped() {
    let bed = Bed::started(Pair { quirks: vec!["daemon"], ..Pair::default() }).await;
    let folder = bed.world.site().unwrap().folder("back");
    let addresses = [bed.address("back"), bed.address("front")];
    assert!(folder.is_dir());
    drop(bed);
    assert!(!folder.exists());
    for address in addresses {
        assert!(TcpListener::bind(address).is_ok(), "{address} is still in use");
    }
}

async fn interrupted() {
    let bed = Bed::new(Pair { quirks: vec!["mute"], ..Pair::default() });
    let laid = async {
        until(SLACK, "the ground is laid", || bed.world.site().is_some()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    tokio::select! {
        biased;
        started = bed.world.start() => panic!("{started:?}, though it says nothing"),
        () = laid => {}
    }
    let folder = bed.world.site().unwrap().folder("back");
    bed.stop().await;
    assert!(!folder.exists());
}

async fn daemon() {
    let bed = Bed::started(Pair { quirks: vec!["daemon"], ..Pair::default() }).await;
    let sleeping = || {
        let ours = descendants(std::process::id());
        let line = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let folder = bed.world.site().map(|site| site.folder("back"));
        let within = |pid: i32| std::fs::read_link(format!("/proc/{pid}/cwd")).ok() == folder;
        ours.into_iter().find(|process| line(process.pid).starts_with(b"sleep") && within(process.pid))
    };
    // It may not be what it will be yet.
    until(SLACK, "the daemon runs", || sleeping().is_some()).await;
    let daemon = sleeping().expect("it goes on");
    bed.stop().await;
    assert!(!daemon.is_alive());
}

async fn no_reaper() {
    let mut config = config();
    config.reaper = part("--list");
    let folder = tempfile::tempdir().unwrap();
    let journal = harness_core::journal::Journal::open(&folder.path().join("undo.jsonl")).unwrap();
    let journal = std::rc::Rc::new(std::cell::RefCell::new(journal));
    let world = harness_local::LocalWorld::new(Pair::default(), config, journal).unwrap();
    let error = world.start().await.unwrap_err();
    assert!(matches!(&error, WorldError::Ground { problem, .. } if problem.contains("reaper")), "{error}");
    assert_eq!(world.stop().await, Vec::<String>::new());
}

/// The part that is frozen: tells every stall that it notices.
pub(crate) fn heart() -> ExitCode {
    let (_heartbeat, mut stalls) = Heartbeat::start(Clock::start(1.0).unwrap()).unwrap();
    // Should nobody end it.
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(10));
        std::process::exit(1);
    });
    println!("beating");
    while let Some(stall) = stalls.blocking_recv() {
        println!("{}", stall.width().as_millis());
    }
    ExitCode::FAILURE
}

async fn stood_still() {
    let exe = std::env::current_exe().unwrap();
    let mut heart = Command::new(exe).arg("part-heart").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(heart.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "beating");
    let signal = |heart: &Child, signal| kill(Pid::from_raw(heart.id().try_into().unwrap()), signal).unwrap();
    // A busy machine stalls by itself now and then, for shorter and for longer, and makes these longer, too.
    let mut all = Vec::new();
    let noticed = (0..5).any(|_| {
        let began = now();
        signal(&heart, Signal::SIGSTOP);
        std::thread::sleep(Duration::from_millis(300));
        signal(&heart, Signal::SIGCONT);
        let made = 250..=(now() - began).as_millis() + 100;
        let told: Option<u128> =
            lines.by_ref().map(|line| line.unwrap().parse().unwrap()).find(|ms| *ms >= *made.start());
        all.push((told, made.clone()));
        told.is_some_and(|ms| made.contains(&ms))
    });
    assert!(noticed, "{all:?}");
    heart.kill().unwrap();
    heart.wait().unwrap();
}
