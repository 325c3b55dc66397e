//! Who listens on a port: for the message when it should have been ours.

use std::fmt;
use std::fs;

use crate::procfs::command_line;

/// The process behind a listening port of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its pid; `None` when it is another user's and can't be looked into.
    pub pid: Option<i32>,
    /// Its command line.
    pub command: String,
}

impl Listener {
    /// Who listens on `port`, on whichever address. `None` when nobody does.
    pub fn on(port: u16) -> Option<Self> {
        let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, port))?;
        let pid = holder(inode);
        Some(Self { pid, command: pid.map(command_line).unwrap_or_default() })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "pid {pid} ({})", self.command),
            None => f.write_str("another user's process"),
        }
    }
}

/// The inode of the socket that listens on `port`, from a table as in proc_net(5).
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let local = fields.get(1)?.rsplit_once(':')?.1;
        let ours = u16::from_str_radix(local, 16) == Ok(port) && *fields.get(3)? == LISTEN;
        ours.then(|| fields.get(9)?.parse().ok()).flatten()
    })
}

fn holder(inode: u64) -> Option<i32> {
    let socket = format!("socket:[{inode}]");
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.into_iter().find(|pid: &i32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files
            .into_iter()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::ports::Lease;

    #[test]
    fn a_listener_is_named_with_its_pid_and_nobody_is_nobody() {
        // Nobody else comes to listen there.
        let lease = Lease::take().unwrap();
        let port = lease.port();
        let listener = TcpListener::bind(lease.address()).unwrap();
        let found = Listener::on(port).unwrap();
        assert_eq!(found.pid, i32::try_from(std::process::id()).ok());
        assert!(found.to_string().contains("local"), "{found}");
        drop(listener);
        assert_eq!(Listener::on(port), None);
    }

    #[test]
    fn a_table_that_is_cut_or_odd_names_nobody() {
        let table =
            "head\n 0: 0100007F:1F90 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n 1: 0100007F:1F91 0:0 01 0";
        assert_eq!(listening_inode(table, 0x1F90), Some(4_711));
        assert_eq!(listening_inode(table, 0x1F91), None);
        assert_eq!(listening_inode("", 1), None);
    }
}
