//! The caller of a topology's services, over HTTP and HTTPS.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coalition::HUB_TENANT;
use coalition::realms::issuer;
use dive_kas::client::HttpTransport;
use dive_node::adapters::{Connections, HttpClient, HttpError, Trust};
use dive_runtime::TokioRuntime;
use harness_core::event::Answer;
use http::{Request, Response};
use tokio::time::timeout;

use crate::binding::asked::Asked;
use crate::binding::opening::Ways;
use crate::binding::session::Session;

const FORM: &str = "application/x-www-form-urlencoded";
/// How long a login may take, in real time: passwords are slow to check by intent.
const LOGIN: Duration = Duration::from_secs(20);
/// How long a connection may take, in real time, beyond what a request may.
const CONNECT: Duration = Duration::from_secs(20);
/// How long a connection is kept for the next request, in real time: a node of a compressed run waits for one a tenth as
/// long as its settings say, and less at a higher speed.
const KEPT: Duration = Duration::from_millis(200);
/// The longest answer that is read, bytes.
const LONGEST_ANSWER: usize = 64 << 20;

/// Asks services. Keeps connections, as callers do.
pub(crate) struct Client(HttpClient);

/// Why there was no answer.
pub(crate) enum NoAnswer {
    /// Not in time.
    Late,
    /// No connection, or it broke.
    Failed(String),
}

impl Client {
    /// A caller who trusts those.
    pub(crate) fn new(trust: &Trust) -> Self {
        Self(HttpClient::new(trust, Connections::Kept(KEPT), CONNECT, LONGEST_ANSWER))
    }

    /// Sends a request of the run's callers to the service at `base` and awaits its end, for at most `patience`
    /// of real time.
    pub(crate) async fn send(
        &self,
        base: &str,
        session: &Session,
        asked: &Asked,
        patience: Duration,
    ) -> Answer {
        let request = Request::post(format!("{base}{}", asked.path));
        let request = asked.headers().fold(request, |request, (name, value)| request.header(name, value));
        match self.exchange(request.body(asked.body.clone().into()), patience).await {
            Ok(answer) => session.read(asked, answer.status().as_u16(), answer.body()),
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
        identity_provider: &str,
        session: &Session,
        user: &'static str,
    ) -> Result<(), String> {
        let url = format!("{}/protocol/openid-connect/token", issuer(identity_provider, HUB_TENANT));
        let request = Request::post(url).header("content-type", FORM);
        let request = request.body(session.credentials(user).into());
        let answer = self.exchange(request, LOGIN).await.map_err(|why| match why {
            NoAnswer::Late => format!("{user}: no answer within {LOGIN:?}"),
            NoAnswer::Failed(why) => format!("{user}: {why}"),
        })?;
        let (status, body) = (answer.status(), answer.body());
        if !status.is_success() {
            return Err(format!("{user}: status {status}: {}", String::from_utf8_lossy(body)));
        }
        session.log_in(user, body);
        Ok(())
    }

    /// Opens an encrypted resource, as one of the run's callers.
    pub(crate) async fn open(&self, hub: &str, kas: &str, session: &Session, number: u64) -> Answer {
        let to = |base| Arc::new(HttpTransport::new(base, self.0.clone()));
        let ways = Ways { node: to(hub), kas: to(kas), runtime: Arc::new(TokioRuntime::new()) };
        session.open(ways, number, rand::random()).await
    }

    /// The status and the body of a GET, within real time.
    pub(crate) async fn get(
        &self,
        base: &str,
        path: &str,
        within: Duration,
    ) -> Result<(u16, Vec<u8>), NoAnswer> {
        let request = Request::get(format!("{base}{path}")).body(Bytes::new());
        let answer = self.exchange(request, within).await?;
        Ok((answer.status().as_u16(), answer.into_body().to_vec()))
    }

    async fn exchange(
        &self,
        request: http::Result<Request<Bytes>>,
        within: Duration,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let request = request.map_err(|error| NoAnswer::Failed(error.to_string()))?;
        match timeout(within, self.0.send(request)).await {
            Ok(answer) => answer.map_err(|error: HttpError| NoAnswer::Failed(error.to_string())),
            Err(_) => Err(NoAnswer::Late),
        }
    }
}
