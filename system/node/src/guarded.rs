//! Ports whose calls go through the circuit of what is behind them, so that live traffic feeds its breaker.

use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::jwk::JwkSet;

use crate::call_path::{CallPath, NoAnswer};
use crate::ports::{IdentityProvider, IssuerRegistry, StoreError, TrustedIssuer};

/// The registry of issuers, through the circuit of the store it is in.
pub(crate) struct GuardedRegistry {
    pub(crate) registry: Arc<dyn IssuerRegistry>,
    pub(crate) path: CallPath,
}

#[async_trait]
impl IssuerRegistry for GuardedRegistry {
    async fn trusted(&self, issuer: &str) -> Result<Option<TrustedIssuer>, StoreError> {
        self.path.call(self.registry.trusted(issuer), StoreError::is_the_stores_fault).await.map_err(unread)
    }

    async fn all(&self) -> Result<Vec<TrustedIssuer>, StoreError> {
        self.path.call(self.registry.all(), StoreError::is_the_stores_fault).await.map_err(unread)
    }
}

/// The identity provider, through its circuit.
pub(crate) struct GuardedIdentity {
    pub(crate) identity: Arc<dyn IdentityProvider>,
    pub(crate) path: CallPath,
}

#[async_trait]
impl IdentityProvider for GuardedIdentity {
    async fn keys(&self, issuer: &TrustedIssuer) -> Result<JwkSet, StoreError> {
        self.path.call(self.identity.keys(issuer), StoreError::is_the_stores_fault).await.map_err(unread)
    }
}

fn unread(no_answer: NoAnswer<StoreError>) -> StoreError {
    match no_answer {
        NoAnswer::Rejected(rejected) => StoreError::Unavailable(rejected.to_string()),
        NoAnswer::TimedOut(elapsed) => elapsed.into(),
        NoAnswer::Failed(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use dive_resilience::State;
    use serde_json::json;

    use crate::Settings;
    use crate::dependency::Dependency;
    use crate::ports::StoreError;
    use crate::testing::{KEY, Switch, World, claims};

    /// Asks with a token of each of `issuers` issuers, whose keys are read for the first time.
    async fn asked_by(world: &World, issuers: std::ops::Range<usize>) {
        for number in issuers {
            let issuer = format!("https://partner-{number}.example");
            world.issuers.trust(&issuer, &[&KEY]);
            let mut claims = claims();
            claims["iss"] = json!(issuer);
            let answer = world.authorize(&KEY.sign(&claims), "secret-1").await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_without_keys_takes_the_identity_provider_from_nobody_and_one_that_fails_does() {
        let world = World::with(&Settings::default(), |ports| {
            ports.probes.insert(Dependency::Keycloak, Switch::on());
        });
        let state = || world.node.breaker(Dependency::Keycloak).map(|breaker| breaker.state);
        let refused = [StoreError::Refused("status 404".into()), StoreError::Invalid("damaged".into())];
        for (round, refused) in refused.into_iter().enumerate() {
            world.issuers.keys_fail(Some(refused));
            asked_by(&world, round * 20..round * 20 + 20).await;
            assert_eq!(state(), Some(State::Closed));
        }
        world.issuers.keys_fail(Some(StoreError::Unavailable("status 503".into())));
        asked_by(&world, 40..42).await;
        assert_eq!(state(), Some(State::Closed), "three in a row open it");
        asked_by(&world, 42..43).await;
        assert_eq!(state(), Some(State::Open));
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_that_cannot_be_read_is_no_outage_of_the_store() {
        let world = World::with(&Settings::default(), |ports| {
            ports.probes.insert(Dependency::Mongodb, Switch::on());
        });
        let state = || world.node.breaker(Dependency::Mongodb).map(|breaker| breaker.state);
        let token = crate::testing::token();
        for (error, after) in [
            (StoreError::Invalid("a document is damaged".into()), State::Closed),
            (StoreError::Refused("code 2".into()), State::Closed),
            (StoreError::Unavailable("connection refused".into()), State::Open),
        ] {
            *world.resources.fails.lock() = Some(error);
            for number in 0..5 {
                let answer = world.authorize(&token, &format!("damaged-{number}")).await;
                assert_eq!(answer.status, 503, "it is not let through for that: {answer:?}");
            }
            assert_eq!(state(), Some(after));
        }
    }
}
