//! What runs of dead owners left on this machine, should their reaper have met its end too.
//!
//! Processes are known by the [mark](crate::procfs::MARK) in their environment, scratch folders by their
//! name; both say whose they are. What is of a living owner, or of nobody that can be read, is left alone.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use harness_core::owner::Owner;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};

use crate::procfs::{ProcessId, all_marked, command_line};
use crate::scratch;

/// What scratch folders are called before their mark.
const PREFIX: &str = "chaos-";

/// One thing that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A process.
    Process(ProcessId),
    /// A scratch folder.
    Folder(PathBuf),
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(process) => write!(f, "pid {} ({})", process.pid, command_line(process.pid)),
            Self::Folder(folder) => write!(f, "folder {}", folder.display()),
        }
    }
}

impl Leftover {
    /// Ends or removes it. Somebody else having done so is as good.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self) -> io::Result<()> {
        match self {
            Self::Process(process) if !process.is_alive() => Ok(()),
            Self::Process(process) => match kill(process.as_pid(), Signal::SIGKILL) {
                Err(Errno::ESRCH) => Ok(()),
                killed => killed.map_err(io::Error::from),
            },
            Self::Folder(folder) => match fs::remove_dir_all(folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }
}

/// The folder of a new world with this mark. It may not exist yet.
pub(crate) fn folder_of(mark: &str) -> PathBuf {
    scratch::place().join(format!("{PREFIX}{mark}"))
}

/// Everything of this user's that dead owners left: processes first, since they may still write to the folders.
///
/// # Errors
/// When `/proc` or a [place](scratch::places) of folders can't be listed.
pub fn leftovers() -> io::Result<Vec<Leftover>> {
    let processes = all_marked()?.into_iter().filter(|(_, mark)| is_of_the_dead(mark));
    let mut left: Vec<_> = processes.map(|(process, _)| Leftover::Process(process)).collect();
    for place in scratch::places() {
        for entry in fs::read_dir(place)? {
            let path = entry?.path();
            if is_scratch_of_the_dead(&path) {
                left.push(Leftover::Folder(path));
            }
        }
    }
    Ok(left)
}

fn is_scratch_of_the_dead(path: &Path) -> bool {
    let ours = || {
        fs::symlink_metadata(path)
            .is_ok_and(|found| found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw())
    };
    let mark = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(PREFIX));
    mark.is_some_and(is_of_the_dead) && ours()
}

/// A mark is an owner and the number of its world.
fn is_of_the_dead(mark: &str) -> bool {
    let owner = mark.rsplit_once('.').and_then(|(owner, _)| owner.parse::<Owner>().ok());
    owner.is_some_and(|owner| !owner.is_alive())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::procfs::{MARK, marked};

    /// The mark of a process that has ended.
    fn of_the_dead() -> String {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let me = Owner::current().unwrap().to_string();
        let boot = me.rsplitn(3, '.').last().unwrap();
        format!("{boot}.{pid}.1.0")
    }

    #[test]
    fn what_the_dead_left_is_found_and_removed_and_what_is_of_the_living_stays() {
        let (dead, living) = (of_the_dead(), format!("{}.77", Owner::current().unwrap()));
        let folders = [&dead, &living].map(|mark| folder_of(mark));
        let sleeper = |mark: &str| Command::new("sleep").arg("60").env(MARK, mark).spawn().unwrap();
        let mut sleepers = [&dead, &living].map(|mark| sleeper(mark));
        let processes =
            sleepers.each_ref().map(|child| ProcessId::of(child.id().try_into().unwrap()).unwrap());
        for folder in &folders {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("state"), "x").unwrap();
        }
        // A process that has just been started bears its mark a moment later.
        while !marked(&dead).unwrap().contains(&processes[0]) {
            std::thread::yield_now();
        }

        let left = leftovers().unwrap();
        let of_ours = |left: &Leftover| match left {
            Leftover::Process(process) => processes.contains(process),
            Leftover::Folder(folder) => folders.contains(folder),
        };
        let ours: Vec<_> = left.into_iter().filter(of_ours).collect();
        assert_eq!(ours, [Leftover::Process(processes[0]), Leftover::Folder(folders[0].clone())]);
        for leftover in &ours {
            leftover.remove().unwrap();
            leftover.remove().unwrap();
        }
        sleepers[0].wait().unwrap();
        assert!(!folders[0].exists() && folders[1].exists() && processes[1].is_alive());

        sleepers[1].kill().unwrap();
        sleepers[1].wait().unwrap();
        fs::remove_dir_all(&folders[1]).unwrap();
    }

    #[test]
    fn what_says_not_whose_it_is_is_nobodys_to_remove() {
        for mark in ["", "x", "1.2", "a.b.c.d", "Rx8kqL"] {
            assert!(!is_of_the_dead(mark), "{mark}");
        }
        let file = folder_of(&of_the_dead());
        fs::write(&file, "").unwrap();
        assert!(!is_scratch_of_the_dead(&file), "only folders are scratch");
        fs::remove_file(&file).unwrap();
    }
}
