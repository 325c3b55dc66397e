//! A process in place of a container: it listens, and says after a while that it is healthy.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use dive_orchestrator::deploy::Holding;
use dive_runtime::{Runtime, TokioRuntime};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::worlds::deployment::client::client;

/// How long a process may take until it listens.
const START: Duration = Duration::from_secs(20);
/// How long it may take to say how it is.
const ANSWER: Duration = Duration::from_secs(2);

/// Listens at a port that it prints, healthy once `takes` of real time are over, for ever.
///
/// # Errors
/// When it can't listen.
pub async fn serve(takes: Duration) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let time = Arc::new(TokioRuntime::new());
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let health = async move |State(time): State<Arc<TokioRuntime>>| {
        if time.now().since_start() >= takes { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    };
    axum::serve(listener, Router::new().route("/health", get(health)).with_state(time)).await
}

/// How the one that listens there is.
pub(super) async fn health(address: SocketAddr) -> Holding {
    let asked =
        async { client(ANSWER)?.get(format!("http://{address}/health")).send().await?.error_for_status() };
    match asked.await {
        Ok(_) => Holding::Yes,
        Err(error) => Holding::NotYet(error.without_url().to_string()),
    }
}

/// One that was started. Dropping it ends it.
pub(super) struct Container {
    process: Child,
    address: SocketAddr,
}

impl Container {
    /// Starts one, and returns when it listens.
    pub(super) async fn start(program: &Path, takes: Duration) -> io::Result<Self> {
        let mut process = Command::new(program)
            .args(["serve", "container", "--takes-ms", &takes.as_millis().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let printed = process.stdout.take().ok_or_else(|| io::Error::other("there is no pipe"))?;
        let mut line = String::new();
        let read = async { BufReader::new(printed).read_line(&mut line).await };
        timeout(START, read).await.map_err(|_| io::Error::other("it does not listen"))??;
        let address = line.trim().parse().map_err(|_| io::Error::other(format!("it said {line:?}")))?;
        Ok(Self { process, address })
    }

    /// Whether its process is alive.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and returns when it is gone.
    pub(super) async fn end(mut self) {
        // It may have ended before.
        let _ = self.process.kill().await;
    }
}
