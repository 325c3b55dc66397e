//! From an order to a command line of `dive`, and from how that ended to what came of it.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::Stdio;

use dive_node::serve::told_to_stop;
use dive_orchestrator::store::Store as _;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance};
use harness_core::event::Answer;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader};
use tokio::process::Command as Process;

use super::timeline::ORDERED_BY;
use crate::binding::deployment::deeds;
use crate::binding::deployment::orders::{Command, Order, Outcome};
use crate::worlds::deployment::process;
use crate::worlds::deployment::stage::{Means, Stage};
use crate::worlds::deployment::witness::Witness;

/// Becomes the command that it is given once it was told to: until then it is told whose process it is. What the command
/// makes carries that, too.
const ONCE_TOLD: &str = r#"read -r _ && export DIVE_LABELS="$DIVE_LABELS,$WHOSE#$$" && exec "$0" "$@""#;

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
    // Where it can't be asked, the command itself says so.
    let state = stage.connect().state(&instance).await.unwrap_or(DeploymentState::Unknown);
    let words = words(order.command, &instance, state)
        .ok_or_else(|| io::Error::other(format!("{} is no command of `dive`", order.name())))?;
    // Whoever ends the command in good order tells its whole group, and this waits to see how it ends.
    let _told = told_to_stop().map_err(io::Error::other)?;
    let home =
        stage.database.told().parent().ok_or_else(|| io::Error::other("the database is in no folder"))?;
    let mut command = Process::new("/bin/sh")
        .args(["-c", ONCE_TOLD])
        .arg(program)
        .args(&words)
        .envs(environment)
        .env("WHOSE", format!("{ORDERED_BY}={host}"))
        .env("DIVE_HOME", home)
        .env("DIVE_DATABASE", stage.database.named())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut witness = Witness::of(&stage.database);
    let pid = command.id().ok_or_else(|| io::Error::other("the command has ended"))?;
    witness.tell_process(host, pid).await?;
    let (Some(mut go), Some(events)) = (command.stdin.take(), command.stdout.take()) else {
        return Err(io::Error::other("there is no pipe"));
    };
    // One that was killed by now hears nothing.
    let _ = go.write_all(b"go\n").await;
    drop(go);
    let said = read_events(events).await?;
    let Some(code) = command.wait().await?.code() else {
        return Err(io::Error::other("the command was killed"));
    };
    let ended = match said {
        Some(Value::Array(tried)) => Ended::of_trial(tried)?,
        Some(result) => serde_json::from_value(result)?,
        None => return Err(io::Error::other(format!("it ended with {code}, and no result"))),
    };
    if ended.exit != code {
        return Err(io::Error::other(format!(
            "it said that it ends with {}, and did with {code}",
            ended.exit
        )));
    }
    if ended.leaves_nothing() {
        witness.tell(&[deeds::nothing_left(&instance, &process(host, pid))]).await?;
    }
    writeln!(io::stdout(), "{}", serde_json::to_string(&ended.answer()?)?)
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
        Command::Nuke | Command::NukeUnconfirmed => {
            let what: &[&str] = match &code {
                None => &["nuke", "hub"],
                Some(code) => &["nuke", "spoke", code.as_str()],
            };
            let confirm = (command == Command::Nuke).then_some("--confirm");
            what.iter().copied().chain(confirm).map(str::to_owned).collect()
        }
        Command::Down => own("down"),
        Command::DeployKeeping => deploy(&["--keep"]),
        Command::Verify => own("verify"),
        Command::Rotate => vec!["secrets".into(), "rotate".into(), "--instance".into(), name],
        Command::Ordeal | Command::Checkpoints | Command::Migrate(_) | Command::ByHand(_) => return None,
    };
    words.push("--json".to_owned());
    Some(words)
}

/// Reads the events of a run; its result, or what a trial tried, if it came to one. The others are the host's log.
async fn read_events(from: impl AsyncRead + Unpin) -> io::Result<Option<Value>> {
    let (mut lines, mut result) = (BufReader::new(from).lines(), None);
    while let Some(line) = lines.next_line().await? {
        let event: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        match event["event"].as_str() {
            Some("result") => result = Some(event),
            None if event.is_array() => result = Some(event),
            // What a service waits for says little, again and again.
            Some("made" | "unmade" | "waits") => {}
            _ => log(event["text"].as_str().unwrap_or(&event.to_string())),
        }
    }
    Ok(result)
}

/// One thing that a trial tried.
#[derive(Debug, Deserialize)]
struct Tried {
    what: String,
    ok: bool,
    why: Option<String>,
}

/// A log that nobody reads any more is no reason to stop.
fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// How a command ended: the result that it told.
#[derive(Debug, Deserialize)]
struct Ended {
    ending: String,
    to: Option<String>,
    exit: i32,
    warnings: Vec<Value>,
    code: Option<u16>,
    detail: Option<String>,
    next: Option<String>,
}

impl Ended {
    /// With no more than that to tell.
    fn so(ending: Outcome, exit: i32) -> Self {
        let (ending, warnings) = (ending.name().to_owned(), Vec::new());
        Self { ending, to: None, exit, warnings, code: None, detail: None, next: None }
    }

    /// A trial: well when all that was tried is, which is told as VERIFICATION would.
    fn of_trial(tried: Vec<Value>) -> io::Result<Self> {
        let tried: Vec<Tried> = serde_json::from_value(Value::Array(tried))?;
        let Some(Tried { what, why, .. }) = tried.into_iter().find(|tried| !tried.ok) else {
            return Ok(Self::so(Outcome::Complete, 0));
        };
        let detail = [Some(what), why].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let code = Some(ErrorCode::VerifyHealth.number());
        Ok(Self { code, detail: Some(detail), ..Self::so(Outcome::Kept, 1) })
    }

    fn outcome(&self) -> io::Result<Outcome> {
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.name() == self.ending);
        match outcome.ok_or_else(|| io::Error::other(format!("`{}` is no end of an order", self.ending)))? {
            Outcome::Complete if !self.warnings.is_empty() => Ok(Outcome::Warned),
            outcome => Ok(outcome),
        }
    }

    /// Whether a run that ended so says that nothing of its deployment is left.
    fn leaves_nothing(&self) -> bool {
        match self.outcome() {
            Ok(Outcome::Removed | Outcome::Undone) => true,
            Ok(Outcome::RolledBack) => self.to.is_none(),
            _ => false,
        }
    }

    /// What came of the order, with what its operator reads.
    fn answer(&self) -> io::Result<Answer> {
        let code = self.code.map(|code| code.to_string());
        let details = [("code", code), ("error", self.detail.clone()), ("next", self.next.clone())];
        let answer = Answer::new(self.outcome()?.name());
        let with = |answer: Answer, (key, value): (&str, Option<String>)| match value {
            Some(value) => answer.with(key, value),
            None => answer,
        };
        Ok(details.into_iter().fold(answer, with))
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
        assert_eq!(typed("nuke-hub-unconfirmed", nothing), "nuke hub --json");
        assert_eq!(typed("down-fra", nothing), "spoke down --instance fra --json");
        assert_eq!(typed("verify-fra", nothing), "spoke verify --instance fra --json");
        assert_eq!(typed("rotate-hub", nothing), "secrets rotate --instance hub --json");
        let again = "hub deploy --from-phase preflight --resources 100 --json";
        assert_eq!(typed("colleague-deploy-hub", DeploymentState::Complete), again);
    }

    fn ended(mut result: Value) -> Ended {
        let mut told = json!({"ending": "complete", "to": null, "exit": 0, "warnings": [], "code": null});
        told.as_object_mut().unwrap().append(result.as_object_mut().unwrap());
        serde_json::from_value(told).unwrap()
    }

    #[test]
    fn what_came_of_it_is_what_it_said_last() {
        assert_eq!(ended(json!({})).answer().unwrap(), Answer::new("complete"));
        assert_eq!(ended(json!({"warnings": [{"code": 1106}]})).outcome().unwrap(), Outcome::Warned);
        let kept = ended(json!({"ending": "kept", "code": 1204, "detail": "opa is slow", "next": "look"}));
        let answer =
            Answer::new("kept").with("code", "1204").with("error", "opa is slow").with("next", "look");
        assert_eq!(kept.answer().unwrap(), answer);
        assert!(ended(json!({"ending": "well"})).answer().is_err(), "no end of an order");
    }

    #[test]
    fn a_trial_is_well_when_all_that_was_tried_is() {
        let tried = |tried: Value| Ended::of_trial(tried.as_array().unwrap().clone()).unwrap();
        let ok = |what| json!({"what": what, "ok": true, "why": null});
        let well = tried(json!([ok("opa"), ok("a login")]));
        assert_eq!((well.outcome().unwrap(), well.exit), (Outcome::Complete, 0));
        let ill = tried(json!([ok("opa"), {"what": "a login", "ok": false, "why": "refused"}]));
        assert_eq!(ill.exit, 1);
        let answer = Answer::new("kept").with("code", "1401").with("error", "a login: refused");
        assert_eq!(ill.answer().unwrap(), answer);
    }

    #[test]
    fn nothing_is_left_of_what_was_removed_or_taken_back_to_nothing() {
        for (result, leaves_nothing) in [
            (json!({"ending": "removed"}), true),
            (json!({"ending": "undone"}), true),
            (json!({"ending": "rolled-back"}), true),
            (json!({"ending": "rolled-back", "to": "SEEDING"}), false),
            (json!({"ending": "undo-failed"}), false),
            (json!({"ending": "complete"}), false),
        ] {
            assert_eq!(ended(result.clone()).leaves_nothing(), leaves_nothing, "{result}");
        }
    }
}
