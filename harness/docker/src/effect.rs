//! Whether an outage took effect: seen from outside, not read off the call that caused it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use bollard::models::ContainerState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::container::Container;
use crate::engine::{Engine, EngineError};
use crate::outage::Outage;

const PATIENCE: Duration = Duration::from_millis(400);
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// How far a fresh connection got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Bytes came back.
    Answered,
    /// The connection was refused.
    Refused,
    /// The connection was accepted; nothing came back in time.
    Silent,
    /// The connection was accepted, then closed or reset without a byte.
    Closed,
    /// No answer to the attempt to connect: a black hole.
    Unreachable,
}

/// Something to send on a fresh connection that a healthy service answers.
#[derive(Clone, Debug)]
pub struct Probe {
    port: u16,
    request: Vec<u8>,
}

/// What was seen of an outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The container's state by the engine's word: `exited`, `paused`, `running`, `running, off its network`.
    pub state: String,
    /// How far a fresh connection got.
    pub reach: Reach,
}

/// Why an outage can't be counted.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It was looked for in time, and something else was seen.
    #[error("{outage:?} of {service} showed no effect within {within:?}: last seen {last:?}")]
    NotSeen {
        /// The outage.
        outage: Outage,
        /// The service.
        service: String,
        /// For how long it was looked for.
        within: Duration,
        /// The last look; `None` when not even one was finished.
        last: Option<Evidence>,
    },
}

impl Probe {
    /// Sends `request` to a published port of the container.
    pub fn new(port: u16, request: impl Into<Vec<u8>>) -> Self {
        Self { port, request: request.into() }
    }

    /// Sends a GET to a published port of the container.
    pub fn http_get(port: u16, path: &str) -> Self {
        Self::new(port, format!("GET {path} HTTP/1.0\r\nhost: probe\r\n\r\n"))
    }

    /// Looks once, over the address at which the outage must show: a disconnected container can only be
    /// judged from its network, any other also through its published port.
    async fn look(
        &self,
        engine: &Engine,
        container: &Container,
        outage: Outage,
    ) -> Result<(Evidence, bool), EngineError> {
        let direct = SocketAddr::from((container.address(), self.port));
        let published = container.published(self.port).unwrap_or(direct);
        let target = if outage == Outage::Disconnect { direct } else { published };
        let reach = reach(target, &self.request, PATIENCE).await;
        let state = engine.state(container.name()).await?.unwrap_or_default();
        let off =
            outage == Outage::Disconnect && !container.attachment().holds(engine, container.name()).await?;
        let seen = shows(outage, &state, off, reach);
        let status = state.status.map_or_else(|| "gone".to_owned(), |status| status.to_string());
        let state = if off { format!("{status}, off its network") } else { status };
        Ok((Evidence { state, reach }, seen))
    }
}

/// Waits until the outage shows, in the container's state and to a fresh connection, for at most `within`.
pub async fn observe(
    engine: &Engine,
    outage: Outage,
    container: &Container,
    probe: &Probe,
    within: Duration,
) -> Result<Evidence, EffectError> {
    let mut last = None;
    let looking = async {
        loop {
            let (evidence, seen) = probe.look(engine, container, outage).await?;
            last = Some(evidence.clone());
            if seen {
                return Ok(evidence);
            }
            tokio::time::sleep(PAUSE_BETWEEN_LOOKS).await;
        }
    };
    match timeout(within, looking).await {
        Ok(outcome) => outcome,
        Err(_) => Err(EffectError::NotSeen { outage, service: container.service().to_owned(), within, last }),
    }
}

/// What each outage must look like.
fn shows(outage: Outage, state: &ContainerState, off_its_network: bool, reach: Reach) -> bool {
    let (running, paused) = (state.running == Some(true), state.paused == Some(true));
    match outage {
        Outage::Stop { .. } | Outage::Kill => !running && reach == Reach::Refused,
        Outage::Pause => paused && reach == Reach::Silent,
        Outage::Disconnect => off_its_network && reach == Reach::Unreachable,
    }
}

/// Opens a connection, sends `request` and waits for the first byte of an answer; each for `patience`.
pub async fn reach(target: SocketAddr, request: &[u8], patience: Duration) -> Reach {
    let mut stream = match timeout(patience, TcpStream::connect(target)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => return Reach::Refused,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => return Reach::Closed,
        Ok(Err(_)) | Err(_) => return Reach::Unreachable,
    };
    let mut byte = [0];
    let exchange = async {
        stream.write_all(request).await?;
        stream.read(&mut byte).await
    };
    match timeout(patience, exchange).await {
        Ok(Ok(1..)) => Reach::Answered,
        Ok(Ok(0) | Err(_)) => Reach::Closed,
        Err(_) => Reach::Silent,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(20);

    fn state(running: bool, paused: bool) -> ContainerState {
        ContainerState { running: Some(running), paused: Some(paused), ..ContainerState::default() }
    }

    #[test]
    fn the_engines_word_alone_proves_nothing_nor_does_the_wire_alone() {
        let stop = Outage::Stop { grace: SHORT };
        assert!(shows(stop, &state(false, false), false, Reach::Refused));
        assert!(!shows(stop, &state(false, false), false, Reach::Answered));
        assert!(!shows(stop, &state(true, false), false, Reach::Refused));
        assert!(shows(Outage::Pause, &state(true, true), false, Reach::Silent));
        assert!(!shows(Outage::Pause, &state(true, false), false, Reach::Silent));
        assert!(!shows(Outage::Pause, &state(true, true), false, Reach::Refused));
        assert!(shows(Outage::Disconnect, &state(true, false), true, Reach::Unreachable));
        assert!(!shows(Outage::Disconnect, &state(true, false), false, Reach::Unreachable));
    }

    #[tokio::test]
    async fn each_way_of_not_answering_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        assert_eq!(reach(here, b"x", SHORT).await, Reach::Silent);

        let (answer, ()) = tokio::join!(reach(here, b"x", LONG), async {
            // The first connection, of which nobody took notice, is still queued before ours.
            drop(listener.accept().await.unwrap());
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"y").await.unwrap();
        });
        assert_eq!(answer, Reach::Answered);

        let (closed, ()) = tokio::join!(reach(here, b"x", LONG), async {
            drop(listener.accept().await.unwrap());
        });
        assert_eq!(closed, Reach::Closed);

        let nobodys = ([127, 0, 0, 1], 1).into();
        assert_eq!(reach(nobodys, b"x", LONG).await, Reach::Refused);
    }
}
