//! How a run ended, and what to do next.

use dive_orchestrator::deploy::{Interrupted, Report};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance};
use serde_json::json;

use crate::args::Shown;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::moment::span;
use crate::out::{self, out};

/// The command that deploys an instance.
pub(crate) fn command(instance: &Instance, more: &str) -> String {
    let words = match instance {
        Instance::Hub => "dive hub deploy".to_owned(),
        Instance::Spoke(code) => format!("dive spoke deploy {code}"),
    };
    format!("`{words}{more}`")
}

/// It is not there to be worked on.
pub(crate) fn not_deployed(instance: &Instance) -> Complaint {
    Complaint::of(
        ErrorCode::InvalidState,
        format!("{instance} is not deployed"),
        "`dive status` shows what is",
    )
}

/// Says how a run ended.
pub(crate) fn finish(
    instance: &Instance,
    ended: Result<Report, Interrupted>,
    shown: Shown,
) -> Result<Exit, Complaint> {
    let report = ended.map_err(|interrupted| interruption(instance, interrupted))?;
    if !report.is_success() {
        return Err(failure(&report));
    }
    let what = match report.ending {
        Ending::Complete => "COMPLETE",
        Ending::Removed => "removed",
        Ending::RolledBack { .. } => "rolled back",
        _ => "stopped",
    };
    if shown.json {
        let warnings: Vec<_> = report.warnings.iter().map(|(subject, met)| {
            json!({"subject": subject.to_string(), "code": met.code, "message": met.detail})
        }).collect();
        let took = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
        out::json(
            &json!({"event": "result", "instance": instance, "ending": what, "tookMs": took, "warnings": warnings}),
        )?;
    } else {
        for (subject, met) in &report.warnings {
            out::note(format_args!("warning {}: without {subject}: {}", met.code, met.detail));
        }
        out!("{instance}: {what} after {}", span(report.took))?;
    }
    Ok(Exit::Done)
}

/// What to do against an error of this code.
fn help(code: ErrorCode, instance: &Instance) -> String {
    match code {
        ErrorCode::ContainerStart
        | ErrorCode::ContainerUnhealthy
        | ErrorCode::ContainerTimeout
        | ErrorCode::GroupStart
        | ErrorCode::VerifyHealth => match instance {
            Instance::Hub => "read its log: `dive hub logs <service>`".to_owned(),
            Instance::Spoke(code) => format!("read its log: `dive spoke logs <service> --instance {code}`"),
        },
        code => code.next_step().to_owned(),
    }
}

fn failure(report: &Report) -> Complaint {
    let instance = &report.instance;
    let code = report.failure.as_ref().map_or(ErrorCode::Unknown, |failure| failure.code);
    let detail = report.failure.as_ref().map_or("it failed", |failure| failure.detail.as_str());
    let help = help(code, instance);
    let (what, next) = match report.ending {
        Ending::Kept { failed } => (
            format!("{instance}: {failed} failed: {detail}"),
            format!(
                "{help}; what was made is kept: {} goes on, `dive orch-db rollback {instance}` undoes it",
                command(instance, " --resume")
            ),
        ),
        Ending::Undone { failed } => (
            format!("{instance}: {failed} failed: {detail}"),
            format!("{help}; what was made is removed: deploy it again"),
        ),
        // That is what its help says.
        _ if code == ErrorCode::RollbackFailed => (format!("{instance}: {detail}"), help),
        _ => (
            format!("{instance}: {detail}"),
            format!("{help}, then do it again: it goes on where it stopped"),
        ),
    };
    Complaint::of(code, what, next)
}

fn interruption(instance: &Instance, interrupted: Interrupted) -> Complaint {
    let resume = command(instance, " --resume");
    match interrupted {
        Interrupted::Plan(error) => error.into(),
        Interrupted::Store(error) => error.into(),
        Interrupted::Refused(failure) => {
            let next = help(failure.code, instance);
            Complaint::of(failure.code, failure.detail, next)
        }
        Interrupted::State { state: DeploymentState::RollingBack, .. } => Complaint::of(
            ErrorCode::InvalidState,
            format!("{instance} is being rolled back"),
            format!("let it come to its end: `dive orch-db rollback {instance}`"),
        ),
        Interrupted::State { state: DeploymentState::Cleanup, .. } => {
            let target = match instance {
                Instance::Hub => "hub".to_owned(),
                Instance::Spoke(code) => format!("spoke {code}"),
            };
            let next = format!("let it come to its end: `dive nuke {target} --confirm`");
            Complaint::of(ErrorCode::InvalidState, format!("{instance} is being removed"), next)
        }
        Interrupted::State { .. } => not_deployed(instance),
        stopped @ Interrupted::Cancelled { phase: None, .. } => {
            Complaint::of(ErrorCode::Cancelled, stopped, "do it again; `dive status` shows how it stands")
        }
        stopped @ Interrupted::Cancelled { .. } => Complaint::of(
            ErrorCode::Cancelled,
            stopped,
            format!("{resume} goes on, `dive orch-db rollback {instance}` undoes it"),
        ),
        lost @ Interrupted::LockLost { .. } => {
            Complaint::of(lost.code(), lost, format!("`dive status` shows who is at work; then {resume}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dive_orchestrator::Phase;
    use dive_orchestrator::deploy::Failure;

    use super::*;

    fn commands_of(complaint: &Complaint) -> Vec<String> {
        let text = complaint.to_string().replace("<service>", "opa");
        text.split('`').filter_map(|quoted| quoted.strip_prefix("dive ")).map(str::to_owned).collect()
    }

    #[test]
    fn whatever_fails_the_commands_named_are_there() {
        for instance in [Instance::Hub, "spoke-fra".parse().unwrap()] {
            for code in ErrorCode::ALL.iter().copied() {
                for ending in [
                    Ending::Kept { failed: Phase::Seeding },
                    Ending::Undone { failed: Phase::Deployment },
                    Ending::UndoFailed,
                ] {
                    let failure = Some(Failure::new(code, "why"));
                    let (warnings, took) = (Vec::new(), Duration::ZERO);
                    let report = Report { instance: instance.clone(), ending, failure, warnings, took };
                    for words in commands_of(&super::failure(&report)) {
                        assert_eq!(crate::parses(words.split(' ')), Ok(()), "{code} {ending:?}");
                    }
                }
            }
            let interruptions = [
                Interrupted::State { instance: instance.clone(), state: DeploymentState::RollingBack },
                Interrupted::State { instance: instance.clone(), state: DeploymentState::Cleanup },
                Interrupted::State { instance: instance.clone(), state: DeploymentState::Unknown },
                Interrupted::Cancelled { instance: instance.clone(), phase: None },
                Interrupted::Cancelled { instance: instance.clone(), phase: Some(Phase::Deployment) },
                Interrupted::LockLost { instance: instance.clone(), why: "why".into() },
                Interrupted::Refused(Failure::new(ErrorCode::HubNotFound, "there is no hub to join")),
            ];
            for interrupted in interruptions {
                for words in commands_of(&interruption(&instance, interrupted.clone())) {
                    assert_eq!(crate::parses(words.split(' ')), Ok(()), "{interrupted:?}");
                }
            }
        }
    }
}
