//! What is told when something can't be done: its code, one line what happened, one line what to do.

use std::fmt::{self, Display};
use std::io;
use std::path::Path;

use dive_orchestrator::deploy::Failure;
use dive_orchestrator::pipeline::CannotPlan;
use dive_orchestrator::{ErrorCode, Instance, NoCode, NoPhase, NoService, Service, StoreError};

use crate::exit::Exit;
use crate::moment::moment;
use crate::outcome::Outcome;

/// Something that could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) struct Complaint {
    code: Option<ErrorCode>,
    what: String,
    next: String,
    exit: Exit,
    instance: Option<Instance>,
    outcome: Outcome,
}

/// What is said of it, in two lines.
impl Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "error {code}: {}\n  next: {}", self.what, self.next),
            None => write!(f, "error: {}\n  next: {}", self.what, self.next),
        }
    }
}

impl Complaint {
    /// An error of the catalogue, for which nothing was done.
    pub(crate) fn of(code: ErrorCode, what: impl Display, next: impl Display) -> Self {
        let (what, next) = (line(what), line(next));
        Self { code: Some(code), what, next, exit: code.into(), instance: None, outcome: Outcome::Refused }
    }

    /// The command line asks for what is not.
    pub(crate) fn usage(code: ErrorCode, what: impl Display, next: impl Display) -> Self {
        Self { exit: Exit::Usage, ..Self::of(code, what, next) }
    }

    /// The program, or what it stands on, failed.
    pub(crate) fn internal(what: impl Display, next: impl Display) -> Self {
        let (what, next) = (line(what), line(next));
        Self { code: None, what, next, exit: Exit::Internal, instance: None, outcome: Outcome::Broken }
    }

    /// The program broke one of its own invariants.
    pub(crate) fn broken() -> Self {
        Self::internal("the program is at fault, as said above", "report it with what is said above")
    }

    /// A file or folder that the system refused.
    pub(crate) fn at(path: &Path, error: &io::Error) -> Self {
        let what = format!("{}: {error}", path.display());
        Self::of(
            ErrorCode::Folder,
            what,
            "see that the folder may be made and written, or choose one with --home",
        )
    }

    /// The same, of a run on `instance`.
    pub(crate) fn about(self, instance: &Instance) -> Self {
        Self { instance: Some(instance.clone()), ..self }
    }

    /// The same, of a run that ended so.
    pub(crate) fn ending(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// Its code; the program's own failures have none.
    pub(crate) const fn code(&self) -> Option<ErrorCode> {
        self.code
    }

    /// What happened, in one line.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// What to do next, in one line.
    pub(crate) fn next(&self) -> &str {
        &self.next
    }

    /// On what, when it is about one instance.
    pub(crate) const fn instance(&self) -> Option<&Instance> {
        self.instance.as_ref()
    }

    /// How its run ended.
    pub(crate) const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// How the command ends for it.
    pub(crate) const fn exit(&self) -> Exit {
        self.exit
    }
}

/// One line, whatever others put into theirs.
fn line(text: impl Display) -> String {
    text.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<StoreError> for Complaint {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        let outcome = match &error {
            StoreError::Contended { .. } => Outcome::Contended,
            StoreError::LockLost { .. } => Outcome::LockLost,
            _ if code == ErrorCode::Database => Outcome::Database,
            _ => Outcome::Refused,
        };
        let complaint = match &error {
            StoreError::Contended { instance, held } => Self::of(
                code,
                format!("{instance} is being worked on by {}, since {}", held.by, moment(held.since)),
                format!("wait for it, or end it: `kill {}` on {}", held.by.pid, held.by.host),
            ),
            StoreError::Denied { .. } => Self::of(
                code,
                &error,
                "see that user, password and rights are right, and that the file may be written",
            ),
            StoreError::NewerSchema { .. } => {
                Self::of(code, &error, "use the program that wrote it, or a newer one")
            }
            StoreError::OlderSchema { .. } => Self::of(code, &error, "`dive orch-db migrate`"),
            StoreError::Unavailable { .. } => {
                Self::of(code, &error, "see that the database named by --database is there, then do it again")
            }
            StoreError::BreakerOpen { operation, retry_after } => Self::of(
                code,
                &error,
                format!(
                    "mend what failed, then wait {} s or run `dive orch-db breakers --reset {operation}`",
                    retry_after.as_secs()
                ),
            ),
            StoreError::Corrupt { instance, .. } => Self::of(
                code,
                &error,
                format!(
                    "take it back to nothing, which needs none: `dive orch-db rollback {instance}`; or deploy it again"
                ),
            ),
            StoreError::Unreadable { .. } => Self::of(code, &error, "restore the database from its backup"),
            StoreError::NoSlot { .. } => {
                Self::of(code, &error, "choose another code, or remove a spoke that is no longer needed")
            }
            StoreError::LockLost { instance, .. }
            | StoreError::Refused { instance, .. }
            | StoreError::NotUnderWay { instance, .. } => {
                Self::of(code, &error, format!("look at `dive orch-db history {instance}`, then resume"))
            }
        };
        complaint.ending(outcome)
    }
}

impl From<Failure> for Complaint {
    fn from(failure: Failure) -> Self {
        Self::of(failure.code, failure.detail, "mend what is named above, then do it again")
    }
}

impl From<NoService> for Complaint {
    fn from(error: NoService) -> Self {
        let all = Service::ALL.map(Service::as_str).join(", ");
        Self::usage(ErrorCode::Configuration, &error, format!("choose one of {all}"))
    }
}

impl From<NoCode> for Complaint {
    fn from(error: NoCode) -> Self {
        Self::usage(ErrorCode::Configuration, &error, "choose a code such as `fra`")
    }
}

impl From<NoPhase> for Complaint {
    fn from(error: NoPhase) -> Self {
        Self::usage(ErrorCode::Configuration, &error, "choose one of them, in either case")
    }
}

impl From<CannotPlan> for Complaint {
    fn from(error: CannotPlan) -> Self {
        let next = match &error {
            CannotPlan::NothingToResume => {
                "run it with `--from-phase preflight` to go through all phases again"
            }
            CannotPlan::StandsOn { .. } => "run it with --resume",
            CannotPlan::NotOptional(_) => "only `--skip-phase seeding` is possible",
            CannotPlan::RunAndSkipped(_) => "leave out one of the two options",
            CannotPlan::NeverReached(_) => "`dive status` shows the phases that were finished",
        };
        Self::of(ErrorCode::InvalidState, error, next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dive_orchestrator::pipeline::CannotPlan;
    use dive_orchestrator::{FencingToken, Held, Holder, Operation, Phase, SessionId, Stamp};

    use super::*;

    fn told() -> Vec<Complaint> {
        let hub = Instance::Hub;
        let held = Held {
            by: Holder { host: "ops".into(), pid: 17 },
            since: Stamp::from_millis(1_700_000_000_000),
            renewed: Stamp::from_millis(1_700_000_000_000),
            session: SessionId(1),
            token: FencingToken::FIRST,
            is_cut: false,
            after: Vec::new(),
        };
        let why = || "the server said\nno".to_owned();
        let retry_after = Duration::from_secs(60);
        vec![
            StoreError::Contended { instance: hub, held }.into(),
            StoreError::Denied { why: why() }.into(),
            StoreError::Unavailable { why: why() }.into(),
            StoreError::NewerSchema { found: 9, known: 1 }.into(),
            StoreError::OlderSchema { found: 0, known: 1 }.into(),
            StoreError::BreakerOpen { operation: Operation::Keycloak, retry_after }.into(),
            StoreError::Unreadable { table: "audit", why: why() }.into(),
            StoreError::NoSlot { code: "xyz".parse().unwrap() }.into(),
            CannotPlan::NothingToResume.into(),
            CannotPlan::NeverReached(Phase::Seeding).into(),
            "f_r".parse::<dive_orchestrator::InstanceCode>().unwrap_err().into(),
            "DEPLOY".parse::<Phase>().unwrap_err().into(),
            Complaint::at(Path::new("/x"), &io::Error::from(io::ErrorKind::PermissionDenied)),
        ]
    }

    #[test]
    fn a_complaint_is_two_lines_and_the_commands_in_it_parse() {
        for complaint in told() {
            let text = complaint.to_string();
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(text.lines().nth(1).is_some_and(|line| line.starts_with("  next: ")), "{text}");
            for command in text.split('`').filter_map(|quoted| quoted.strip_prefix("dive ")) {
                assert_eq!(crate::parses(command.split(' ')), Ok(()), "{text}");
            }
        }
    }

    #[test]
    fn how_the_store_ended_a_run_is_told_apart() {
        let outcomes: Vec<_> = told().iter().take(6).map(Complaint::outcome).collect();
        let (contended, database, refused) = (Outcome::Contended, Outcome::Database, Outcome::Refused);
        assert_eq!(outcomes, [contended, database, database, database, database, refused]);
    }

    #[test]
    fn complaints_read_well() {
        let all: Vec<_> =
            told().iter().map(|complaint| format!("{complaint} [{}]", complaint.exit().number())).collect();
        insta::assert_snapshot!(all.join("\n"));
    }
}
