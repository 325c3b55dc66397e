//! A host from which somebody deploys: each order is a process of its own there. Whatever ends or freezes the host
//! does the same to them, since they are of its group.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path as Named, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use dive_node::serve::told_to_stop;
use harness_core::event::Answer;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::client::client;
use super::stage::Stage;
use crate::binding::deployment::orders::{Order, Outcome};

struct Host {
    name: String,
    program: PathBuf,
    /// In which it carries orders out.
    role: &'static str,
    stage: PathBuf,
}

/// Takes orders at `listen` until it is told to stop; ends when what it started has ended.
///
/// # Errors
/// When its stage can't be read, or it can't listen.
pub async fn serve(listen: SocketAddr, stage: &Path, name: &str) -> io::Result<()> {
    let Stage { program, means, .. } = Stage::read(stage)?;
    let host = Arc::new(Host { name: name.to_owned(), program, role: means.role(), stage: stage.to_owned() });
    let orders = Router::new()
        .route("/health", get(async || StatusCode::OK))
        .route("/orders/{order}/{number}", post(carry_out))
        .with_state(host);
    let stop = told_to_stop().map_err(io::Error::other)?;
    axum::serve(TcpListener::bind(listen).await?, orders).with_graceful_shutdown(stop).await
}

async fn carry_out(
    State(host): State<Arc<Host>>,
    Named((order, number)): Named<(String, u64)>,
) -> Result<Json<Answer>, StatusCode> {
    let mut command = Command::new(&host.program);
    command.args(["serve", host.role]).arg(&host.stage).args([&host.name, &order, &number.to_string()]);
    // What it logs is the host's log; what it prints is what came of it.
    let ended = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).output().await;
    let ended = ended.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    match serde_json::from_slice(&ended.stdout) {
        Ok(answer) => Ok(Json(answer)),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    }
}

/// Tells the host at `host` an order, and what comes of it within `patience`.
pub(in crate::worlds) async fn tell(
    host: SocketAddr,
    order: Order,
    number: u64,
    patience: Duration,
) -> Answer {
    let url = format!("http://{host}/orders/{}/{number}", order.name());
    let asked =
        async { client(patience)?.post(url).send().await?.error_for_status()?.json::<Answer>().await };
    let outcome = match asked.await {
        Ok(answer) => return answer,
        Err(error) if error.is_timeout() => Outcome::NoAnswer,
        Err(error) if error.is_connect() => Outcome::NoOperator,
        Err(_) => Outcome::Killed,
    };
    Answer::new(outcome.name())
}
