//! The tools of this machine that images are made with: each run has a deadline, each failure the tool's last words.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

const SHOWN_LINES: usize = 20;

/// Why a tool did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It is not installed.
    #[error("`{tool}` was not found on this machine; {next}, or make the upstream registry reachable")]
    Missing {
        /// The tool.
        tool: &'static str,
        /// How to get it.
        next: &'static str,
    },
    /// It could not be run.
    #[error("could not run {tool}: {why}")]
    Run {
        /// The tool.
        tool: PathBuf,
        /// What the operating system said.
        why: std::io::Error,
    },
    /// It failed.
    #[error("{what} failed; its last lines:\n{output}")]
    Failed {
        /// What it was doing.
        what: String,
        /// What it printed last.
        output: String,
    },
    /// It took too long.
    #[error("{what} took longer than {within:?}; {next}")]
    Slow {
        /// What it was doing.
        what: String,
        /// The deadline.
        within: Duration,
        /// What to look at.
        next: &'static str,
    },
}

/// A tool, and where it may be when it is not on the path.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) elsewhere: &'static str,
    /// How to get it, as an order.
    pub(super) next: &'static str,
}

impl Tool {
    /// Where it is.
    ///
    /// # Errors
    /// [`ToolError::Missing`].
    pub(super) fn find(&self) -> Result<PathBuf, ToolError> {
        self.on(std::env::var_os("PATH").as_deref())
            .ok_or(ToolError::Missing { tool: self.name, next: self.next })
    }

    fn on(&self, path: Option<&OsStr>) -> Option<PathBuf> {
        std::env::split_paths(path?)
            .map(|folder| folder.join(self.name))
            .chain([self.elsewhere.into()])
            .find(|candidate| Path::is_file(candidate))
    }
}

/// One run of a tool.
pub(super) struct Errand {
    /// What it does, for messages.
    pub(super) what: String,
    pub(super) within: Duration,
    /// What to look at when it takes longer.
    pub(super) next: &'static str,
}

impl Errand {
    /// Runs it to its end. Standard output goes where the command says; standard error is its last words.
    pub(super) async fn run(self, command: &mut Command) -> Result<(), ToolError> {
        command.stdin(Stdio::null()).kill_on_drop(true).stderr(Stdio::piped());
        let tool = || PathBuf::from(command.as_std().get_program());
        let run = |tool: PathBuf| move |why| ToolError::Run { tool, why };
        let at = tool();
        let child = command.spawn().map_err(run(at.clone()))?;
        let Self { what, within, next } = self;
        let Ok(output) = tokio::time::timeout(within, child.wait_with_output()).await else {
            return Err(ToolError::Slow { what, within, next });
        };
        let output = output.map_err(run(at))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(ToolError::Failed { what, output: last_lines(&String::from_utf8_lossy(&said)) })
    }
}

pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.len().saturating_sub(SHOWN_LINES) {
        _ if lines.is_empty() => "(nothing)".into(),
        from => lines[from..].join("\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO: Tool = Tool { name: "go", elsewhere: "/nonexistent/go", next: "install Go" };

    fn errand(within: Duration) -> Errand {
        Errand { what: "the errand".into(), within, next: "look" }
    }

    #[test]
    fn a_tool_is_the_first_on_the_path() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&one, &two] {
            std::fs::write(folder.path().join("go"), "").unwrap();
        }
        let path = std::env::join_paths([two.path(), one.path()]).unwrap();
        assert_eq!(GO.on(Some(&path)), Some(two.path().join("go")));
        assert_eq!(GO.on(Some(OsStr::new("/nonexistent"))), None);
    }

    #[tokio::test]
    async fn what_fails_is_told_in_its_last_words() {
        let script = "for i in $(seq 30); do echo line $i >&2; done; exit 3";
        let error = errand(Duration::from_secs(20)).run(Command::new("sh").args(["-c", script])).await;
        let said = error.unwrap_err().to_string();
        assert!(said.starts_with("the errand failed") && said.ends_with("line 30"), "{said}");
        assert!(said.contains("line 11\n") && !said.contains("line 10\n"), "{said}");
    }

    #[tokio::test]
    async fn what_takes_too_long_is_ended() {
        let error = errand(Duration::from_millis(20)).run(Command::new("sleep").arg("60")).await;
        assert!(matches!(error, Err(ToolError::Slow { .. })), "{error:?}");
    }
}
