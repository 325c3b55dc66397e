//! The connection to the container engine: every call has a deadline, every failure a code.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};

/// How long a call that only looks, makes or signals may take.
const BRIEF: Duration = Duration::from_secs(30);

/// Why a call did nothing.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no such thing.
    Missing(String),
    /// It is so already, or something of that name is there.
    Conflict(String),
    /// Anything else.
    Failed(String),
}

impl Refusal {
    /// The failure it is, by `code`.
    pub(super) fn with(self, code: ErrorCode) -> Failure {
        let (Self::Missing(detail) | Self::Conflict(detail) | Self::Failed(detail)) = self;
        Failure::new(code, detail)
    }
}

/// An engine.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    docker: Docker,
}

impl Engine {
    /// The engine named by `DOCKER_HOST`, else the machine's own. Nothing is asked of it yet.
    pub(super) fn new() -> Done<Self> {
        let docker = Docker::connect_with_defaults().map_err(|error| {
            Failure::new(ErrorCode::ContainerStart, format!("no container engine: {error}"))
        })?;
        Ok(Self { docker })
    }

    pub(super) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Puts a call to the engine; `what` completes "the engine could not …".
    pub(super) async fn ask<T>(
        &self,
        what: impl Into<String>,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Refusal> {
        let what = what.into();
        match tokio::time::timeout(BRIEF, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Error::DockerResponseServerError { status_code, message })) => {
                let told = format!("the container engine could not {what}: {message}");
                Err(match status_code {
                    404 => Refusal::Missing(told),
                    409 | 304 => Refusal::Conflict(told),
                    _ => Refusal::Failed(told),
                })
            }
            Ok(Err(error)) => {
                Err(Refusal::Failed(format!("the container engine could not {what}: {}", root(&error))))
            }
            Err(_) => Err(Refusal::Failed(format!("the container engine did not {what} within {BRIEF:?}"))),
        }
    }

    /// The same for something that may not be there.
    pub(super) async fn find<T>(
        &self,
        what: impl Into<String>,
        code: ErrorCode,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Done<Option<T>> {
        match self.ask(what, call).await {
            Ok(found) => Ok(Some(found)),
            Err(Refusal::Missing(_)) => Ok(None),
            Err(refusal) => Err(refusal.with(code)),
        }
    }
}

/// The innermost reason.
fn root(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
