//! The caller of a node, over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coalition::HUB_TENANT;
use coalition::realms::issuer;
use dive_kas::client::HttpTransport;
use dive_runtime::TokioRuntime;
use harness_core::event::Answer;
use harness_core::world::WorldError;

use crate::binding::asked::Asked;
use crate::binding::opening::Ways;
use crate::binding::session::Session;

const FORM: &str = "application/x-www-form-urlencoded";
/// How long a login may take, in real time: passwords are slow to check by intent.
const LOGIN: Duration = Duration::from_secs(20);

/// Asks nodes. Keeps connections, as callers do.
pub(crate) struct Client(reqwest::Client);

/// Why there was no answer.
pub(crate) enum NoAnswer {
    /// Not in time.
    Late,
    /// No connection, or it broke.
    Failed(String),
}

impl Client {
    pub(crate) fn new() -> Result<Self, WorldError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(5))
            .build()
            .map_err(|error| WorldError::Failed(format!("no HTTP client: {error}")))?;
        Ok(Self(client))
    }

    /// Sends a request of the run's callers and awaits its end, for at most `patience` of real time.
    pub(crate) async fn send(
        &self,
        to: SocketAddr,
        session: &Session,
        asked: &Asked,
        patience: Duration,
    ) -> Answer {
        let request = self.0.post(format!("http://{to}{}", asked.path)).timeout(patience);
        let request = asked.headers().fold(request, |request, (name, value)| request.header(name, value));
        let exchange = async {
            let answer = request.body(asked.body.clone()).send().await?;
            let status = answer.status().as_u16();
            Ok((status, answer.bytes().await?))
        };
        match exchange.await.map_err(|error: reqwest::Error| why(&error)) {
            Ok((status, body)) => session.read(asked, status, &body),
            Err(NoAnswer::Late) => asked.unanswered(),
            Err(NoAnswer::Failed(why)) => asked.failed(why),
        }
    }

    /// Logs somebody in at the identity provider: from here on they ask with the token of this login.
    ///
    /// # Errors
    /// What there was instead of a token.
    pub(crate) async fn log_in(
        &self,
        identity_provider: SocketAddr,
        session: &Session,
        user: &'static str,
    ) -> Result<(), String> {
        let failed = |error: reqwest::Error| match why(&error) {
            NoAnswer::Late => format!("{user}: no answer within {LOGIN:?}"),
            NoAnswer::Failed(why) => format!("{user}: {why}"),
        };
        let url = format!(
            "{}/protocol/openid-connect/token",
            issuer(&format!("http://{identity_provider}"), HUB_TENANT)
        );
        let request = self.0.post(url).timeout(LOGIN).header("content-type", FORM);
        let answer = request.body(session.credentials(user)).send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        if !status.is_success() {
            return Err(format!("{user}: status {status}: {}", String::from_utf8_lossy(&body)));
        }
        session.log_in(user, &body);
        Ok(())
    }

    /// Opens an encrypted resource, as one of the run's callers.
    pub(crate) async fn open(
        &self,
        hub: SocketAddr,
        kas: SocketAddr,
        session: &Session,
        number: u64,
    ) -> Answer {
        let to = |address| Arc::new(HttpTransport::new(&format!("http://{address}"), self.0.clone()));
        let ways = Ways { node: to(hub), kas: to(kas), runtime: Arc::new(TokioRuntime::new()) };
        session.open(ways, number, rand::random()).await
    }

    /// The status and the body of a GET, within real time.
    pub(crate) async fn get(
        &self,
        node: SocketAddr,
        path: &str,
        within: Duration,
    ) -> Result<(u16, Vec<u8>), NoAnswer> {
        let answer = self
            .0
            .get(format!("http://{node}{path}"))
            .timeout(within)
            .send()
            .await
            .map_err(|error| why(&error))?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(|error| why(&error))?;
        Ok((status, body.to_vec()))
    }
}

/// What went wrong, down to its cause.
fn why(error: &reqwest::Error) -> NoAnswer {
    if error.is_timeout() {
        return NoAnswer::Late;
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    NoAnswer::Failed(cause.to_string())
}
