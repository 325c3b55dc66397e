//! The command while it is at work.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::bench::Ended;

/// Longer than anything takes that comes to an end.
const LIMIT: Duration = Duration::from_secs(400);

/// A run under way, and what it has told so far.
pub(super) struct Running {
    what: String,
    child: Child,
    lines: Receiver<String>,
    told: Vec<String>,
}

impl Running {
    pub(super) fn start(what: &str, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { what: what.to_owned(), child, lines, told: Vec::new() }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it tells of something.
    pub(super) fn until(&mut self, something: &str) {
        while !self.told.last().is_some_and(|line| line.contains(something)) {
            let Ok(line) = self.lines.recv_timeout(LIMIT) else {
                panic!("dive {} never told: {something}\n{}", self.what, self.told.join("\n"));
            };
            self.told.push(line);
        }
    }

    /// Ends it as a crash does.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(super) fn ended(mut self) -> Ended {
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            self.told.push(line);
        }
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Ended { code, out, err: self.told.join("\n") }
    }

    /// The same, and it must do what it was told.
    pub(super) fn done(self) -> Ended {
        let what = self.what.clone();
        let ended = self.ended();
        assert_eq!(ended.code, 0, "dive {what}: {}", ended.told());
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
