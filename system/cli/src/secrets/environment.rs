//! Secrets that are given in the environment, and never made: a newer version is what it says by then.

use std::collections::BTreeMap;

use async_trait::async_trait;
use dive_orchestrator::ErrorCode;
use dive_orchestrator::deploy::{Done, Failure};

use super::{Secret, SecretId, SecretStore};

/// Variables such as `DIVE_SECRET_HUB_POSTGRES`.
pub(super) struct Environment {
    variables: BTreeMap<String, Secret>,
}

impl Environment {
    pub(super) fn new(variables: BTreeMap<String, String>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name, value.into())).collect() }
    }
}

#[async_trait]
impl SecretStore for Environment {
    fn place(&self, id: &SecretId) -> String {
        format!("DIVE_SECRET_{}", id.to_string().to_ascii_uppercase().replace('-', "_"))
    }

    fn is_given(&self) -> bool {
        true
    }

    async fn has(&self, id: &SecretId) -> Done<bool> {
        Ok(self.variables.contains_key(&self.place(id)))
    }

    async fn read(&self, id: &SecretId) -> Done<Option<Secret>> {
        let place = self.place(id);
        self.variables.get(&place).cloned().map(|secret| secret.checked(&place)).transpose()
    }

    async fn keep(&self, id: &SecretId, _: &Secret) -> Done {
        if self.has(id).await? {
            return Ok(());
        }
        Err(Failure::new(ErrorCode::SecretLoad, format!("{} is not set", self.place(id))))
    }
}
