//! The last event of a run that was asked for as JSON: how it ended, and what to do next, for programs.
//!
//! It says nothing that people are not told: detail and next step are the two lines of the complaint.

use dive_orchestrator::deploy::Report;
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{Class, ErrorCode, Instance, Phase};
use serde::Serialize;

use crate::complaint::Complaint;
use crate::exit::Exit;

/// How a run ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It stands.
    Complete,
    /// It did what was asked, and does not stand.
    Stopped,
    /// It was taken back, as asked.
    RolledBack,
    /// It was removed, as asked.
    Removed,
    /// A phase failed; what was made is kept.
    Kept,
    /// A phase failed; what was made is removed.
    Undone,
    /// Undoing failed.
    UndoFailed,
    /// Somebody else is at work on it.
    Contended,
    /// The lock was lost.
    LockLost,
    /// The operator stopped it.
    Cancelled,
    /// The database failed, or is away.
    Database,
    /// It is not possible as things stand; nothing was changed.
    Refused,
    /// The program, or what it stands on, failed.
    Broken,
}

impl From<Ending> for Outcome {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Complete => Self::Complete,
            Ending::Stopped => Self::Stopped,
            Ending::RolledBack { .. } => Self::RolledBack,
            Ending::Removed => Self::Removed,
            Ending::Kept { .. } => Self::Kept,
            Ending::Undone { .. } => Self::Undone,
            Ending::UndoFailed => Self::UndoFailed,
        }
    }
}

/// The event. All of its keys are always there.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "result", rename_all = "camelCase")]
pub(crate) struct Told<'a> {
    instance: Option<&'a Instance>,
    ending: Outcome,
    /// The last phase that a rollback left.
    to: Option<Phase>,
    exit: u8,
    took_ms: Option<u64>,
    warnings: Vec<Warning<'a>>,
    code: Option<ErrorCode>,
    class: Option<Class>,
    detail: Option<&'a str>,
    next: Option<&'a str>,
}

/// What was gone on without.
#[derive(Debug, Serialize)]
struct Warning<'a> {
    subject: String,
    code: ErrorCode,
    message: &'a str,
}

impl Told<'_> {
    /// There was nothing to be done.
    pub(crate) fn nothing_to(ending: Outcome) -> Self {
        Self {
            instance: None,
            ending,
            to: None,
            exit: Exit::Done.number(),
            took_ms: None,
            warnings: Vec::new(),
            code: None,
            class: None,
            detail: None,
            next: None,
        }
    }
}

/// Of a run that did what was asked.
impl<'a> From<&'a Report> for Told<'a> {
    fn from(report: &'a Report) -> Self {
        let to = match report.ending {
            Ending::RolledBack { to } => to,
            _ => None,
        };
        let warnings = report.warnings.iter().map(|(subject, met)| Warning {
            subject: subject.to_string(),
            code: met.code,
            message: &met.detail,
        });
        Self {
            instance: Some(&report.instance),
            to,
            took_ms: Some(u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX)),
            warnings: warnings.collect(),
            ..Self::nothing_to(report.ending.into())
        }
    }
}

/// Of one that did not.
impl<'a> From<&'a Complaint> for Told<'a> {
    fn from(complaint: &'a Complaint) -> Self {
        Self {
            instance: complaint.instance(),
            exit: complaint.exit().number(),
            code: complaint.code(),
            class: complaint.code().map(ErrorCode::class),
            detail: Some(complaint.what()),
            next: Some(complaint.next()),
            ..Self::nothing_to(complaint.outcome())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dive_orchestrator::Service;
    use dive_orchestrator::deploy::{Failure, Subject};
    use serde_json::{Value, json};

    use super::*;

    fn told<'a>(event: impl Into<Told<'a>>) -> Value {
        serde_json::to_value(event.into()).unwrap()
    }

    #[test]
    fn what_was_done_has_its_warnings_and_no_error() {
        let met = Failure::new(ErrorCode::Folder, "no");
        let report = Report {
            instance: "spoke-fra".parse().unwrap(),
            ending: Ending::RolledBack { to: Some(Phase::Seeding) },
            failure: None,
            warnings: vec![(Subject::Service(Service::Opa), met)],
            took: Duration::from_millis(1_500),
        };
        let expected = json!({
            "event": "result", "instance": "spoke-fra", "ending": "rolled-back", "to": "SEEDING", "exit": 0,
            "tookMs": 1_500, "warnings": [{"subject": "opa", "code": 1106, "message": "no"}],
            "code": null, "class": null, "detail": null, "next": null,
        });
        assert_eq!(told(&report), expected);
        assert_eq!(told(Told::nothing_to(Outcome::Removed))["ending"], "removed");
    }

    #[test]
    fn what_was_not_says_the_lines_that_people_read_and_how_the_command_ends() {
        for code in ErrorCode::ALL.iter().copied() {
            for complaint in [
                Complaint::of(code, "it broke", "mend it"),
                Complaint::usage(code, "it broke", "mend it").about(&Instance::Hub).ending(Outcome::Kept),
            ] {
                let event = told(&complaint);
                let [said, number, detail, next] =
                    ["event", "code", "detail", "next"].map(|key| event[key].clone());
                assert_eq!(said, "result");
                assert_eq!(
                    complaint.to_string(),
                    format!(
                        "error {number}: {}\n  next: {}",
                        detail.as_str().unwrap(),
                        next.as_str().unwrap()
                    )
                );
                assert_eq!(event["exit"], complaint.exit().number());
                assert_eq!(event["class"], serde_json::to_value(code.class()).unwrap());
            }
        }
        let broken = told(&Complaint::internal("no threads", "look"));
        assert_eq!(
            (&broken["ending"], &broken["exit"], &broken["code"]),
            (&json!("broken"), &json!(70), &Value::Null)
        );
    }

    #[test]
    fn an_event_has_the_same_keys_whatever_ended() {
        let keys = |event: Value| event.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let complaint = Complaint::of(ErrorCode::Unknown, "it broke", "mend it");
        assert_eq!(keys(told(&complaint)), keys(told(Told::nothing_to(Outcome::Complete))));
    }
}
