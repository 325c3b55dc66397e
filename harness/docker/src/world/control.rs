//! Toxiproxy's control, with the patience that it takes.
//!
//! While Toxiproxy dials an upstream that is silent, or writes to a client that does not read, changes of that
//! proxy wait: for some seconds in the first case, for 25 s in the second.

use std::net::SocketAddr;
use std::time::Duration;

use harness_core::world::WorldError;
use harness_local::clock::Clock;
use harness_proxy::{Client, ClientError, ProxySpec, Toxic};
use tokio::time::sleep;

const FROZEN: Duration = Duration::from_secs(30);
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// The control of one Toxiproxy. Each call is complete when its effect was read back.
#[derive(Clone, Debug)]
pub(super) struct Control(Client);

impl Control {
    pub(super) async fn connect(at: SocketAddr) -> Result<Self, WorldError> {
        Client::connect(format!("http://{at}")).await.map(Self).map_err(failed)
    }

    pub(super) async fn create(&self, proxy: &ProxySpec) -> Result<(), WorldError> {
        self.0.create(proxy).await.map(drop).map_err(failed)
    }

    /// Opens a proxy, or closes it with all its connections.
    pub(super) async fn enable(&self, proxy: &str, enabled: bool) -> Result<(), WorldError> {
        patiently(async || self.0.enable(proxy, enabled).await.map(drop)).await.map_err(failed)
    }

    /// Leads a proxy somewhere else, which ends its connections.
    pub(super) async fn lead(&self, proxy: &str, to: SocketAddr) -> Result<(), WorldError> {
        let to = to.to_string();
        patiently(async || self.0.redirect(proxy, &to).await.map(drop)).await.map_err(failed)
    }

    /// Puts a toxic in force. Not tried again: a second attempt would meet the first one's toxic.
    pub(super) async fn add(&self, proxy: &str, toxic: &Toxic) -> Result<(), WorldError> {
        self.0.add(proxy, toxic).await.map_err(failed)
    }

    /// Removes a toxic. One that is not there is removed.
    pub(super) async fn remove(&self, proxy: &str, toxic: &str) -> Result<(), WorldError> {
        match patiently(async || self.0.remove(proxy, toxic).await).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            removed => removed.map_err(failed),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
fn failed(error: ClientError) -> WorldError {
    WorldError::Failed(error.to_string())
}

/// Calls again when a deadline was missed: nothing else is cured by waiting.
async fn patiently(mut call: impl AsyncFnMut() -> Result<(), ClientError>) -> Result<(), ClientError> {
    let clock = Clock::start(1.0).expect("real time is a speed");
    loop {
        match call().await {
            Err(ClientError::Deadline { .. }) if clock.now().since_start() < FROZEN => {
                sleep(TRY_AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_final_and_only_a_missed_deadline_is_tried_again() {
        let mut calls = 0;
        let outcome = patiently(async || {
            calls += 1;
            let call = "remove".to_owned();
            if calls < 3 {
                return Err(ClientError::Deadline { call, within: Duration::from_secs(5) });
            }
            Err(ClientError::Refused { call, status: 404, error: String::new() })
        });
        assert_eq!(outcome.await.unwrap_err().status(), Some(404));
        assert_eq!(calls, 3);
    }

    #[tokio::test]
    async fn nobody_there_is_told_with_the_address() {
        let error = Control::connect(([127, 0, 0, 1], 9).into()).await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:9"), "{error}");
    }
}
