//! The connection to the Docker engine: every call has a deadline, every failure a next step.

use std::error::Error as StdError;
use std::future::Future;
use std::io::ErrorKind;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as Refusal;
pub use bollard::models::ContainerState;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
const GREETING: Duration = Duration::from_secs(5);
/// How often [`Engine::lost`] looks, and after how many looks in vain it is.
const LOOK: Duration = Duration::from_secs(1);
const IN_VAIN: u32 = 3;

const NO_SOCKET: &str = "no such socket";

/// How long a call that only looks or signals may take.
pub const BRIEF: Duration = Duration::from_secs(30);

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody listens, or the socket can't be opened.
    #[error("no Docker engine at {host}: {why}. {next}")]
    Absent {
        /// Where it was looked for.
        host: String,
        /// What the operating system said.
        why: String,
        /// What to do about it.
        next: &'static str,
    },
    /// The engine took the call and did not answer in time.
    #[error(
        "the Docker engine did not {what} within {within:?}; is it overloaded? Look at `docker info` and its log"
    )]
    Slow {
        /// What it was asked, as a verb phrase.
        what: String,
        /// The deadline.
        within: Duration,
    },
    /// The engine refused.
    #[error("the Docker engine could not {what}: {refusal}")]
    Refused {
        /// What it was asked, as a verb phrase.
        what: String,
        /// Its own words.
        refusal: Refusal,
    },
}

impl EngineError {
    /// The HTTP status with which the engine refused, if it did.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { refusal: Refusal::DockerResponseServerError { status_code, .. }, .. } => {
                Some(*status_code)
            }
            _ => None,
        }
    }
}

/// A Docker engine that has answered at least once.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    host: String,
    version: String,
}

impl Engine {
    /// Connects to the engine named by `DOCKER_HOST`, else to the system's socket.
    ///
    /// # Errors
    /// [`EngineError::Absent`] with the next step when nobody answers there.
    pub async fn connect() -> Result<Self, EngineError> {
        let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
        Self::connect_to(host.as_deref().unwrap_or(DEFAULT_HOST)).await
    }

    /// Connects to the engine at `host`, such as `unix:///var/run/docker.sock`.
    ///
    /// # Errors
    /// [`EngineError::Absent`] with the next step when nobody answers there.
    pub async fn connect_to(host: &str) -> Result<Self, EngineError> {
        let docker = Docker::connect_with_host(host).map_err(|refusal| fault(host, "connect", refusal))?;
        let mut engine = Self { docker, host: host.to_owned(), version: String::new() };
        let version = engine.ask("tell its version", GREETING, engine.docker.version()).await?;
        engine.version = version.version.unwrap_or_else(|| "unknown".into());
        Ok(engine)
    }

    /// Completes when the engine is gone, and not only for a moment: three fresh connections in a row, a second
    /// apart, found nobody. Says why.
    pub async fn lost(&self) -> EngineError {
        let mut in_vain = 0;
        loop {
            tokio::time::sleep(LOOK).await;
            let found = match Docker::connect_with_host(&self.host) {
                Ok(docker) => self.ask("answer", GREETING, docker.ping()).await,
                Err(refusal) => Err(fault(&self.host, "connect", refusal)),
            };
            match found {
                Err(error @ EngineError::Absent { .. }) => {
                    in_vain += 1;
                    if in_vain == IN_VAIN {
                        return error;
                    }
                }
                // One that is busy is there.
                Ok(_) | Err(_) => in_vain = 0,
            }
        }
    }

    /// The engine's own version, such as `20.10.24`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the engine was found.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The connection itself, for what this crate has no word for. Put the call through [`Self::ask`].
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Puts a call to the engine; `what` completes "the engine could not …".
    ///
    /// # Errors
    /// When the engine is gone, refuses, or takes longer than `within`.
    pub async fn ask<T>(
        &self,
        what: impl Into<String>,
        within: Duration,
        call: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, EngineError> {
        match tokio::time::timeout(within, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refusal)) => Err(fault(&self.host, what, refusal)),
            Err(_) => Err(EngineError::Slow { what: what.into(), within }),
        }
    }

    /// The state of a container; `None` when there is no such container.
    pub async fn state(&self, container: &str) -> Result<Option<ContainerState>, EngineError> {
        let call = self.docker.inspect_container(container, None);
        match self.ask(format!("inspect container {container}"), BRIEF, call).await {
            Ok(found) => Ok(found.state),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn fault(host: &str, what: impl Into<String>, refusal: Refusal) -> EngineError {
    let absent = |why: String, next| EngineError::Absent { host: host.to_owned(), why, next };
    if matches!(refusal, Refusal::SocketNotFoundError(_)) {
        return absent(NO_SOCKET.into(), advice(ErrorKind::NotFound));
    }
    match io_kind(&refusal) {
        Some(
            kind @ (ErrorKind::NotFound
            | ErrorKind::ConnectionRefused
            | ErrorKind::PermissionDenied
            | ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe),
        ) => absent(
            if kind == ErrorKind::NotFound { NO_SOCKET.into() } else { kind.to_string() },
            advice(kind),
        ),
        _ => EngineError::Refused { what: what.into(), refusal },
    }
}

/// The operating system's part in an error, however deep it is wrapped.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::PermissionDenied => {
            "Run as a user of the group `docker` (`sudo usermod -aG docker $USER`, then log in again)"
        }
        ErrorKind::NotFound => {
            "Install one (Debian: `apt-get install docker.io`) and start it (`systemctl start docker`, or `dockerd` \
             by hand), or point DOCKER_HOST at one; the worlds `virtual` and `local` need none"
        }
        _ => {
            "Start it (`systemctl start docker`, or `dockerd` by hand) or correct DOCKER_HOST; the worlds `virtual` \
             and `local` need none"
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_missing_socket_names_the_place_and_the_next_step() {
        let error = Engine::connect_to("unix:///nonexistent/docker.sock").await.unwrap_err().to_string();
        assert!(error.starts_with("no Docker engine at unix:///nonexistent/docker.sock"), "{error}");
        assert!(error.contains("apt-get install docker.io"), "{error}");
    }

    #[tokio::test]
    async fn a_socket_that_nobody_listens_on_says_to_start_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let error = Engine::connect_to(&format!("unix://{}", path.display())).await.unwrap_err();
        assert!(
            matches!(&error, EngineError::Absent { next, .. } if next.starts_with("Start it")),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn an_address_of_no_known_kind_is_refused() {
        assert!(Engine::connect_to("gopher://docker").await.is_err());
    }

    #[tokio::test]
    async fn an_engine_that_accepts_and_never_answers_is_slow_not_awaited() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let _mute = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let host = format!("unix://{}", path.display());
        let docker = Docker::connect_with_host(&host).unwrap();
        let engine = Engine { docker, host, version: String::new() };
        let within = Duration::from_millis(50);
        let error = engine.ask("tell its version", within, engine.docker.version()).await.unwrap_err();
        assert!(matches!(error, EngineError::Slow { .. }), "{error:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_is_lost_only_when_it_is_gone_for_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let host = format!("unix://{}", path.display());
        // One that accepts and says nothing is slow; it is there.
        let mute = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let docker = Docker::connect_with_host(&host).unwrap();
        let engine = Engine { docker, host, version: String::new() };
        let lost = tokio::time::timeout(Duration::from_secs(60), engine.lost()).await;
        assert!(lost.is_err(), "{lost:?}");

        drop(mute);
        for gone in ["nobody listens", "no such socket"] {
            let too_soon = tokio::time::timeout(Duration::from_millis(2_900), engine.lost()).await;
            assert!(too_soon.is_err(), "{gone}: {too_soon:?}");
            let error = tokio::time::timeout(Duration::from_millis(3_100), engine.lost()).await.unwrap();
            assert!(matches!(error, EngineError::Absent { .. }), "{gone}: {error:?}");
            let _ = std::fs::remove_file(&path);
        }
    }

    /// An engine that answers its version once and dies.
    #[tokio::test]
    async fn an_engine_that_dies_between_two_calls_is_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let host = format!("unix://{}", path.display());
        let short_life = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            let body = r#"{"Version":"1.2.3"}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}",
                body.len()
            );
            stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
        };
        let (engine, ()) = tokio::join!(Engine::connect_to(&host), short_life);
        let engine = engine.unwrap();
        assert_eq!(engine.version(), "1.2.3");
        drop(listener);
        let error = engine.state("opa").await.unwrap_err();
        assert!(matches!(error, EngineError::Absent { .. }), "{error:?}");
    }
}
