//! A place of its own for each test, the command run in it, and what may be left behind: nothing.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a run has left after its death must be gone by then.
pub(crate) const SOON: Duration = Duration::from_secs(1);
/// How late that may be on a machine that is busy.
pub(crate) const LATE: Duration = Duration::from_secs(10);

/// A scenario that holds in every world and takes a minute of system time.
pub(crate) const OUTAGE: &str = "\
id: edge/outage
title: The policy engine is away for a while
worlds: [virtual, local, docker]
topology: hub-and-opa
load:
  reads: {request: read, every: 500ms}
steady:
  signals: {hub/status: healthy, hub/circuit/opa: CLOSED}
  for: 2s
settings: {breaker.opa.open_for: 10s}
faults:
  outage: {stop: opa}
steps:
  - fault: outage
  - expect: {signal: hub/circuit/opa, becomes: OPEN, after: outage, within: 60s, as: opened}
  - heal: outage
  - expect: {signal: hub/circuit/opa, becomes: CLOSED, after: opened, within: 120s}
";

/// The same, and the policy engine is away for a minute of system time more: there is time to do something meanwhile.
pub(crate) fn long_outage() -> String {
    OUTAGE.replace("  - heal: outage\n", "  - wait: 60s\n  - heal: outage\n")
}

pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "these tests are about real time")]
    Instant::now()
}

/// A folder with one for reports and one for temporary files, and a mark on every process started from it.
pub(crate) struct Bench {
    folder: TempDir,
    mark: String,
}

/// What the command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; 128 and the number of the signal that ended it.
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        static BENCHES: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new().prefix("cli-").tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        // Runs side by side share ports by this one file, whatever their temporary folder.
        let locks = format!("chaos-ports-{}.lock", nix::unistd::getuid());
        std::os::unix::fs::symlink(std::env::temp_dir().join(&locks), folder.path().join("tmp").join(&locks))
            .unwrap();
        let mark = format!("{}.{}", std::process::id(), BENCHES.fetch_add(1, Ordering::Relaxed));
        Self { folder, mark }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where runs are stored.
    pub(crate) fn reports(&self) -> PathBuf {
        self.path("out")
    }

    /// Writes a file and returns its name, as one would type it here.
    pub(crate) fn file<'a>(&self, name: &'a str, content: impl AsRef<[u8]>) -> &'a str {
        fs::write(self.path(name), content).unwrap();
        name
    }

    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path())
            .env("CHAOS_CLI_TEST", &self.mark)
            .env("CHAOS_REPORT_DIR", self.reports())
            .env("TMPDIR", self.path("tmp"))
            .env("COLUMNS", "100")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn chaos(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_chaos"));
        command.args(arguments);
        command
    }

    /// Runs the command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Running::start(&mut self.chaos(arguments)).ended()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.chaos(arguments))
    }

    /// The folders of runs, oldest first.
    pub(crate) fn runs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.reports()).into_iter().flatten();
        let mut runs: Vec<_> =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
        runs.sort();
        runs
    }

    /// The one run that was made.
    pub(crate) fn the_run(&self) -> PathBuf {
        let runs = self.runs();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.into_iter().next().unwrap()
    }

    /// What is still there of what was started from here: processes and scratch folders.
    pub(crate) fn left(&self) -> Vec<String> {
        let wanted = format!("CHAOS_CLI_TEST={}", self.mark);
        let marked = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
        };
        let told = |pid: u32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            format!("pid {pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
        };
        let pids =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut left: Vec<_> = pids.filter(marked).map(told).collect();
        let scratch = fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap().path());
        // Files that are only ever locked stay; they are empty.
        let locks = |path: &PathBuf| path.extension().is_some_and(|end| end == "lock");
        left.extend(scratch.filter(|path| !locks(path)).map(|path| path.display().to_string()));
        left
    }

    /// Asserts that all is gone within `limit`, and returns how long that took.
    pub(crate) fn gone_within(&self, limit: Duration) -> Duration {
        let began = now();
        loop {
            let left = self.left();
            if left.is_empty() {
                return began.elapsed();
            }
            assert!(began.elapsed() < limit, "after {:?}: {left:#?}", began.elapsed());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asserts that a command that has ended left nothing: no process, no scratch folder, no journal, no half file.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.left(), Vec::<String>::new());
        let files = self.runs().into_iter().flat_map(|run| fs::read_dir(run).unwrap());
        for name in files.map(|file| file.unwrap().file_name().into_string().unwrap()) {
            let half = Path::new(&name).extension().is_some_and(|end| end == "part");
            assert!(name != "undo.jsonl" && !half, "{name} is left");
        }
    }
}

/// The command, under way.
pub(crate) struct Running {
    child: Child,
    began: Instant,
    /// How long it may take.
    pub(crate) patience: Duration,
    lines: Receiver<(Stream, String)>,
    out: String,
    err: String,
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let read = |stream, pipe: Box<dyn Read + Send>| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut pipe = BufReader::new(pipe);
                let mut line = Vec::new();
                while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    let _ = sender.send((stream, String::from_utf8_lossy(&line).into_owned()));
                    line.clear();
                }
            });
        };
        if let Some(pipe) = child.stdout.take() {
            read(Stream::Out, Box::new(pipe));
        }
        if let Some(pipe) = child.stderr.take() {
            read(Stream::Err, Box::new(pipe));
        }
        Self { child, began: now(), patience: PATIENCE, lines, out: String::new(), err: String::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with these words, on either stream, and returns it.
    pub(crate) fn await_line(&mut self, words: &str) -> String {
        loop {
            let line = self.next_line();
            if line.contains(words) {
                return line;
            }
        }
    }

    fn next_line(&mut self) -> String {
        let left = self.patience.saturating_sub(self.began.elapsed());
        match self.lines.recv_timeout(left) {
            Ok((stream, line)) => {
                match stream {
                    Stream::Out => self.out.push_str(&line),
                    Stream::Err => self.err.push_str(&line),
                }
                line
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!("still running after {:?}:\n{}{}", self.patience, self.err, self.out)
            }
            Err(RecvTimeoutError::Disconnected) => panic!("it ended, having said:\n{}{}", self.err, self.out),
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for the end. Whoever holds the pipes open beyond it fails the test.
    pub(crate) fn ended(mut self) -> Ended {
        loop {
            let left = self.patience.saturating_sub(self.began.elapsed());
            match self.lines.recv_timeout(left) {
                Ok((Stream::Out, line)) => self.out.push_str(&line),
                Ok((Stream::Err, line)) => self.err.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("still running after {:?}:\n{}{}", self.patience, self.err, self.out)
                }
            }
        }
        let status = self.child.wait().unwrap();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Ended { code, out: std::mem::take(&mut self.out), err: std::mem::take(&mut self.err) }
    }
}

/// A test that failed half-way leaves nothing either.
impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Asserts the exit code, and that nobody is shown what only programmers read.
    pub(crate) fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "\n{}{}", self.err, self.out);
        for raw in ["panicked at", "RUST_BACKTRACE", "Err(", "Some(", "{ ", "Os {"] {
            assert!(!self.err.contains(raw), "{raw:?} is shown:\n{}", self.err);
        }
        self
    }

    /// Asserts what is said on standard error.
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not said:\n{}", self.err);
        }
        self
    }

    /// Asserts that standard output stayed empty.
    pub(crate) fn silent(self) -> Self {
        assert_eq!(self.out, "");
        self
    }
}

/// What came of a run that must hold. One that is inconclusive says nothing, as the machine was too busy to tell: it is
/// made once more. A verdict never is.
pub(crate) fn held(mut run: impl FnMut() -> Ended) -> Ended {
    let first = run();
    if first.code == 2 { run().code(0) } else { first.code(0) }
}

/// Waits until it is so.
pub(crate) fn until(so: impl Fn() -> bool) {
    let began = now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "still not so after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
