//! Who started something, in a form that outlives the process and can't be mistaken.

use std::fmt;
use std::fs;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A process, named so that a later process with the same pid, or one after a reboot, is another.
///
/// Written `<boot id>.<pid>.<start>`, where `start` is the process' start time in clock ticks since
/// boot (field 22 of `/proc/<pid>/stat`, see proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Owner {
    boot: String,
    pid: u32,
    start: u64,
}

impl Owner {
    /// The running process.
    ///
    /// # Errors
    /// When `/proc` can't be read.
    pub fn current() -> std::io::Result<Self> {
        let pid = std::process::id();
        let start = start_time(pid)?.ok_or_else(|| std::io::Error::other("this process is not in /proc"))?;
        Ok(Self { boot: boot_id()?, pid, start })
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether that very process still runs. When it can't be told, it does: nobody's things are
    /// removed on a doubt.
    pub fn is_alive(&self) -> bool {
        match (boot_id(), start_time(self.pid)) {
            (Ok(boot), _) if boot != self.boot => false,
            (_, Ok(start)) => start == Some(self.start),
            _ => true,
        }
    }
}

fn boot_id() -> std::io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// The start time of a process; `None` when there is none, or only its unreaped remains.
fn start_time(pid: u32) -> std::io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // The command name, field 2, is in parentheses and may hold anything, parentheses included.
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let state = fields.next();
    if matches!(state, Some("Z" | "X")) {
        return Ok(None);
    }
    fields
        .nth(18)
        .and_then(|start| start.parse().ok())
        .map(Some)
        .ok_or_else(|| std::io::Error::other(format!("/proc/{pid}/stat has no start time")))
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.boot, self.pid, self.start)
    }
}

impl From<Owner> for String {
    fn from(owner: Owner) -> Self {
        owner.to_string()
    }
}

impl TryFrom<String> for Owner {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.rsplitn(3, '.');
        let start = parts.next().and_then(|start| start.parse().ok());
        let pid = parts.next().and_then(|pid| pid.parse().ok());
        match (parts.next(), pid, start) {
            (Some(boot), Some(pid), Some(start)) if !boot.is_empty() => {
                Ok(Self { boot: boot.to_owned(), pid, start })
            }
            _ => Err(format!("`{text}` is not an owner: `<boot id>.<pid>.<start time>`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_reads_back() {
        let me = Owner::current().unwrap();
        assert!(me.is_alive());
        assert_eq!(me.to_string().parse(), Ok(me));
    }

    #[test]
    fn a_reused_pid_and_an_earlier_boot_are_somebody_else() {
        let me = Owner::current().unwrap();
        assert!(!Owner { start: me.start + 1, ..me.clone() }.is_alive());
        assert!(!Owner { boot: "an-earlier-boot".into(), ..me }.is_alive());
    }

    #[test]
    fn a_process_that_ended_is_not_alive_even_unreaped() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner {
            pid: child.id(),
            start: start_time(child.id()).unwrap().unwrap(),
            ..Owner::current().unwrap()
        };
        assert!(owner.is_alive());
        child.kill().unwrap();
        while owner.is_alive() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
