//! A process that outlives its owner to clean up after it.
//!
//! The owner holds the writing end of a pipe that is the watcher's standard input. However the owner
//! ends (`SIGKILL` and `process::exit` included), the kernel closes that end, and the watcher reads
//! the end of the file. Before, the owner may tell it lines: what to clean up. What these lines mean
//! and what is done at the end is the caller's affair; see [`reaper`](crate::reaper) for processes.
//!
//! Both sides are meant to be one executable: the owner starts itself anew with arguments that lead
//! to [`watch`].

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use parking_lot::Mutex;

const GREETING: &str = "watching\n";
const FAREWELL: &str = "bye";
/// How long a watcher may take to start.
const START_LIMIT_MS: u16 = 10_000;
/// How long the owner waits for a watcher's end, in steps.
const END_STEPS: u32 = 1_000;
const STEP: Duration = Duration::from_millis(5);

/// How to start a watcher: usually the running executable and a hidden subcommand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatcherCommand {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// How a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The owner took its leave: there is nothing to clean up.
    Dismissed,
    /// The owner is gone without a word.
    OwnerGone,
}

/// The owner's side. Dropping it without [`DeathWatch::dismiss`] lets the watcher clean up, and waits
/// for that within bounds.
#[derive(Debug)]
pub struct DeathWatch {
    watcher: Child,
    pipe: Mutex<Option<ChildStdin>>,
}

impl DeathWatch {
    /// Starts a watcher and returns once it watches.
    ///
    /// # Errors
    /// When it can't be started, or what was started does not call [`watch`] within ten seconds.
    pub fn arm(command: &WatcherCommand) -> io::Result<Self> {
        let mut watcher = Command::new(&command.program)
            .args(&command.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A pipeline that reads the owner's output must not wait for the watcher's end too.
            .stderr(Stdio::null())
            .spawn()?;
        let greeted = await_greeting(&mut watcher);
        let pipe = Mutex::new(watcher.stdin.take());
        let armed = Self { watcher, pipe };
        greeted.map(|()| armed)
    }

    /// Tells the watcher a line.
    ///
    /// # Errors
    /// When the watcher is gone, or the line is more than one.
    pub fn tell(&self, line: &str) -> io::Result<()> {
        if line.contains('\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "one line at a time"));
        }
        let mut pipe = self.pipe.lock();
        let pipe = pipe.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
        pipe.write_all(format!("{line}\n").as_bytes())
    }

    /// The watcher's pid.
    pub fn watcher_pid(&self) -> u32 {
        self.watcher.id()
    }

    /// Takes leave: everything is cleaned up. Waits for the watcher's end.
    ///
    /// # Errors
    /// When the watcher was gone before.
    pub fn dismiss(self) -> io::Result<()> {
        self.tell(FAREWELL)
    }
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        self.pipe.get_mut().take();
        for _ in 0..END_STEPS {
            if matches!(self.watcher.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(STEP);
        }
        tracing::warn!(pid = self.watcher.id(), "the watcher does not end; leaving it to its work");
    }
}

fn await_greeting(watcher: &mut Child) -> io::Result<()> {
    let unexpected = |what: String| io::Error::other(format!("the death watch did not start: {what}"));
    let mut stdout = watcher.stdout.take().ok_or_else(|| unexpected("no pipe".into()))?;
    let mut said = Vec::new();
    while said.len() < GREETING.len() {
        let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, PollTimeout::from(START_LIMIT_MS))? == 0 {
            let _ = watcher.kill();
            return Err(unexpected("it stayed silent".into()));
        }
        let mut buffer = [0; 64];
        match io::Read::read(&mut stdout, &mut buffer)? {
            0 => break,
            read => said.extend_from_slice(&buffer[..read]),
        }
    }
    if said == GREETING.as_bytes() {
        return Ok(());
    }
    let _ = watcher.kill();
    Err(unexpected(format!("it said {:?}", String::from_utf8_lossy(&said))))
}

/// The watcher's side: leaves the owner's session, so that no signal from its terminal arrives here,
/// hands on every line told and returns when the owner took its leave or is gone.
///
/// # Errors
/// When the pipe can't be read.
pub fn watch(mut on_line: impl FnMut(&str)) -> io::Result<Ending> {
    // Fails only for the leader of a group, which is out of reach of the terminal's signals as well.
    let _ = nix::unistd::setsid();
    // The owner may be gone already; the pipe will tell.
    let mut stdout = io::stdout();
    let _ = stdout.write_all(GREETING.as_bytes()).and_then(|()| stdout.flush());

    let mut pipe = BufReader::new(io::stdin());
    let mut line = String::new();
    while pipe.read_line(&mut line)? > 0 {
        // A line without its end was cut by the owner's death.
        let Some(told) = line.strip_suffix('\n') else { break };
        if told == FAREWELL {
            return Ok(Ending::Dismissed);
        }
        on_line(told);
        line.clear();
    }
    Ok(Ending::OwnerGone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> WatcherCommand {
        WatcherCommand { program: "sh".into(), args: vec!["-c".into(), script.into()] }
    }

    #[test]
    fn an_executable_that_does_not_watch_is_an_error_that_says_what_it_said() {
        let error = DeathWatch::arm(&shell("echo usage: chaos; sleep 60")).unwrap_err().to_string();
        assert!(error.contains("usage: chaos"), "{error}");
        let error = DeathWatch::arm(&shell("exit 3")).unwrap_err().to_string();
        assert!(error.contains("did not start"), "{error}");
    }

    #[test]
    fn the_watcher_reads_what_is_told_and_then_the_end_of_the_owner() {
        let dir = tempfile::tempdir().unwrap();
        let heard = dir.path().join("heard");
        let watch = DeathWatch::arm(&shell(&format!(
            "echo watching; cat > {0}.part; mv {0}.part {0}",
            heard.display()
        )))
        .unwrap();
        watch.tell("+group 1 2").unwrap();
        assert!(watch.tell("two\nlines").is_err());
        drop(watch);
        assert_eq!(std::fs::read_to_string(&heard).unwrap(), "+group 1 2\n", "drop waits for the clean-up");
    }

    #[test]
    fn taking_leave_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let heard = dir.path().join("heard");
        DeathWatch::arm(&shell(&format!("echo watching; cat > {}", heard.display())))
            .unwrap()
            .dismiss()
            .unwrap();
        assert_eq!(std::fs::read_to_string(&heard).unwrap(), "bye\n");
    }
}
