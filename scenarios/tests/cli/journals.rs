//! `chaos heal` on journals of the living and the dead, whole, cut and damaged.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use harness_core::journal::Journal;
use harness_core::owner::Owner;
use harness_core::world::WorldKind;
use serde_json::{Value, json};

use crate::bench::{Bench, OUTAGE};

/// An owner that was a process a moment ago.
fn dead() -> Owner {
    let (boot, ..) = me();
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    format!("{boot}.{pid}.1").parse().unwrap()
}

fn me() -> (String, Owner) {
    let me = Owner::current().unwrap();
    let text = me.to_string();
    (text.rsplitn(3, '.').last().unwrap().to_owned(), me)
}

fn ends_with_owner() -> Value {
    json!({"undo": "ends-with-owner"})
}

/// A journal as a run that ended leaves it: with these inverses open.
fn journal(bench: &Bench, run: &str, open: &[(&Owner, &str, Value)]) -> PathBuf {
    let folder = bench.reports().join(run);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("undo.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    for (owner, about, action) in open {
        journal.about_to(owner, WorldKind::Local, about, action.clone()).unwrap();
    }
    path
}

#[test]
fn nothing_to_heal_is_said_and_is_no_error() {
    let bench = Bench::new();
    let ended = bench.run(&["heal"]).code(0);
    assert!(ended.out.contains("nothing to heal"), "{}", ended.out);
    assert!(!bench.reports().exists());
}

#[test]
fn what_the_dead_left_open_is_undone_newest_first() {
    let bench = Bench::new();
    let dead = dead();
    let path =
        journal(&bench, "a", &[(&dead, "first", ends_with_owner()), (&dead, "second", ends_with_owner())]);
    let ended = bench.run(&["heal"]).code(0);
    let (first, second) = (ended.out.find("first: ").unwrap(), ended.out.find("second: ").unwrap());
    assert!(second < first, "{}", ended.out);
    assert!(!path.exists());
    let again = bench.run(&["heal"]).code(0);
    assert!(again.out.contains("nothing to heal"), "{}", again.out);
}

/// The frozen process really goes on.
#[test]
fn a_process_that_the_dead_froze_is_continued() {
    let bench = Bench::new();
    let mut sleeper = Command::new("setsid").args(["sleep", "60"]).spawn().unwrap();
    let process = harness_local::procfs::ProcessId::of(sleeper.id().try_into().unwrap()).unwrap();
    let pid = nix::unistd::Pid::from_raw(process.pid);
    // `setsid` made it the leader of a group of its own.
    while nix::unistd::getpgid(Some(pid)) != Ok(pid) {
        std::thread::yield_now();
    }
    nix::sys::signal::killpg(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    while process.state() != Some('T') {
        std::thread::yield_now();
    }
    let undo = json!({"undo": "continue", "process": {"pid": process.pid, "start": process.start}});
    let path = journal(&bench, "a", &[(&dead(), "frozen", undo)]);

    let foreseen = bench.run(&["heal", "--dry-run"]).code(0);
    assert!(foreseen.out.contains("frozen: would be undone"), "{}", foreseen.out);
    assert_eq!(process.state(), Some('T'), "a dry run does nothing");

    let ended = bench.run(&["heal"]).code(0);
    assert!(ended.out.contains(&format!("frozen: continued pid {}", process.pid)), "{}", ended.out);
    assert_ne!(process.state(), Some('T'));
    assert!(!path.exists());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn what_the_living_broke_is_left_to_them() {
    let bench = Bench::new();
    let (_, me) = me();
    let path = journal(&bench, "a", &[(&me, "mine", ends_with_owner())]);
    let before = fs::read(&path).unwrap();
    let ended = bench.run(&["heal"]).code(0);
    assert!(ended.out.contains(&format!("mine: left to pid {}", std::process::id())), "{}", ended.out);
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// Even one in which nothing is open at the moment: the next fault's inverse goes there.
#[test]
fn a_journal_that_a_run_has_open_is_not_touched() {
    let bench = Bench::new();
    fs::create_dir_all(bench.reports().join("a")).unwrap();
    let path = bench.reports().join("a/undo.jsonl");
    let mut journal = Journal::open(&path).unwrap();
    bench.run(&["heal"]).code(0);
    journal.about_to(&dead(), WorldKind::Local, "later", ends_with_owner()).unwrap();
    assert_eq!(Journal::look(&path).unwrap().len(), 1);
}

#[test]
fn a_journal_cut_in_the_middle_of_a_line_is_healed_as_far_as_it_goes() {
    let dead = dead();
    let lines = {
        let bench = Bench::new();
        fs::read(journal(
            &bench,
            "a",
            &[(&dead, "first", ends_with_owner()), (&dead, "second", ends_with_owner())],
        ))
        .unwrap()
    };
    let whole = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in [1, whole - 1, whole, whole + 1, lines.len() - 1] {
        let bench = Bench::new();
        let folder = bench.reports().join("a");
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("undo.jsonl");
        fs::write(&path, &lines[..cut]).unwrap();

        bench.run(&["heal", "--dry-run"]).code(0);
        assert_eq!(fs::read(&path).unwrap(), &lines[..cut], "a dry run changes nothing");
        let ended = bench.run(&["heal"]).code(0);
        assert_eq!(ended.out.contains("first: "), cut >= whole, "{}", ended.out);
        assert!(
            !ended.out.contains("second: "),
            "its line was never whole, so it was never broken: {}",
            ended.out
        );
        assert!(!path.exists());
    }
}

#[test]
fn a_damaged_journal_is_told_and_kept_and_the_others_are_healed() {
    let bench = Bench::new();
    let good = journal(&bench, "b", &[(&dead(), "good", ends_with_owner())]);
    let folder = bench.reports().join("a");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("undo.jsonl"), "rubbish\n{}\n").unwrap();
    let ended = bench.run(&["heal"]).code(70).says(&["a/undo.jsonl", "damaged", "help:"]);
    assert!(ended.out.contains("good: "), "{}", ended.out);
    assert!(folder.join("undo.jsonl").exists() && !good.exists());
}

#[test]
fn what_can_not_be_undone_is_told_and_kept() {
    let bench = Bench::new();
    let path = journal(&bench, "a", &[(&dead(), "odd", json!({"undo": "reboot"}))]);
    bench.run(&["heal"]).code(70).says(&["odd: ", "reboot", "help:"]);
    assert_eq!(Journal::look(&path).unwrap().len(), 1);
}

/// Whoever comes next heals, too, without being told to.
#[test]
fn the_next_run_heals_what_an_earlier_one_left() {
    let bench = Bench::new();
    let path = journal(&bench, "a", &[(&dead(), "outage", ends_with_owner())]);
    let file = bench.file("edge.yaml", OUTAGE);
    bench.run(&["run", file, "--world=virtual"]).code(0).says(&["from a run that died: outage: "]);
    assert!(!path.exists());
}
