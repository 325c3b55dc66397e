//! From an order to a command line of `dive`, and from how that ended to what came of it.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;

use dive_node::serve::told_to_stop;
use dive_orchestrator::store::Store as _;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance};
use harness_core::event::Answer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::Command as Process;

use crate::binding::deployment::deeds;
use crate::binding::deployment::orders::{Command, Order, Outcome};
use crate::worlds::deployment::process;
use crate::worlds::deployment::stage::{Means, Stage};
use crate::worlds::deployment::witness::Witness;

/// Becomes the command that it is given once it was told to: until then it is told whose process it is.
const ONCE_TOLD: &str = r#"read -r _ && exec "$0" "$@""#;

/// How many resources are seeded.
const RESOURCES: &str = "100";

/// Carries an order out by `dive`, and prints what came of it: an answer, as JSON.
///
/// # Errors
/// When its stage can't be read, the order is none, or the command was killed.
pub async fn carry_out(stage: &Path, host: &str, order: &str, number: u64) -> io::Result<()> {
    let stage = Stage::read(stage)?;
    let Means::Dive { program, environment } = &stage.means else {
        return Err(io::Error::other("this host has no command `dive`"));
    };
    let order = Order::named(order).ok_or_else(|| io::Error::other(format!("`{order}` is no order")))?;
    let instance = order.instance(number);
    let state = stage.connect().state(&instance).await.map_err(io::Error::other)?;
    let words = words(order.command, &instance, state)
        .ok_or_else(|| io::Error::other(format!("{} is no command of `dive`", order.name())))?;
    // Whoever ends the command in good order tells its whole group, and this waits to see how it ends.
    let _told = told_to_stop().map_err(io::Error::other)?;
    let home = stage.database.parent().ok_or_else(|| io::Error::other("the database is in no folder"))?;
    let mut command = Process::new("/bin/sh")
        .args(["-c", ONCE_TOLD])
        .arg(program)
        .args(&words)
        .envs(environment)
        .env("DIVE_HOME", home)
        .env("DIVE_DATABASE", &stage.database)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut witness = Witness::of(&stage.database);
    let pid = command.id().ok_or_else(|| io::Error::other("the command has ended"))?;
    witness.tell_process(host, pid).await?;
    let pipes = (command.stdin.take(), command.stdout.take(), command.stderr.take());
    let (Some(mut go), Some(events), Some(errors)) = pipes else {
        return Err(io::Error::other("there is no pipe"));
    };
    // One that was killed by now hears nothing.
    let _ = go.write_all(b"go\n").await;
    drop(go);
    let (result, complaint) = tokio::join!(read_events(events), read_errors(errors));
    let Some(code) = command.wait().await?.code() else {
        return Err(io::Error::other("the command was killed"));
    };
    let ended = Ended { code, result: result?, complaint: complaint? };
    let outcome = ended.outcome();
    if leaves_nothing(outcome, order.command) {
        witness.tell(&[deeds::nothing_left(&instance, &process(host, pid))]).await?;
    }
    writeln!(io::stdout(), "{}", serde_json::to_string(&ended.answer())?)
}

/// What is typed; nothing for what is many commands.
fn words(command: Command, instance: &Instance, state: DeploymentState) -> Option<Vec<String>> {
    let code = match instance {
        Instance::Hub => None,
        Instance::Spoke(code) => Some(code.to_string()),
    };
    let name = code.clone().unwrap_or_else(|| "hub".to_owned());
    let own = |verb: &str| match &code {
        None => vec!["hub".to_owned(), verb.to_owned()],
        Some(code) if verb == "deploy" => vec!["spoke".to_owned(), verb.to_owned(), code.clone()],
        Some(code) => ["spoke", verb, "--instance", code].map(str::to_owned).into(),
    };
    let deploy = |options: &[&str]| {
        let options = options.iter().chain(&["--resources", RESOURCES]).map(|word| (*word).to_owned());
        own("deploy").into_iter().chain(options).collect()
    };
    let mut words: Vec<String> = match command {
        // What stands is deployed again only if that is meant.
        Command::Deploy if state == DeploymentState::Complete => deploy(&["--from-phase", "preflight"]),
        Command::Deploy => deploy(&[]),
        Command::DeploySerially => deploy(&["--serial"]),
        Command::Resume => deploy(&["--resume"]),
        Command::Rollback(None) => vec!["orch-db".into(), "rollback".into(), name],
        Command::Rollback(Some(to)) => {
            vec!["orch-db".into(), "rollback".into(), name, "--to".into(), to.to_string()]
        }
        Command::Nuke => match code {
            None => vec!["nuke".into(), "hub".into(), "--confirm".into()],
            Some(code) => vec!["nuke".into(), "spoke".into(), code, "--confirm".into()],
        },
        Command::Down => own("down"),
        Command::Ordeal => return None,
    };
    words.push("--json".to_owned());
    Some(words)
}

/// Reads the events of a run; its result, if it came to one. The others are the host's log.
async fn read_events(from: impl AsyncRead + Unpin) -> io::Result<Option<Value>> {
    let (mut lines, mut result) = (BufReader::new(from).lines(), None);
    while let Some(line) = lines.next_line().await? {
        let event: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        match event["event"].as_str() {
            Some("result") => result = Some(event),
            // What a service waits for says little, again and again.
            Some("made" | "unmade" | "waits") => {}
            _ => log(event["text"].as_str().unwrap_or(&event.to_string())),
        }
    }
    Ok(result)
}

/// Reads what is said beside them, which is the host's log, too.
async fn read_errors(from: impl AsyncRead + Unpin) -> io::Result<String> {
    let (mut lines, mut said) = (BufReader::new(from).lines(), Vec::new());
    while let Some(line) = lines.next_line().await? {
        log(&line);
        said.push(line);
    }
    Ok(said.join("\n"))
}

/// A log that nobody reads any more is no reason to stop.
fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether a run that ended so says that nothing of its deployment is left.
fn leaves_nothing(outcome: Outcome, command: Command) -> bool {
    match outcome {
        Outcome::Removed | Outcome::Undone => true,
        Outcome::RolledBack => command == Command::Rollback(None),
        _ => false,
    }
}

/// How a command ended.
struct Ended {
    code: i32,
    /// The last event of a run that came to what was asked.
    result: Option<Value>,
    /// What was said on standard error.
    complaint: String,
}

impl Ended {
    /// The number of the error, if there was one.
    fn error(&self) -> Option<u16> {
        let after = self.complaint.split_once("error ")?.1;
        after.split(':').next()?.parse().ok()
    }

    fn outcome(&self) -> Outcome {
        match (self.code, &self.result) {
            (0, Some(result)) => match result["ending"].as_str() {
                Some("removed") => Outcome::Removed,
                Some("rolled back") => Outcome::RolledBack,
                Some("stopped") => Outcome::Stopped,
                _ if result["warnings"].as_array().is_some_and(Vec::is_empty) => Outcome::Complete,
                _ => Outcome::Warned,
            },
            _ => self.failure(),
        }
    }

    fn failure(&self) -> Outcome {
        let code = self.error().and_then(|number| ErrorCode::try_from(number).ok());
        let said = |words: &str| self.complaint.contains(words);
        match code {
            Some(ErrorCode::Cancelled) => Outcome::Cancelled,
            Some(ErrorCode::RollbackFailed) => Outcome::UndoFailed,
            Some(ErrorCode::InstanceConflict) if said(" is being worked on by ") => Outcome::Contended,
            Some(ErrorCode::InvalidState) if said("the lock of ") => Outcome::LockLost,
            Some(ErrorCode::Database) => Outcome::Database,
            _ if said("; what was made is kept: ") => Outcome::Kept,
            _ if said("; what was made is removed: ") => Outcome::Undone,
            _ => Outcome::Refused,
        }
    }

    /// What came of the order, with what its operator reads.
    fn answer(&self) -> Answer {
        let answer = Answer::new(self.outcome().name());
        let Some(error) = self.error() else { return answer };
        answer.with("code", error.to_string()).with("error", &self.complaint)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn typed(order: &str, state: DeploymentState) -> String {
        let order = Order::named(order).unwrap();
        words(order.command, &order.instance(0), state).unwrap().join(" ")
    }

    #[test]
    fn an_order_is_typed_as_an_operator_would() {
        let nothing = DeploymentState::Unknown;
        assert_eq!(typed("deploy-hub", nothing), "hub deploy --resources 100 --json");
        assert_eq!(typed("resume-fra", nothing), "spoke deploy fra --resume --resources 100 --json");
        assert_eq!(typed("rollback-deu", nothing), "orch-db rollback deu --json");
        assert_eq!(typed("nuke-fra", nothing), "nuke spoke fra --confirm --json");
        assert_eq!(typed("down-fra", nothing), "spoke down --instance fra --json");
        let again = "hub deploy --from-phase preflight --resources 100 --json";
        assert_eq!(typed("colleague-deploy-hub", DeploymentState::Complete), again);
    }

    #[test]
    fn what_came_of_it_is_read_from_how_it_ended() {
        let ended = |code, result: Option<Value>, complaint: &str| {
            let ended = Ended { code, result, complaint: complaint.to_owned() };
            (ended.outcome(), ended.error())
        };
        let done = |ending: &str, warnings: Value| Some(json!({"ending": ending, "warnings": warnings}));
        assert_eq!(ended(0, done("COMPLETE", json!([])), ""), (Outcome::Complete, None));
        assert_eq!(ended(0, done("COMPLETE", json!([{"code": 1}])), ""), (Outcome::Warned, None));
        assert_eq!(ended(0, done("removed", json!([])), "a note"), (Outcome::Removed, None));
        for (complaint, outcome) in [
            ("error 1007: hub is being worked on by a#1, since now\n  next: wait", Outcome::Contended),
            ("error 1007: hub is deployed already\n  next: no", Outcome::Refused),
            ("error 1204: slow\n  next: look; what was made is kept: `x` goes on", Outcome::Kept),
            ("error 1204: slow\n  next: look; what was made is removed: again", Outcome::Undone),
            ("stopping\nerror 1503: hub was stopped in SEEDING\n  next: go on", Outcome::Cancelled),
            ("error 1505: the lock of hub was lost: why\n  next: look", Outcome::LockLost),
        ] {
            let number = complaint.split_once("error ").unwrap().1[..4].parse().ok();
            assert_eq!(ended(13, None, complaint), (outcome, number), "{complaint}");
        }
        assert_eq!(ended(70, None, "panicked"), (Outcome::Refused, None));
    }
}
