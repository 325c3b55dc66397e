//! The access token for Google's APIs: given, or that of the machine's service account.

use bytes::Bytes;
use dive_orchestrator::deploy::{Done, Failure};
use http::{Request, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Secret;
use super::google::{Client, away};

/// Where a token comes from.
pub(super) enum Tokens {
    /// It was given, and there is no other.
    Given(Secret),
    /// The metadata server gives one, which is used until it is refused.
    Metadata { url: String, last: Mutex<Option<Secret>> },
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
}

impl Tokens {
    /// A token, another one than `refused`; `None` when there is no other.
    pub(super) async fn token(&self, client: &Client, refused: Option<&Secret>) -> Done<Option<Secret>> {
        match self {
            Self::Given(token) => Ok(refused.is_none().then(|| token.clone())),
            Self::Metadata { url, last } => {
                let mut last = last.lock().await;
                let known = last.as_ref().filter(|known| refused.is_none_or(|refused| **refused != ***known));
                if let Some(known) = known {
                    return Ok(Some(known.clone()));
                }
                let fresh = ask(client, url).await?;
                let is_other = refused.is_none_or(|refused| **refused != *fresh);
                *last = Some(fresh.clone());
                Ok(is_other.then_some(fresh))
            }
        }
    }
}

async fn ask(client: &Client, base: &str) -> Done<Secret> {
    let failed = |why: String| -> Failure { away(format!("the metadata server gives no token: {why}")) };
    let url = format!("{base}/computeMetadata/v1/instance/service-accounts/default/token");
    let request = Request::get(url).header("metadata-flavor", "Google").body(Bytes::new());
    let request = request.map_err(|error| failed(error.to_string()))?;
    let answer = client.send(request).await.map_err(failed)?;
    if answer.status() != StatusCode::OK {
        return Err(failed(format!("status {}", answer.status().as_u16())));
    }
    // The reader's own words could hold a piece of it.
    let answer: Answer =
        serde_json::from_slice(answer.body()).map_err(|_| failed("no token is in its answer".into()))?;
    Ok(answer.access_token.into())
}
