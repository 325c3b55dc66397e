//! Processes as `/proc` tells of them: which one a pid means, how it fares, and whose it is.

use std::fs;
use std::io;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The environment variable that marks every process of a world; a descendant inherits it even when
/// it leaves its group or session.
pub const MARK: &str = "CHAOS_WORLD";

/// A process, named so that a later one with the same pid is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid.
    pub pid: i32,
    /// When it started, in clock ticks since boot: field 22 of `/proc/<pid>/stat`, see proc_pid_stat(5).
    pub start: u64,
}

impl ProcessId {
    /// The process that has this pid now, if there is one. What ended but was not yet waited for counts:
    /// its pid is still taken.
    pub fn of(pid: i32) -> Option<Self> {
        Stat::of(pid).map(|stat| Self { pid, start: stat.start })
    }

    /// The state letter of proc_pid_stat(5): `R`, `S`, `T`, `Z`. `None` when this process is no more.
    pub fn state(self) -> Option<char> {
        Stat::of(self.pid).filter(|stat| stat.start == self.start).map(|stat| stat.state)
    }

    /// Whether it still runs, or could when continued.
    pub fn is_alive(self) -> bool {
        self.state().is_some_and(|state| !matches!(state, 'Z' | 'X'))
    }

    /// Whether its pid can't yet mean another process.
    pub fn holds_its_pid(self) -> bool {
        self.state().is_some()
    }

    pub(crate) fn as_pid(self) -> Pid {
        Pid::from_raw(self.pid)
    }

    /// The living processes that descend from this one, itself not among them. They belong to it even when they have
    /// left its group and its mark, as those of a database server do; who became an orphan is known no more.
    pub(crate) fn descendants(self) -> Vec<Self> {
        let all = all_with_parents();
        let (mut found, mut looked) = (vec![self], 0);
        while let Some(parent) = found.get(looked).map(|process| process.pid) {
            found.extend(all.iter().filter(|(_, of)| *of == parent).map(|(process, _)| *process));
            looked += 1;
        }
        found.split_off(1)
    }

    /// Sends it a signal, unless its pid may mean another by now.
    pub(crate) fn signal(self, signal: Signal) {
        if self.holds_its_pid() {
            // It may end at any time.
            let _ = kill(self.as_pid(), signal);
        }
    }
}

/// Every living process with its parent's pid.
fn all_with_parents() -> Vec<(ProcessId, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let told = |pid| Stat::of(pid).map(|Stat { parent, start, .. }| (ProcessId { pid, start }, parent));
    pids.filter_map(told).filter(|(process, _)| process.is_alive()).collect()
}

/// The living processes whose environment has [`MARK`] set to `mark`.
///
/// # Errors
/// When `/proc` can't be listed.
pub fn marked(mark: &str) -> io::Result<Vec<ProcessId>> {
    let all = all_marked()?.into_iter();
    Ok(all.filter(|(_, found)| found == mark).map(|(process, _)| process).collect())
}

/// The living processes whose environment has [`MARK`], with what it is set to.
pub(crate) fn all_marked() -> io::Result<Vec<(ProcessId, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Another user's process, or one that ended meanwhile, can't be read and is not ours.
        let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { continue };
        let mut variables = environment.split(|byte| *byte == 0).filter_map(|line| str::from_utf8(line).ok());
        let mark = variables.find_map(|line| line.strip_prefix(MARK)?.strip_prefix('='));
        let process = mark.and_then(|_| ProcessId::of(pid)).filter(|process| process.is_alive());
        found.extend(process.zip(mark.map(str::to_owned)));
    }
    Ok(found)
}

/// The command line of a process, for people. Empty when it can't be read.
pub(crate) fn command_line(pid: i32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = raw.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    words.join(" ").trim_end().to_owned()
}

struct Stat {
    state: char,
    parent: i32,
    start: u64,
}

impl Stat {
    fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(line: &str) -> Option<Self> {
        // Field 2, the command's name, is in parentheses and may hold anything, parentheses included.
        let mut fields = line.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        Some(Self { state, parent, start: fields.nth(17)?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_command_name_full_of_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) R (b)) T 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start), ('T', 1, 4_711));
        assert!(Stat::parse("7 (a").is_none());
    }

    #[test]
    fn a_marked_process_is_found_with_its_children_and_not_after_its_end() {
        let mark = format!("procfs-test.{}", std::process::id());
        let mut child =
            Command::new("sh").args(["-c", "setsid sleep 60 & wait"]).env(MARK, &mark).spawn().unwrap();
        let all = loop {
            let all = marked(&mark).unwrap();
            if all.iter().any(|process| command_line(process.pid) == "sleep 60") {
                break all;
            }
            std::thread::yield_now();
        };
        let shell = ProcessId::of(child.id().try_into().unwrap()).unwrap();
        assert!(all.contains(&shell) && all.len() == 2, "{all:?}");
        assert!(!ProcessId { start: shell.start + 1, ..shell }.is_alive(), "a reused pid is another process");

        for process in all {
            kill(process.as_pid(), Signal::SIGKILL).unwrap();
        }
        child.wait().unwrap();
        while !marked(&mark).unwrap().is_empty() {
            std::thread::yield_now();
        }
        assert!(!shell.holds_its_pid());
    }
}
