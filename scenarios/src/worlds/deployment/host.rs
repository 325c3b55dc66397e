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
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use super::client::client;
use super::stage::Stage;
use crate::binding::deployment::ordeal::Ordeal;
use crate::binding::deployment::orders::{Command as What, Order, Outcome};

struct Host {
    name: String,
    stage: Stage,
    path: PathBuf,
}

/// Takes orders at `listen` until it is told to stop; ends when what it started has ended.
///
/// # Errors
/// When its stage can't be read, or it can't listen.
pub async fn serve(listen: SocketAddr, stage: &Path, name: &str) -> io::Result<()> {
    let host = Host { name: name.to_owned(), stage: Stage::read(stage)?, path: stage.to_owned() };
    let orders = Router::new()
        .route("/health", get(async || StatusCode::OK))
        .route("/orders/{order}/{number}", post(carry_out))
        .with_state(Arc::new(host));
    let stop = told_to_stop().map_err(io::Error::other)?;
    axum::serve(TcpListener::bind(listen).await?, orders).with_graceful_shutdown(stop).await
}

async fn carry_out(
    State(host): State<Arc<Host>>,
    Named((order, number)): Named<(String, u64)>,
) -> Result<Json<Answer>, StatusCode> {
    let order = Order::named(&order).ok_or(StatusCode::NOT_FOUND)?;
    let answer = match Ordeal::of(order.command) {
        Some(ordeal) => host.undergo(ordeal, order, number).await,
        None => host.process(order, number, None).await,
    };
    match answer {
        Ok(Some(answer)) => Ok(Json(answer)),
        Ok(None) => Err(StatusCode::BAD_GATEWAY),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

impl Host {
    /// A process that carries an order out, from its start to its end; what came of it, unless it was killed. With a
    /// `life`, in real time, it is killed when that is over.
    async fn process(&self, order: Order, number: u64, life: Option<Duration>) -> io::Result<Option<Answer>> {
        let mut command = Command::new(&self.stage.program);
        command.args(["serve", self.stage.means.role()]).arg(&self.path);
        command.args([&self.name, &order.name(), &number.to_string()]);
        // What it logs is the host's log; what it prints is what came of it.
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let printed = process.stdout.take().ok_or_else(|| io::Error::other("there is no pipe"))?;
        let mut answer = String::new();
        let ended = async {
            BufReader::new(printed).read_to_string(&mut answer).await?;
            process.wait().await
        };
        match life {
            None => drop(ended.await?),
            Some(life) => {
                if let Ok(ended) = timeout(life, ended).await {
                    ended?;
                }
                // It may have ended by itself.
                let _ = process.kill().await;
            }
        }
        Ok(serde_json::from_str(&answer).ok())
    }

    /// Has each of many commands carried out, and in the end the deployment resumed.
    async fn undergo(&self, ordeal: Ordeal, order: Order, number: u64) -> io::Result<Option<Answer>> {
        let with = |command| Order { command, ..order };
        let (mut chance, mut killed) = (StdRng::seed_from_u64(self.stage.seed), 0);
        for _ in 0..ordeal.commands {
            let (command, life) = ordeal.draw(&mut chance);
            let life = self.stage.real(life);
            killed += u32::from(self.process(with(command), number, Some(life)).await?.is_none());
        }
        let resumed = self.process(with(What::Resume), number, None).await?;
        // It stands already: then it must stand a verification.
        let stands = resumed.as_ref().is_some_and(|answer| answer.class == Outcome::Refused.name());
        let end = if stands { self.process(with(What::Deploy), number, None).await? } else { resumed };
        Ok(end.map(|answer| answer.with("killed", killed.to_string())))
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
