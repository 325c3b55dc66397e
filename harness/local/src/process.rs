//! A child process in a group of its own: started, watched, signalled, ended.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use harness_core::time::At;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::getpgid;
use thiserror::Error;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::lines::Output;
use crate::procfs::{MARK, ProcessId, marked};

/// How long the kernel may take to carry out a signal that can't be caught.
const KERNEL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(1);
/// They would send a service's calls to 127.0.0.1 to some proxy that is not ours.
const PROXY_VARIABLES: [&str; 6] =
    ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Added to the environment that is inherited.
    pub env: BTreeMap<String, String>,
    /// Its working directory.
    pub dir: PathBuf,
}

/// How and when a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit status.
    pub status: ExitStatus,
    /// When it was seen.
    pub at: At,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status.code(), self.status.signal().map(Signal::try_from)) {
            (Some(code), _) => write!(f, "exited with status {code}"),
            (_, Some(Ok(signal))) => write!(f, "ended by {signal}"),
            _ => write!(f, "ended: {}", self.status),
        }
    }
}

/// Why a process does not do what it is told.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The kernel refused the signal.
    #[error("pid {pid} can't be sent {signal}: {errno}")]
    Signal {
        /// The leader of the group.
        pid: i32,
        /// What was to be sent.
        signal: Signal,
        /// What the kernel said.
        errno: nix::Error,
    },
    /// The signal was sent, its effect did not come.
    #[error("pid {pid} was sent {signal} and shows no effect after {KERNEL:?}: it is in state {state}")]
    NoEffect {
        /// The leader of the group.
        pid: i32,
        /// What was sent.
        signal: Signal,
        /// Its state letter, see proc_pid_stat(5).
        state: char,
    },
    /// It is no more.
    #[error("the process has {0}")]
    Gone(Exit),
}

/// How a process that was told to stop did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// By itself, after SIGTERM.
    InOrder(Exit),
    /// By SIGKILL, its grace being over.
    ByForce(Exit),
}

/// A running process, or the memory of one. Dropping it does not end it.
#[derive(Clone, Debug)]
pub struct Process {
    id: ProcessId,
    mark: String,
    exit: watch::Receiver<Option<Exit>>,
}

impl Process {
    /// Starts a process as the leader of a new group, with `mark` in its environment and without input.
    /// Must be called within a tokio runtime, which then reads its output and waits for its end.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(launch: &Launch, mark: &str, output: &Output, clock: Clock) -> io::Result<Self> {
        output.begin_anew();
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).current_dir(&launch.dir).process_group(0);
        for variable in PROXY_VARIABLES {
            command.env_remove(variable);
        }
        command.envs(&launch.env).env(MARK, mark);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;

        // Not yet waited for, so it is in /proc even when it has ended already.
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let id =
            pid.and_then(ProcessId::of).ok_or_else(|| io::Error::other("the new process is not in /proc"))?;
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(output.clone().read(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(output.clone().read(stderr));
        }
        let (ended, exit) = watch::channel(None);
        tokio::spawn(async move {
            if let Ok(status) = child.wait().await {
                ended.send_replace(Some(Exit { status, at: clock.now() }));
            }
        });
        Ok(Self { id, mark: mark.to_owned(), exit })
    }

    /// The process, which leads the group of the same number.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// How it ended, once it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Completes when it has ended.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            // The runtime that waits for it is shutting down: nobody will know.
            _ => std::future::pending().await,
        }
    }

    /// Ends the whole group, and what descends from its leader, by SIGKILL; returns when they are gone.
    ///
    /// # Errors
    /// [`ProcessError::NoEffect`] when the kernel doesn't carry it out.
    pub async fn kill(&self) -> Result<Exit, ProcessError> {
        // Orphans can't be told from strangers.
        let descendants = self.id.descendants();
        self.signal_unless_gone(Signal::SIGKILL)?;
        for process in &descendants {
            process.signal(Signal::SIGKILL);
        }
        let gone = async {
            let exit = self.exited().await;
            while descendants.iter().any(|process| process.is_alive()) {
                tokio::time::sleep(LOOK).await;
            }
            exit
        };
        let exit = timeout(KERNEL, gone).await.map_err(|_| self.without_effect(Signal::SIGKILL))?;
        self.kill_rest_of_group();
        Ok(exit)
    }

    /// Sends the group SIGTERM and returns when its leader has ended; after `grace`, by SIGKILL.
    /// A paused group is continued.
    ///
    /// # Errors
    /// As [`Process::kill`].
    pub async fn stop(&self, grace: Duration) -> Result<Stopped, ProcessError> {
        self.signal_unless_gone(Signal::SIGTERM)?;
        self.signal_unless_gone(Signal::SIGCONT)?;
        resume_descendants(self.id);
        let Ok(exit) = timeout(grace, self.exited()).await else {
            return self.kill().await.map(Stopped::ByForce);
        };
        self.kill_rest_of_group();
        Ok(Stopped::InOrder(exit))
    }

    /// Freezes the group, and what descends from its leader, and returns when the leader stands still: stopped, or
    /// within a call of the kernel from which it can't return without stopping.
    ///
    /// # Errors
    /// When it has ended, or the kernel does not carry it out.
    pub async fn pause(&self) -> Result<(), ProcessError> {
        self.signal(Signal::SIGSTOP)?;
        self.reach(Signal::SIGSTOP, |_| stands_still(self.id)).await?;
        // It starts no more of them now.
        for process in self.id.descendants() {
            process.signal(Signal::SIGSTOP);
        }
        Ok(())
    }

    /// Continues the group, and what descends from its leader, and returns when the leader stands still no more.
    ///
    /// # Errors
    /// When it has ended, or the kernel does not carry it out.
    pub async fn resume(&self) -> Result<(), ProcessError> {
        resume_descendants(self.id);
        self.signal(Signal::SIGCONT)?;
        self.reach(Signal::SIGCONT, |state| !matches!(state, 'T' | 't')).await
    }

    fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        if !self.id.holds_its_pid() {
            return self.exit().map_or(Ok(()), |exit| Err(ProcessError::Gone(exit)));
        }
        match killpg(self.id.as_pid(), signal) {
            Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
            Err(errno) => Err(ProcessError::Signal { pid: self.id.pid, signal, errno }),
        }
    }

    fn signal_unless_gone(&self, signal: Signal) -> Result<(), ProcessError> {
        match self.signal(signal) {
            Err(ProcessError::Gone(_)) => Ok(()),
            outcome => outcome,
        }
    }

    async fn reach(&self, signal: Signal, there: impl Fn(char) -> bool) -> Result<(), ProcessError> {
        let arrived = async {
            loop {
                match (self.exit(), self.id.state()) {
                    (Some(exit), _) => return Err(ProcessError::Gone(exit)),
                    (None, Some(state)) if there(state) => return Ok(()),
                    _ => tokio::time::sleep(LOOK).await,
                }
            }
        };
        timeout(KERNEL, arrived).await.map_err(|_| self.without_effect(signal))?
    }

    fn without_effect(&self, signal: Signal) -> ProcessError {
        ProcessError::NoEffect { pid: self.id.pid, signal, state: self.id.state().unwrap_or('?') }
    }

    /// What the leader left in its group would hold its port. The leader being gone, its number may
    /// come to mean another group, so each process is known by its mark.
    fn kill_rest_of_group(&self) {
        for process in marked(&self.mark).unwrap_or_default() {
            if getpgid(Some(process.as_pid())) == Ok(self.id.as_pid()) {
                let _ = kill(process.as_pid(), Signal::SIGKILL);
            }
        }
    }
}

/// Whether a process that was sent SIGSTOP stands still. One that forked, and waits until its child goes on, is in
/// `D` for as long as that child is stopped; any other `D` passes, and the process runs on to where it stops.
fn stands_still(id: ProcessId) -> bool {
    let has_stopped = |process: &ProcessId| matches!(process.state(), Some('T' | 't'));
    match id.state() {
        Some('T' | 't') => true,
        // Seen again after its child: what stopped later than it was let go is waited for no more.
        Some('D') => id.descendants().iter().any(has_stopped) && matches!(id.state(), Some('T' | 't' | 'D')),
        _ => false,
    }
}

/// Continues what descends from a process that was frozen.
pub(crate) fn resume_descendants(of: ProcessId) {
    for process in of.descendants() {
        process.signal(Signal::SIGCONT);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::clock::instant;
    use crate::lines::LogLine;

    struct Shell {
        process: Process,
        output: Output,
        lines: mpsc::Receiver<LogLine>,
    }

    fn shell(script: &str) -> Shell {
        let clock = Clock::start(1.0).unwrap();
        let (sender, lines) = mpsc::channel(64);
        let output = Output::new("shell".into(), clock, sender);
        let launch = Launch {
            program: "sh".into(),
            args: vec!["-c".into(), script.into()],
            env: BTreeMap::from([("GREETING".into(), "hello".into())]),
            dir: std::env::temp_dir(),
        };
        let mark = format!("process-test.{}", std::process::id());
        let process = Process::spawn(&launch, &mark, &output, clock).unwrap();
        Shell { process, output, lines }
    }

    #[tokio::test]
    async fn what_it_prints_on_either_stream_arrives_and_its_status_is_seen() {
        let mut shell = shell("echo $GREETING; echo oops >&2; exit 7");
        let exit = shell.process.exited().await;
        assert_eq!(exit.to_string(), "exited with status 7");
        let mut seen = Vec::new();
        while let Some(line) = shell.lines.recv().await {
            seen.push(line.text);
            if seen.len() == 2 {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, ["hello", "oops"]);
        assert_eq!(shell.output.tail().len(), 2);
        assert!(matches!(shell.process.pause().await, Err(ProcessError::Gone(_))));
    }

    #[tokio::test]
    async fn killing_ends_the_whole_group() {
        let mut shell = shell("sleep 61 & echo $!; wait");
        let sleeper: i32 = shell.lines.recv().await.unwrap().text.parse().unwrap();
        let sleeper = ProcessId::of(sleeper).unwrap();
        assert!(sleeper.is_alive());
        assert_eq!(shell.process.kill().await.unwrap().to_string(), "ended by SIGKILL");
        while sleeper.is_alive() {
            tokio::task::yield_now().await;
        }
    }

    /// As the processes of a database server, which leave its group, and its mark with their environment.
    #[tokio::test]
    async fn what_left_the_group_and_its_mark_is_paused_resumed_and_killed_with_its_parent() {
        let mut shell = shell(&format!("env -u {MARK} setsid sh -c 'echo $$; exec sleep 62' & wait"));
        let stray: i32 = shell.lines.recv().await.unwrap().text.parse().unwrap();
        let stray = ProcessId::of(stray).unwrap();
        assert!(getpgid(Some(stray.as_pid())) != Ok(shell.process.id().as_pid()));
        assert!(!marked(&shell.process.mark).unwrap().contains(&stray));
        let until = async |stopped: bool| {
            while (stray.state() == Some('T')) != stopped {
                tokio::task::yield_now().await;
            }
        };
        shell.process.pause().await.unwrap();
        until(true).await;
        shell.process.resume().await.unwrap();
        until(false).await;
        shell.process.pause().await.unwrap();
        until(true).await;
        shell.process.kill().await.unwrap();
        assert!(!stray.is_alive());
    }

    #[tokio::test]
    async fn what_a_leader_leaves_behind_when_it_stops_is_ended_too() {
        let mut shell =
            shell("trap 'exit 0' TERM; sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait");
        let stubborn: i32 = shell.lines.recv().await.unwrap().text.parse().unwrap();
        let stubborn = ProcessId::of(stubborn).unwrap();
        let stopped = shell.process.stop(Duration::from_secs(5)).await.unwrap();
        assert!(matches!(stopped, Stopped::InOrder(exit) if exit.status.success()), "{stopped:?}");
        while stubborn.is_alive() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn one_that_ignores_its_grace_is_killed_after_it_and_not_before() {
        let mut shell = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
        shell.lines.recv().await.unwrap();
        let (grace, began) = (Duration::from_millis(150), instant());
        let stopped = shell.process.stop(grace).await.unwrap();
        let took = instant() - began;
        assert!(matches!(stopped, Stopped::ByForce(_)), "{stopped:?}");
        assert!(took >= grace && took < grace + KERNEL, "{took:?}");
    }

    #[tokio::test]
    async fn paused_it_stands_still_and_resumed_it_goes_on() {
        let mut shell = shell("while :; do echo tick; sleep 0.01; done");
        shell.lines.recv().await.unwrap();
        shell.process.pause().await.unwrap();
        assert!(stands_still(shell.process.id()));
        // What was printed before the pause may still be in the pipe; then there is silence.
        while timeout(Duration::from_millis(200), shell.lines.recv()).await.is_ok() {}
        shell.process.resume().await.unwrap();
        assert!(timeout(Duration::from_secs(5), shell.lines.recv()).await.unwrap().is_some());
        shell.process.pause().await.unwrap();
        let stopped = shell.process.stop(Duration::from_secs(5)).await.unwrap();
        assert!(matches!(stopped, Stopped::InOrder(_)), "a paused one hears SIGTERM: {stopped:?}");
    }
}
