//! Real programs to be measured beside the project's own, when this machine has them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// How long a program may take until it listens, in looks of ten milliseconds.
const LOOKS: u32 = 1_000;

/// A program listening on a free port of loopback. Ends with the value.
#[derive(Debug)]
pub struct Program {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone is as good.
        self.child.kill().and_then(|()| self.child.wait()).map(drop).unwrap_or_default();
    }
}

impl Program {
    /// Starts `command`, given the port it shall listen on. `None`, said aloud, where there is no such
    /// program; the comparison is then missing from the table.
    pub fn start(command: &str, arguments: impl Fn(u16) -> Vec<String>) -> Option<Self> {
        // Between finding a free port and taking it somebody else may take it.
        for _ in 0..5 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
            let Ok(address) = free else { break };
            let quiet = Stdio::null;
            let started = Command::new(command)
                .args(arguments(address.port()))
                .stdin(quiet())
                .stdout(quiet())
                .stderr(quiet())
                .spawn();
            match started {
                Ok(child) => {
                    let mut program = Self { address, child };
                    if program.listens() {
                        return Some(program);
                    }
                }
                Err(reason) if reason.kind() == io::ErrorKind::NotFound => {
                    println!("NOT MEASURED: there is no `{command}` on this machine");
                    return None;
                }
                Err(reason) => {
                    println!("NOT MEASURED: `{command}` does not start: {reason}");
                    return None;
                }
            }
        }
        println!("NOT MEASURED: `{command}` does not listen");
        None
    }

    fn listens(&mut self) -> bool {
        for _ in 0..LOOKS {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_is_none_and_one_that_never_listens_is_given_up() {
        assert!(Program::start("surely-no-such-program", |_| Vec::new()).is_none());
        assert!(Program::start("true", |_| Vec::new()).is_none());
    }
}
