//! The process that removes containers and networks when their owner can't: killed, crashed, exited.
//!
//! ```text
//! owner ── Reaper::arm ──► spawns `program args… <owner>` ──► there: reaper::main, own session
//!   │          ◄── "armed" once it has reached the engine ──┘
//!   └── a pipe; when it closes, the owner is no more ──► remove by owner label
//! ```
//!
//! A [`guard`] is the same for an owner that is another process, such as the test runner: it has no pipe and looks
//! after that process instead.
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
/// How long an owner that ends in good order waits for its reaper: 1,000 × 10 ms.
const END_LOOKS: u32 = 1_000;
const END_LOOK: Duration = Duration::from_millis(10);
const LOOK_FROM_AFAR: Duration = Duration::from_millis(100);
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

/// Somebody whose things are removed when they are no more: only they can own a topology.
#[derive(Clone, Debug)]
pub struct Watched(Owner);

impl Watched {
    /// Who that is.
    pub fn owner(&self) -> &Owner {
        &self.0
    }
}

/// The owner's end: while this lives, what carries the owner's label may live. Dropping it has the reaper remove
/// all of that, and waits until it has, for at most ten seconds.
#[derive(Debug)]
pub struct Reaper {
    watched: Watched,
    child: Child,
}

impl Reaper {
    /// Starts the reaper of this process, of which it needs one: `program` with `arguments` and what follows must end
    /// up in [`main`].
    ///
    /// # Errors
    /// When it can't be started or finds no Docker engine.
    pub fn arm(program: &Path, arguments: &[&str]) -> Result<Self, ReaperError> {
        let owner = Owner::current()
            .map_err(|why| ReaperError::Spawn { program: program.display().to_string(), why })?;
        let child =
            spawn(Command::new(program).args(arguments).arg(owner.to_string()).stdin(Stdio::piped()))?;
        Ok(Self { watched: Watched(owner), child })
    }

    /// Whose things it removes: this process'.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }
}

/// Starts a reaper for another process, which outlives this one. When that process is gone it also removes the files
/// in `folder`, and the folder.
pub(crate) fn guard(
    program: &Path,
    arguments: &[&str],
    owner: &Owner,
    folder: &Path,
) -> Result<Watched, ReaperError> {
    let mut command = Command::new(program);
    spawn(command.args(arguments).arg(owner.to_string()).arg(folder).stdin(Stdio::null()))?;
    Ok(Watched(owner.clone()))
}

fn spawn(command: &mut Command) -> Result<Child, ReaperError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = spawned.map_err(|why| ReaperError::Spawn { program, why })?;
    let mut said = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout.take(4096)).read_line(&mut said);
    }
    if said.trim_end() == ARMED {
        return Ok(child);
    }
    drop(child.stdin.take());
    let _ = child.wait();
    Err(ReaperError::NotArmed(said.trim_end().to_owned()))
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.child.stdin.take() {
            let _ = pipe.write_all(&[IN_ORDER]);
        }
        for _ in 0..END_LOOKS {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(END_LOOK);
        }
        // The engine is gone or very slow. The reaper goes on trying, for a bounded time, and needs nobody for it.
        tracing::warn!(pid = self.child.id(), "the reaper is left to its work");
    }
}

/// The reaper's whole life. `arguments` are those after the ones that led here.
///
/// Ends with success when nothing of the owner is left.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    // Fails only for a session leader, which is what is wanted.
    let _ = setsid();
    let mut arguments = arguments.into_iter();
    let Some(Ok(owner)) = arguments.next().map(|owner| owner.parse::<Owner>()) else {
        say("usage: <owner> [<folder>]");
        return ExitCode::from(64);
    };
    let folder = arguments.next();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::from(70);
    };
    if let Err(error) = runtime.block_on(Engine::connect()) {
        say(&error.to_string());
        return ExitCode::from(70);
    }
    say(ARMED);
    let end = if folder.is_some() { await_death(&owner) } else { await_pipe(&owner) };
    let clean_passes = match end {
        End::InOrder => 1,
        End::Abrupt => 2,
    };
    let reaped = runtime.block_on(reap(&owner, clean_passes));
    if let Some(folder) = folder {
        remove_files(Path::new(&folder));
    }
    if reaped { ExitCode::SUCCESS } else { ExitCode::from(70) }
}

fn remove_files(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let _ = std::fs::remove_file(entry.path());
    }
    let _ = std::fs::remove_dir(folder);
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

fn await_death(owner: &Owner) -> End {
    while owner.is_alive() {
        std::thread::sleep(LOOK_FROM_AFAR);
    }
    End::Abrupt
}

/// Returns when the pipe closes, or when the owner is gone and somebody else holds the pipe open.
fn await_pipe(owner: &Owner) -> End {
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
