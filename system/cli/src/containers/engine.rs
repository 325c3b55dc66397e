//! The connection to the container engine: every call has a deadline, every failure a code.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};

/// How long a call that only looks, makes or signals may take.
const BRIEF: Duration = Duration::from_secs(30);

/// A call that did nothing.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) why: Why,
    /// What was asked, and what was said to it.
    pub(super) told: String,
}

/// Why, as far as it makes a difference to whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// There is no such thing.
    Missing,
    /// There is no such network: the one asked for, or the one that a container is on.
    NoNetwork,
    /// It is so already, or something of that name is there.
    Conflict,
    /// Another has the port.
    PortTaken,
    /// Anything else.
    Failed,
}

impl Why {
    /// What an engine means by `status` and `message`: it has few numbers, and tells the rest in words.
    fn of(status: u16, message: &str) -> Self {
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        match status {
            404 if says(&["network "]) => Self::NoNetwork,
            404 => Self::Missing,
            304 | 409 => Self::Conflict,
            // An endpoint on a network; a network whose interface has the name of another's.
            _ if says(&["already exists", "same bridge name"]) => Self::Conflict,
            _ if says(&["port is already allocated", "address already in use"]) => Self::PortTaken,
            _ => Self::Failed,
        }
    }
}

impl Refusal {
    /// The failure it is, by `code`.
    pub(super) fn with(self, code: ErrorCode) -> Failure {
        Failure::new(code, self.told)
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
        let (why, told) = match tokio::time::timeout(BRIEF, call).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Error::DockerResponseServerError { status_code, message })) => {
                (Why::of(status_code, &message), format!("could not {what}: {message}"))
            }
            Ok(Err(error)) => (Why::Failed, format!("could not {what}: {}", root(&error))),
            Err(_) => (Why::Failed, format!("did not {what} within {BRIEF:?}")),
        };
        Err(Refusal { why, told: format!("the container engine {told}") })
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
            Err(refusal) if matches!(refusal.why, Why::Missing | Why::NoNetwork) => Ok(None),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The words differ between engines: some were seen here, some are told by others.
    #[test]
    fn what_is_told_in_words_is_known() {
        for (status, message, why) in [
            (404, "No such container: dive-hub-opa", Why::Missing),
            (404, "No such image: openpolicyagent/opa:1.22.0", Why::Missing),
            (
                404,
                "network 7d86d31b1478e7cca9ebed7e73aa0fdeec46c5ca29497431d3007d2d9e15ed99 not found",
                Why::NoNetwork,
            ),
            (404, "failed to set up container networking: network 7d86d31b1478 not found", Why::NoNetwork),
            (304, "", Why::Conflict),
            (409, "network with name dive-shared already exists", Why::Conflict),
            (403, "endpoint with name dive-hub-opa already exists in network dive-shared", Why::Conflict),
            (
                403,
                "cannot create network 0c1 (dive-shared): conflicts with network 9b2 (dive-shared): networks have same bridge name",
                Why::Conflict,
            ),
            (
                500,
                "driver failed programming external connectivity on endpoint dive-hub-kas: Bind for 127.0.0.1:10000 failed: port is already allocated",
                Why::PortTaken,
            ),
            (
                500,
                "Error starting userland proxy: listen tcp4 127.0.0.1:10000: bind: address already in use",
                Why::PortTaken,
            ),
            (500, "no space left on device", Why::Failed),
        ] {
            assert_eq!(Why::of(status, message), why, "{message}");
        }
    }
}
