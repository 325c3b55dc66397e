//! Ports of 127.0.0.1 that stay one service's own while it is stopped, killed and started again.
//!
//! They lie outside the range from which the kernel serves outgoing connections and `bind(0)`, and
//! below the one that the container world publishes at. Runs side by side share them by advisory
//! locks: a byte per port in one empty file of the temporary directory, which stays there. The kernel
//! releases a lock when its holder ends, however it ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use thiserror::Error;

/// From which they are taken: above the ports by which services are known, such as 8443 or 10000, as systems that are
/// deployed on this machine beside a run would have them.
pub const RANGE: Range<u16> = 11_000..20_000;

/// Why there is no port.
#[derive(Debug, Error)]
pub enum PortError {
    /// Every port is in use.
    #[error("every port from {} to {} of 127.0.0.1 is in use", RANGE.start, RANGE.end - 1)]
    Exhausted,
    /// The file of locks can't be used.
    #[error("{path}: {source}")]
    Locks {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A port that no other run takes while this value lives.
#[derive(Debug)]
pub struct Lease {
    port: u16,
    _lock: File,
}

impl Lease {
    /// Leases a port that nobody listens on. The search begins at a place that differs between
    /// processes, and skips what others have leased.
    ///
    /// # Errors
    /// [`PortError`].
    pub fn take() -> Result<Self, PortError> {
        let first = std::process::id().wrapping_mul(37);
        let locks = lock_file();
        for port in candidates(first) {
            if let Some(lease) = Self::of(port, &locks)? {
                return Ok(lease);
            }
        }
        Err(PortError::Exhausted)
    }

    /// Leases this port; `None` when another run has it or somebody listens on it.
    fn of(port: u16, locks: &Path) -> Result<Option<Self>, PortError> {
        let fault = |source| PortError::Locks { path: locks.to_owned(), source };
        // An open file of its own for each lease: closing it releases the lock.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(locks)
            .map_err(fault)?;
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&byte_lock(port))) {
            Ok(_) => {}
            Err(Errno::EAGAIN | Errno::EACCES) => return Ok(None),
            Err(errno) => return Err(fault(errno.into())),
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        Ok(free.then_some(Self { port, _lock: file }))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port with its host.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// Every port of the range, beginning at the `first`-th modulo their number.
fn candidates(first: u32) -> impl Iterator<Item = u16> {
    let span = u32::from(RANGE.end - RANGE.start);
    (0..span).map(move |step| RANGE.start + ((first % span + step) % span) as u16)
}

fn lock_file() -> PathBuf {
    std::env::temp_dir().join(format!("chaos-ports-{}.lock", nix::unistd::getuid()))
}

fn byte_lock(port: u16) -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: port.into(),
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    proptest! {
        #[test]
        fn every_port_comes_once(first: u32) {
            let mut all: Vec<_> = candidates(first).collect();
            all.sort_unstable();
            prop_assert!(all.iter().copied().eq(RANGE));
        }
    }

    /// A port with locks of its own, which the other tests leave alone: they ask those of the machine.
    struct Bed {
        kept: Lease,
        folder: TempDir,
    }

    impl Bed {
        fn new() -> Self {
            Self { kept: Lease::take().unwrap(), folder: tempfile::tempdir().unwrap() }
        }

        fn lease(&self) -> Option<Lease> {
            Lease::of(self.kept.port(), &self.folder.path().join("locks")).unwrap()
        }
    }

    #[test]
    fn a_leased_port_is_nobody_elses_until_given_back() {
        let bed = Bed::new();
        let lease = bed.lease().unwrap();
        assert!(bed.lease().is_none());
        assert_eq!(lease.port(), bed.kept.port());
        drop(lease);
        assert!(bed.lease().is_some());
    }

    #[test]
    fn a_port_that_a_stranger_listens_on_is_passed_over() {
        let bed = Bed::new();
        let _stranger = TcpListener::bind(bed.kept.address()).unwrap();
        assert!(bed.lease().is_none());
    }

    #[test]
    fn the_range_lies_outside_the_kernels() {
        let kernels = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let lowest: u16 = kernels.split_whitespace().next().unwrap().parse().unwrap();
        assert!(RANGE.end <= lowest, "this machine serves outgoing connections from {lowest}");
    }
}
