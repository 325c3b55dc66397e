//! Ends a world's processes and removes its scratch folders once its owner is gone.
//!
//! The owner registers what it starts; the reaper's process learns of the owner's death through the
//! [death watch](crate::deathwatch). What was started in the instant before the death, and not yet
//! registered, is known by the [mark](crate::procfs::MARK) in its environment.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};

use crate::deathwatch::{DeathWatch, Ending, WatcherCommand, watch};
use crate::procfs::{ProcessId, marked};
use crate::scratch::is_scratch;

/// The pause between two looks at what is left.
const ROUND: Duration = Duration::from_millis(5);
/// A process between fork and exec does not bear its mark yet, so nothing left must be seen this often.
const CLEAN_ROUNDS: u32 = 4;
/// When to give up: some processes don't die, as those in uninterruptible sleep.
const ROUNDS: u32 = 2_000;

/// The owner's side of a reaper. Dropping it ends everything registered.
#[derive(Debug)]
pub struct Reaper {
    watch: DeathWatch,
    mark: String,
}

impl Reaper {
    /// Starts a reaper for the processes that bear `mark`. `command` must lead to [`main`].
    ///
    /// # Errors
    /// As [`DeathWatch::arm`].
    pub fn arm(command: &WatcherCommand, mark: &str) -> io::Result<Self> {
        let watch = DeathWatch::arm(command)?;
        watch.tell(&Line::Mark(mark.to_owned()).to_string())?;
        Ok(Self { watch, mark: mark.to_owned() })
    }

    /// The mark that every process started for this world must bear.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Registers the leader of a process group.
    ///
    /// # Errors
    /// When the reaper is gone: nothing should be started then.
    pub fn group_started(&self, leader: ProcessId) -> io::Result<()> {
        self.watch.tell(&Line::GroupStarted(leader).to_string())
    }

    /// Takes a group off the register.
    ///
    /// # Errors
    /// When the reaper is gone.
    pub fn group_ended(&self, leader: ProcessId) -> io::Result<()> {
        self.watch.tell(&Line::GroupEnded(leader).to_string())
    }

    /// Registers a folder of a world. Others are refused.
    ///
    /// # Errors
    /// When it lies elsewhere, or the reaper is gone.
    pub fn folder_made(&self, folder: &Path) -> io::Result<()> {
        if !is_scratch(folder) {
            let why = format!("{} is not where folders of worlds are", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.watch.tell(&Line::FolderMade(folder.to_owned()).to_string())
    }

    /// The reaper's pid.
    pub fn pid(&self) -> u32 {
        self.watch.watcher_pid()
    }

    /// Lets the reaper go: everything was ended in good order.
    ///
    /// # Errors
    /// When it was gone before.
    pub fn dismiss(self) -> io::Result<()> {
        self.watch.dismiss()
    }
}

/// The reaper's process: what the hidden subcommand of the executable calls.
pub fn main() -> ExitCode {
    let mut ledger = Ledger::default();
    match watch(|line| ledger.note(line)) {
        Ok(Ending::Dismissed) => ExitCode::SUCCESS,
        Ok(Ending::OwnerGone) | Err(_) => {
            if ledger.reap() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Line {
    Mark(String),
    GroupStarted(ProcessId),
    GroupEnded(ProcessId),
    FolderMade(PathBuf),
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mark(mark) => write!(f, "+mark {mark}"),
            Self::GroupStarted(ProcessId { pid, start }) => write!(f, "+group {pid} {start}"),
            Self::GroupEnded(ProcessId { pid, start }) => write!(f, "-group {pid} {start}"),
            Self::FolderMade(folder) => write!(f, "+folder {}", folder.display()),
        }
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let (verb, rest) = line.split_once(' ')?;
        let group = || {
            let (pid, start) = rest.split_once(' ')?;
            // 0, 1 and negative numbers address other things than one group.
            let pid = pid.parse().ok().filter(|pid| *pid > 1)?;
            Some(ProcessId { pid, start: start.parse().ok()? })
        };
        match verb {
            "+mark" if !rest.is_empty() => Some(Self::Mark(rest.to_owned())),
            "+group" => group().map(Self::GroupStarted),
            "-group" => group().map(Self::GroupEnded),
            "+folder" => Some(Self::FolderMade(rest.into())),
            _ => None,
        }
    }
}

/// What is to be ended and removed.
#[derive(Debug, Default, PartialEq)]
struct Ledger {
    mark: Option<String>,
    groups: BTreeSet<ProcessId>,
    folders: BTreeSet<PathBuf>,
}

impl Ledger {
    /// Takes a line of the owner. One that can't be read changes nothing.
    fn note(&mut self, line: &str) {
        match Line::parse(line) {
            Some(Line::Mark(mark)) => self.mark = Some(mark),
            Some(Line::GroupStarted(leader)) => _ = self.groups.insert(leader),
            Some(Line::GroupEnded(leader)) => _ = self.groups.remove(&leader),
            Some(Line::FolderMade(folder)) if is_scratch(&folder) => _ = self.folders.insert(folder),
            Some(Line::FolderMade(_)) | None => {}
        }
    }

    /// Ends and removes everything. Returns whether nothing is left.
    fn reap(&self) -> bool {
        let mut clean = 0;
        for _ in 0..ROUNDS {
            clean = if self.reap_once() { clean + 1 } else { 0 };
            if clean == CLEAN_ROUNDS {
                return true;
            }
            std::thread::sleep(ROUND);
        }
        false
    }

    /// Returns whether there was nothing left to do.
    fn reap_once(&self) -> bool {
        let alive: Vec<_> = self.groups.iter().filter(|leader| leader.is_alive()).collect();
        for leader in &self.groups {
            // The pid of an unreaped leader still names its group, and nobody else's.
            if leader.holds_its_pid() {
                // Orphans can't be told from strangers.
                let descendants = leader.descendants();
                let _ = killpg(leader.as_pid(), Signal::SIGKILL);
                for process in descendants {
                    process.signal(Signal::SIGKILL);
                }
            }
        }
        let strays = kill_marked(self.mark.as_deref());
        if !alive.is_empty() || strays > 0 {
            return false;
        }
        self.folders
            .iter()
            .filter(|folder| folder.exists())
            .all(|folder| std::fs::remove_dir_all(folder).is_ok())
    }
}

/// Kills every process that bears `mark` and returns how many there were.
pub(crate) fn kill_marked(mark: Option<&str>) -> usize {
    let marked = mark.and_then(|mark| marked(mark).ok()).unwrap_or_default();
    for process in &marked {
        let _ = kill(process.as_pid(), Signal::SIGKILL);
    }
    marked.len()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::procfs::MARK;

    fn line() -> impl Strategy<Value = Line> {
        let process = (2i32..9, 0u64..3).prop_map(|(pid, start)| ProcessId { pid, start });
        prop_oneof![
            "[a-z0-9.-]{1,12}".prop_map(Line::Mark),
            process.clone().prop_map(Line::GroupStarted),
            process.prop_map(Line::GroupEnded),
            "[a-z ]{1,8}".prop_map(|name| Line::FolderMade(std::env::temp_dir().join(name))),
        ]
    }

    proptest! {
        #[test]
        fn a_line_reads_back_as_it_was_written(line in line()) {
            prop_assert_eq!(Line::parse(&line.to_string()), Some(line));
        }

        #[test]
        fn what_is_registered_and_not_taken_off_is_in_the_ledger(lines in proptest::collection::vec(line(), 0..40)) {
            let mut ledger = Ledger::default();
            for line in &lines {
                ledger.note(&line.to_string());
            }
            let last_word = |process: ProcessId| lines.iter().rev().find_map(|line| match line {
                Line::GroupStarted(leader) if *leader == process => Some(true),
                Line::GroupEnded(leader) if *leader == process => Some(false),
                _ => None,
            });
            for pid in 2..9 {
                for start in 0..3 {
                    let process = ProcessId { pid, start };
                    prop_assert_eq!(ledger.groups.contains(&process), last_word(process) == Some(true));
                }
            }
        }

        #[test]
        fn no_line_whatever_upsets_the_ledger(line in ".{0,60}") {
            let mut ledger = Ledger::default();
            ledger.note(&line);
            prop_assert!(ledger.groups.iter().all(|leader| leader.pid > 1));
            prop_assert!(ledger.folders.iter().all(|folder| is_scratch(folder)));
        }
    }

    #[test]
    fn the_group_the_unregistered_and_the_folder_go_and_a_reused_pid_stays() {
        let folder = tempfile::tempdir().unwrap().keep();
        std::fs::write(folder.join("state"), "x").unwrap();
        let mark = format!("reaper-test.{}", std::process::id());
        let sleeper = || {
            let mut command = Command::new("sleep");
            command.arg("60").process_group(0);
            command
        };
        let of = |child: &std::process::Child| ProcessId::of(child.id().try_into().unwrap()).unwrap();
        let mut registered = sleeper().spawn().unwrap();
        let mut unregistered = sleeper().env(MARK, &mark).spawn().unwrap();
        let mut stranger = sleeper().spawn().unwrap();

        // A process that is not quite what it will be does not bear its mark yet.
        while !marked(&mark).unwrap().contains(&of(&unregistered)) {
            std::thread::yield_now();
        }
        let mut ledger = Ledger { mark: Some(mark), ..Ledger::default() };
        ledger.groups.insert(of(&registered));
        ledger.groups.insert(ProcessId { start: of(&stranger).start + 1, ..of(&stranger) });
        ledger.folders.insert(folder.clone());
        assert!(ledger.reap());

        assert!(!of(&registered).is_alive() && !of(&unregistered).is_alive() && !folder.exists());
        assert!(of(&stranger).is_alive());
        stranger.kill().unwrap();
        for child in [&mut registered, &mut unregistered, &mut stranger] {
            child.wait().unwrap();
        }
    }
}
