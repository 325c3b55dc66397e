//! Opening an encrypted resource: the node authorizes, the key access service releases the key, the caller
//! decrypts and compares.

use std::sync::Arc;

use dive_kas::client::{KasClient, OpenFailure, Opener, RequestError, Transport};
use dive_runtime::Runtime;
use harness_core::event::Answer;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::requests::{Class, Kind};
use super::sealed::PLAINTEXT;
use super::session::Session;

/// The caller's ways.
pub struct Ways {
    /// To the node.
    pub node: Arc<dyn Transport>,
    /// To the key access service.
    pub kas: Arc<dyn Transport>,
    /// The caller's clock.
    pub runtime: Arc<dyn Runtime>,
}

impl Session {
    /// Opens an encrypted resource as somebody who may have it. `chance` makes the caller's ephemeral keys.
    pub async fn open(&self, ways: Ways, number: u64, chance: u64) -> Answer {
        let Ways { node, kas, runtime } = ways;
        let patience = Kind::Open.patience();
        let kas = KasClient::new(kas, runtime.clone(), patience, StdRng::seed_from_u64(chance));
        let opener = Opener::new(node, kas, runtime, patience);
        let Some((token, resource)) = self.encrypted(number) else {
            return Answer::new(Class::Error.name()).with("error", "nothing is encrypted here");
        };
        match opener.open(&token, &resource).await {
            Ok(plaintext) if plaintext == PLAINTEXT.replace("{}", &resource).into_bytes() => {
                Answer::new(Class::Opened.name())
            }
            Ok(_) => Answer::new(Class::Error.name()).with("error", "it opened to something else"),
            Err(failure) => Answer::new(class(&failure).name()).with("error", failure.to_string()),
        }
    }
}

fn class(failure: &OpenFailure) -> Class {
    match failure {
        OpenFailure::Authorize(why) | OpenFailure::Key(why) => match why {
            RequestError::Refused { status, .. } => Class::of_status(Kind::Open, *status),
            RequestError::Transport(_) => Class::Refused,
            RequestError::Unreadable(_) | RequestError::ForeignKey => Class::Error,
        },
        OpenFailure::NoKeyAccess | OpenFailure::Changed => Class::Error,
    }
}
