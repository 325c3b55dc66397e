//! How a run ended, and what to do next.

use dive_orchestrator::deploy::{Interrupted, Report};
use dive_orchestrator::pipeline::Ending;
use dive_orchestrator::{DeploymentState, ErrorCode, Instance};

use crate::args::Shown;
use crate::complaint::Complaint;
use crate::exit::Exit;
use crate::moment::span;
use crate::out::{self, out};
use crate::outcome::{Outcome, Told};

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
    .about(instance)
}

/// Says how a run ended.
pub(crate) fn finish(
    instance: &Instance,
    ended: Result<Report, Interrupted>,
    shown: Shown,
) -> Result<Exit, Complaint> {
    let report = done(instance, ended)?;
    if shown.json {
        out::json(&Told::from(&report))?;
    } else {
        for (subject, met) in &report.warnings {
            out::note(format_args!("warning {}: without {subject}: {}", met.code, met.detail));
        }
        let what = match report.ending {
            Ending::Complete => "COMPLETE",
            Ending::Removed => "removed",
            Ending::RolledBack { .. } => "rolled back",
            _ => "stopped",
        };
        out!("{instance}: {what} after {}", span(report.took))?;
    }
    Ok(Exit::Done)
}

/// What was done, when that is what was asked for.
fn done(instance: &Instance, ended: Result<Report, Interrupted>) -> Result<Report, Complaint> {
    match ended {
        Ok(report) if report.is_success() => Ok(report),
        Ok(report) => Err(failure(&report)),
        Err(interrupted) => Err(interruption(instance, interrupted)),
    }
    .map_err(|complaint| complaint.about(instance))
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
    Complaint::of(code, what, next).ending(report.ending.into())
}

fn interruption(instance: &Instance, interrupted: Interrupted) -> Complaint {
    let resume = command(instance, " --resume");
    match interrupted {
        Interrupted::Plan(error) => error.into(),
        Interrupted::Store(error) => error.into(),
        Interrupted::Unconfirmed(_) => {
            let next = interrupted.next_step();
            Complaint::of(interrupted.code(), interrupted, next)
        }
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
        Interrupted::State { state: DeploymentState::Unknown, .. } => not_deployed(instance),
        Interrupted::State { state, .. } => Complaint::of(
            ErrorCode::InvalidState,
            format!("{instance} is {state}"),
            format!("{resume} goes on; do it again once it is COMPLETE"),
        ),
        stopped @ Interrupted::Cancelled { phase: None, .. } => {
            Complaint::of(ErrorCode::Cancelled, stopped, "do it again; `dive status` shows how it stands")
                .ending(Outcome::Cancelled)
        }
        stopped @ Interrupted::Cancelled { .. } => Complaint::of(
            ErrorCode::Cancelled,
            stopped,
            format!("{resume} goes on, `dive orch-db rollback {instance}` undoes it"),
        )
        .ending(Outcome::Cancelled),
        lost @ Interrupted::LockLost { .. } => {
            Complaint::of(lost.code(), lost, format!("`dive status` shows who is at work; then {resume}"))
                .ending(Outcome::LockLost)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dive_orchestrator::deploy::Failure;
    use dive_orchestrator::pipeline::CannotPlan;
    use dive_orchestrator::{Phase, StoreError};

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
                Interrupted::State { instance: instance.clone(), state: DeploymentState::Failed },
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

    #[test]
    fn each_end_of_a_run_has_its_word_and_is_about_its_instance() {
        let fra: Instance = "spoke-fra".parse().unwrap();
        let failed = Phase::Seeding;
        let report = |ending| {
            let failure = Some(Failure::new(ErrorCode::RollbackFailed, "why"));
            Ok(Report { instance: fra.clone(), ending, failure, warnings: Vec::new(), took: Duration::ZERO })
        };
        let store = |error: StoreError| Err(Interrupted::Store(error));
        let unavailable = || StoreError::Unavailable { why: "gone".into() };
        let ends = [
            (report(Ending::Kept { failed }), Outcome::Kept),
            (report(Ending::Undone { failed }), Outcome::Undone),
            (report(Ending::UndoFailed), Outcome::UndoFailed),
            (store(unavailable()), Outcome::Database),
            (Err(Interrupted::Cancelled { instance: fra.clone(), phase: None }), Outcome::Cancelled),
            (Err(Interrupted::Cancelled { instance: fra.clone(), phase: Some(failed) }), Outcome::Cancelled),
            (Err(Interrupted::LockLost { instance: fra.clone(), why: "why".into() }), Outcome::LockLost),
            (Err(Interrupted::Refused(Failure::new(ErrorCode::HubNotFound, "no hub"))), Outcome::Refused),
            (Err(Interrupted::Plan(CannotPlan::NothingToResume)), Outcome::Refused),
        ];
        for (end, outcome) in ends {
            let complaint = done(&fra, end.clone()).unwrap_err();
            assert_eq!((complaint.outcome(), complaint.instance()), (outcome, Some(&fra)), "{end:?}");
        }
        for ending in [Ending::Complete, Ending::Stopped, Ending::Removed, Ending::RolledBack { to: None }] {
            assert_eq!(done(&fra, report(ending)).unwrap().ending, ending);
        }
    }
}
