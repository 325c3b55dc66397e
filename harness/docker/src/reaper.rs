//! The process that removes containers and networks when their owner can't: killed, crashed, exited.
//!
//! ```text
//! owner ── Reaper::arm ──► spawns `program args… <owner>` ──► there: reaper::main, own session
//!   │          ◄── "armed" once it has reached the engine ──┘
//!   └── a pipe; when it closes, the owner is no more ──► remove by owner label
//! ```
//!
//! The pipe closes whichever way the owner ends, SIGKILL included. The reaper is in a session of its own, so
//! that neither Ctrl-C nor a signal to the owner's process group ends both.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use harness_core::owner::Owner;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::unistd::setsid;

use crate::cleanup;
use crate::engine::{Engine, EngineError};

const ARMED: &str = "armed";
const LOOK_AT_OWNER: Duration = Duration::from_millis(500);
/// A request that the owner had sent as it died may still be carried out by the engine.
const SETTLE: Duration = Duration::from_millis(300);
/// What the owner writes when it ends in good order, with no request under way.
const IN_ORDER: u8 = b'.';
/// For how long an engine that fails is tried again: 200 × `SETTLE` = one minute.
const MOST_PASSES: u32 = 200;

/// Why no reaper stands by.
#[derive(Debug, thiserror::Error)]
pub enum ReaperError {
    /// It could not be started.
    #[error("could not start the reaper {program}: {why}")]
    Spawn {
        /// The program.
        program: String,
        /// What the operating system said.
        why: std::io::Error,
    },
    /// It ended, or said something else, before it stood by.
    #[error("the reaper did not come up: {0}")]
    NotArmed(String),
}

/// The owner's end: while this lives, what carries the owner's label may live. Dropping it has the reaper remove
/// all of that, and waits until it has.
#[derive(Debug)]
pub struct Reaper {
    owner: Owner,
    child: Child,
}

impl Reaper {
    /// Starts a reaper for this process: `program` with `arguments` and the owner, which must end up in [`main`].
    ///
    /// # Errors
    /// When it can't be started or finds no Docker engine.
    pub fn arm(program: &Path, arguments: &[&str]) -> Result<Self, ReaperError> {
        let spawn = |why| ReaperError::Spawn { program: program.display().to_string(), why };
        let owner = Owner::current().map_err(spawn)?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg(owner.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(spawn)?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            let _ = BufReader::new(stdout.take(4096)).read_line(&mut said);
        }
        let reaper = Self { owner, child };
        if said.trim_end() == ARMED { Ok(reaper) } else { Err(ReaperError::NotArmed(said)) }
    }

    /// Whose things it watches over.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            let _ = pipe.write_all(&[IN_ORDER]);
        }
        // It ends by itself: its number of passes is bounded.
        let _ = self.child.wait();
    }
}

/// The reaper's whole life. `arguments` are those after the ones that led here: the owner.
///
/// Ends with success when nothing of the owner is left.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    // Fails only for a session leader, which is what is wanted.
    let _ = setsid();
    let Some(Ok(owner)) = arguments.into_iter().next().map(|owner| owner.parse::<Owner>()) else {
        say("usage: <owner>, as text");
        return ExitCode::from(64);
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::from(70);
    };
    if let Err(error) = runtime.block_on(Engine::connect()) {
        say(&error.to_string());
        return ExitCode::from(70);
    }
    say(ARMED);
    let clean_passes = match await_end(&owner) {
        End::InOrder => 1,
        End::Abrupt => 2,
    };
    if runtime.block_on(reap(&owner, clean_passes)) { ExitCode::SUCCESS } else { ExitCode::from(70) }
}

/// Tells the owner. When it is gone already, that shows next.
fn say(text: &str) {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

enum End {
    InOrder,
    Abrupt,
}

/// Returns when the pipe closes, or when the owner is gone and somebody else holds the pipe open.
fn await_end(owner: &Owner) -> End {
    let stdin = std::io::stdin();
    let patience = PollTimeout::try_from(LOOK_AT_OWNER).unwrap_or(PollTimeout::MAX);
    loop {
        let mut pipe = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match nix::poll::poll(&mut pipe, patience) {
            Err(nix::errno::Errno::EINTR) => {}
            Ok(0) if owner.is_alive() => {}
            Ok(0) | Err(_) => return End::Abrupt,
            Ok(_) => {
                let mut byte = [0];
                return match stdin.lock().read(&mut byte) {
                    Ok(1) if byte == [IN_ORDER] => End::InOrder,
                    _ => End::Abrupt,
                };
            }
        }
    }
}

/// Removes until `clean_passes` in a row found nothing. Whether that was reached.
async fn reap(owner: &Owner, clean_passes: u32) -> bool {
    let mut clean = 0;
    for _ in 0..MOST_PASSES {
        let looked = pass(owner).await;
        clean = if matches!(looked, Ok(true)) { clean + 1 } else { 0 };
        if clean == clean_passes {
            return true;
        }
        // After a removal the next look is at once.
        if !matches!(looked, Ok(false)) {
            tokio::time::sleep(SETTLE).await;
        }
    }
    false
}

/// Whether there was nothing left to remove.
async fn pass(owner: &Owner) -> Result<bool, EngineError> {
    let engine = Engine::connect().await?;
    Ok(cleanup::remove_owned(&engine, owner).await?.is_empty())
}
